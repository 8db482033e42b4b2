//! The Azure clouds and what differs between them.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud> and
//! <https://learn.microsoft.com/graph/deployments>.

use std::str::FromStr;

/// An Azure cloud. Its name is what `az cloud list` shows, plus `AzureUSGovernmentDoD`, which differs from
/// `AzureUSGovernment` in its Microsoft Graph endpoint only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cloud {
    /// The global cloud.
    #[default]
    Public,
    /// US Government L4 (GCC High).
    UsGovernment,
    /// US Government L5 (DoD).
    UsGovernmentDod,
    /// China, operated by 21Vianet.
    China,
}

impl Cloud {
    const ALL: [(&'static str, Cloud); 4] = [
        ("AzureCloud", Cloud::Public),
        ("AzureUSGovernment", Cloud::UsGovernment),
        ("AzureUSGovernmentDoD", Cloud::UsGovernmentDod),
        ("AzureChinaCloud", Cloud::China),
    ];

    /// Where Entra ID signs users in and issues tokens; also the host of every token's issuer.
    pub fn authority(self) -> &'static str {
        match self {
            Cloud::Public => "https://login.microsoftonline.com",
            Cloud::UsGovernment | Cloud::UsGovernmentDod => "https://login.microsoftonline.us",
            Cloud::China => "https://login.partner.microsoftonline.cn",
        }
    }

    /// The root of Microsoft Graph.
    pub fn graph(self) -> &'static str {
        match self {
            Cloud::Public => "https://graph.microsoft.com",
            Cloud::UsGovernment => "https://graph.microsoft.us",
            Cloud::UsGovernmentDod => "https://dod-graph.microsoft.us",
            Cloud::China => "https://microsoftgraph.chinacloudapi.cn",
        }
    }

    /// The audience of the managed identity's token when it serves as a client assertion.
    pub fn token_exchange_audience(self) -> &'static str {
        match self {
            Cloud::Public => "api://AzureADTokenExchange",
            Cloud::UsGovernment | Cloud::UsGovernmentDod => "api://AzureADTokenExchangeUSGov",
            Cloud::China => "api://AzureADTokenExchangeChina",
        }
    }
}

impl FromStr for Cloud {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, cloud)| cloud)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|(name, _)| *name).collect();
                format!("must be one of {}", names.join(", "))
            })
    }
}
