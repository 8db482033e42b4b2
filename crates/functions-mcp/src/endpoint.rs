//! The addresses that tokens may be sent to.

use std::{fmt, net::IpAddr, str::FromStr};

use reqwest::Url;

use crate::loopback;

/// The root of a server: scheme, host and port. It is https, or plain http to this machine itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Url);

impl Origin {
    /// The URL of `path` on this server.
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| "is not a URL")?;
        let is_root = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !is_root || !url.username().is_empty() || url.password().is_some() {
            return Err("must be a scheme, a host and at most a port");
        }
        if !is_confidential(&url) {
            return Err("must be https (plain http is for loopback addresses)");
        }
        Ok(Self(url))
    }
}

/// `https://host`, without a slash at the end.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// The managed identity endpoint, as the platform names it: https, or plain http to a loopback or link-local address.
///
/// App Service on Linux is reported to use addresses such as 169.254.255.2. No router forwards those
/// ([RFC 3927](https://www.rfc-editor.org/rfc/rfc3927#section-2.7),
/// [RFC 4291](https://www.rfc-editor.org/rfc/rfc4291#section-2.5.6)), but other machines may answer at them: so plain
/// http is allowed there for this endpoint alone, whose address is as trusted as the environment that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityEndpoint(Url);

impl IdentityEndpoint {
    /// Whether `url` is this endpoint, whatever its query.
    pub fn is_at(&self, url: &Url) -> bool {
        self.0.origin() == url.origin() && self.0.path() == url.path()
    }
}

impl FromStr for IdentityEndpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Url::parse(text)
            .ok()
            .filter(|url| is_confidential(url) || is_link_local(url))
            .map(Self)
            .ok_or(
                "must be a URL with https, or with plain http and a loopback or link-local address, \
                 such as http://169.254.255.2:8081/msi/token",
            )
    }
}

/// Whether a token may be sent to `url`: over https, or to this machine itself.
pub fn is_confidential(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => url.host_str().is_some_and(loopback::is_loopback),
        _ => false,
    }
}

fn is_link_local(url: &Url) -> bool {
    let address = url.host_str().and_then(loopback::address);
    url.scheme() == "http"
        && address.is_some_and(|address| match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_root_that_tokens_may_be_sent_to() {
        for (text, shown) in [
            ("https://graph.microsoft.com", "https://graph.microsoft.com"),
            (
                "https://graph.microsoft.com/",
                "https://graph.microsoft.com",
            ),
            ("http://127.0.0.1:41/", "http://127.0.0.1:41"),
            ("http://[::1]:41", "http://[::1]:41"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), shown);
        }
        for text in [
            "graph.microsoft.com",
            "https://graph.microsoft.com/v1.0",
            "https://graph.microsoft.com?a",
            "https://user@graph.microsoft.com",
            "http://graph.microsoft.com",
            "http://169.254.255.2",
            "ftp://127.0.0.1",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_stands_after_the_origin() {
        let origin: Origin = "https://login.example:8443".parse().unwrap();
        let url = origin.url("tenant/oauth2/v2.0/token");
        assert_eq!(
            url.as_str(),
            "https://login.example:8443/tenant/oauth2/v2.0/token"
        );
    }

    #[test]
    fn the_identity_endpoint_is_https_or_near() {
        for near in [
            "http://169.254.255.2:8081/msi/token",
            "http://169.254.129.1:8081/msi/token",
            "http://[fe80::1]:8081/msi/token",
            "http://[febf::1]/",
            "http://127.0.0.1:41/msi/token",
            "http://localhost:8081/msi/token",
            "https://identity.example/msi/token",
        ] {
            assert!(near.parse::<IdentityEndpoint>().is_ok(), "{near}");
        }
        for far in [
            "http://identity.example/msi/token",
            "http://169.255.0.1/msi/token",
            "http://10.0.0.4:8081/msi/token",
            "http://[fec0::1]/",
            "http://[::ffff:169.254.255.2]/",
            "http://169.254.255.2.example/",
            "ftp://169.254.255.2/",
            "169.254.255.2:8081/msi/token",
            "/msi/token",
        ] {
            assert!(far.parse::<IdentityEndpoint>().is_err(), "{far}");
        }
    }

    #[test]
    fn tokens_go_over_https_or_stay_on_this_machine() {
        for (url, confidential) in [
            ("https://login.microsoftonline.com/", true),
            ("http://127.0.0.1:41/msi/token", true),
            ("http://[::1]:41/", true),
            ("http://localhost:41/", true),
            ("http://login.microsoftonline.com/", false),
            ("http://127.0.0.1.example/", false),
            ("http://169.254.169.254/", false),
            ("ftp://127.0.0.1/", false),
        ] {
            assert_eq!(
                is_confidential(&Url::parse(url).unwrap()),
                confidential,
                "{url}"
            );
        }
    }
}
