//! The identity that tools act as, and its parameters.

use std::{fmt, str::FromStr};

use crate::{
    endpoint::{IdentityEndpoint, Origin},
    local_run::FurtherHosts,
};

/// The identity that tools act as.
#[derive(Clone, Debug)]
pub enum Identity {
    /// The developer who is signed in to a command-line tool.
    Developer {
        /// The tenant that issues the tokens; `None` for the command-line tool's default.
        tenant: Option<TenantId>,
        /// The names under which the app may be called, besides this machine's own.
        further_hosts: FurtherHosts,
    },
    /// The user who called the tool.
    Caller(Box<CallerIdentity>),
}

/// The parameters of acting on behalf of the calling user.
#[derive(Clone, Debug)]
pub struct CallerIdentity {
    /// Client id of this app's registration.
    pub client_id: String,
    /// The audiences that a caller's token may carry. They are the registration's names: the client id, `api://` and
    /// the client id, the identifier URIs of the scopes that clients ask for, the endpoint's URL and its origin.
    pub audiences: Vec<String>,
    /// The scope that a caller's token must hold.
    pub scope: String,
    /// Tenants whose users may call; never empty.
    pub allowed_tenants: Vec<TenantId>,
    /// Client ids of the MCP clients that may call; empty if any may.
    pub allowed_clients: Vec<String>,
    /// Whether an id token of App Service's token store proves the caller.
    pub accepts_id_tokens: bool,
    /// Client id of the managed identity.
    pub managed_identity_client_id: String,
    /// The endpoint that issues the managed identity's tokens.
    pub identity_endpoint: IdentityEndpoint,
    /// Audience of the managed identity's assertion.
    pub token_exchange_audience: String,
    /// Entra ID.
    pub authority: Origin,
    /// This app's public origin; without it, there is no consent link.
    pub origin: Option<Origin>,
}

/// A tenant's id: a GUID in lower case, so that it is safe in a URL's path and compares as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantId(String);

impl TenantId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TenantId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_guid = text.len() == 36
            && text.bytes().enumerate().all(|(index, byte)| match index {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        if is_guid {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err("must be a tenant id such as 00000000-0000-0000-0000-000000000000".into())
        }
    }
}
