//! The callers of a local run, whose tools act as the developer: programs on this machine only.
//!
//! A local run has no sign-in. Core Tools up to 4.13 listen on all of the machine's addresses, and all versions accept
//! any `Host`, so a web page whose own name resolves to this machine (DNS rebinding) could call the tools as the
//! developer. The [MCP specification][warning] demands that local servers check `Origin`; `Host` reveals a foreign
//! name.
//!
//! [warning]: https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#security-warning

use reqwest::Url;

use crate::{
    failure::{Failure, sanitized},
    headers::Headers,
    loopback::{host_name, is_loopback},
};

/// The hosts under which a local run may be called besides those of this machine: of containers and forwarded ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FurtherHosts(Vec<String>);

impl std::str::FromStr for FurtherHosts {
    type Err = &'static str;

    /// Reads a comma-separated list.
    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let hosts = list
            .split(',')
            .map(str::trim)
            .filter(|host| !host.is_empty());
        hosts
            .map(|host| is_host(host).then(|| host.to_owned()))
            .collect::<Option<_>>()
            .map(Self)
            .ok_or("must be host names without scheme and port, such as box-7071.app.github.dev")
    }
}

/// Whether `text` is a name or an address and nothing else. Wildcards are not allowed: each trusted host is named.
fn is_host(text: &str) -> bool {
    let url = Url::parse(&format!("http://{text}/"));
    let host = url.as_ref().ok().and_then(Url::host_str);
    !text.contains('*') && host.is_some_and(|host| host.eq_ignore_ascii_case(text))
}

impl FurtherHosts {
    /// Refuses a call, by the `headers` of the client's request, that was not sent to this machine or that a foreign
    /// web page sent.
    pub fn admit(&self, headers: &Headers<'_>) -> Result<(), Failure> {
        let host = headers.get("Host").ok().flatten().unwrap_or_default();
        if !self.is_ours(host) {
            return Err(foreign("was sent to the host", host));
        }
        match headers.get("Origin") {
            Ok(None) => Ok(()),
            Ok(Some(origin)) if self.is_our_origin(origin) => Ok(()),
            Ok(Some(origin)) => Err(foreign("comes from a web page of", origin)),
            Err(_) => Err(foreign("comes from a web page of", "several origins")),
        }
    }

    fn is_our_origin(&self, origin: &str) -> bool {
        ["http://", "https://"]
            .iter()
            .find_map(|scheme| origin.strip_prefix(scheme))
            .is_some_and(|host| self.is_ours(host))
    }

    /// Whether `host`, with or without a port, is this machine or one that the developer has named.
    fn is_ours(&self, host: &str) -> bool {
        let host = host_name(host);
        is_loopback(host) || self.0.iter().any(|named| named.eq_ignore_ascii_case(host))
    }
}

fn foreign(how: &str, whom: &str) -> Failure {
    let message = format!(
        "The tools of this local run act as its developer, so it takes calls from this machine only; this one {how} \
         {:?}. If that is you, add the host name to DEVELOPMENT_ALLOWED_HOSTS in local.settings.json and start the \
         app again.",
        sanitized(whom),
    );
    Failure::operator("foreign_caller", message).with_action(
        "if the call was yours, add its host name to DEVELOPMENT_ALLOWED_HOSTS; otherwise a web page or another machine tries to act as you",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(further: &str, headers: &[(&str, &str)]) -> bool {
        let further: FurtherHosts = further.parse().unwrap();
        let headers = Headers::from_iter(headers.iter().copied());
        further.admit(&headers).is_ok()
    }

    #[test]
    fn programs_of_this_machine_are_admitted_and_so_are_its_web_pages() {
        for host in [
            "localhost:7071",
            "127.0.0.1:7071",
            "LOCALHOST",
            "[::1]:7071",
        ] {
            assert!(admitted("", &[("host", host)]), "{host}");
        }
        for origin in [
            "http://localhost:6274",
            "https://127.0.0.1",
            "http://[::1]:3000",
        ] {
            let headers = [("Host", "localhost:7071"), ("Origin", origin)];
            assert!(admitted("", &headers), "{origin}");
        }
    }

    #[test]
    fn names_and_origins_of_others_are_refused() {
        for host in [
            "",
            "evil.example:7071",
            "localhost.evil.example:7071",
            "localhost:7071.evil.example",
            "evil.example:7071@localhost",
            "127.0.0.1.nip.io",
            "0.0.0.0:7071",
            "192.168.0.7:7071",
            "169.254.255.2",
            "localhost:7071,localhost:7071",
        ] {
            assert!(!admitted("box.example", &[("Host", host)]), "{host}");
        }
        assert!(!admitted("", &[]));
        for origin in [
            "",
            "null",
            "http://evil.example",
            "http://localhost@evil.example",
            "http://evil.example/localhost",
            "vscode-webview://1a2b",
            "file://localhost",
            "localhost",
        ] {
            let headers = [("Host", "localhost:7071"), ("Origin", origin)];
            assert!(!admitted("box.example", &headers), "{origin}");
        }
        let twice = [("Host", "localhost"), ("host", "localhost")];
        assert!(!admitted("", &twice));
    }

    #[test]
    fn the_developer_may_name_further_hosts() {
        let further = "box-7071.app.github.dev, 192.168.0.7,";
        for host in ["box-7071.app.github.dev", "192.168.0.7:7071"] {
            assert!(admitted(further, &[("Host", host)]), "{host}");
            assert!(!admitted("", &[("Host", host)]), "{host}");
        }
        let headers = [
            ("Host", "localhost:7071"),
            ("Origin", "https://BOX-7071.app.github.dev"),
        ];
        assert!(admitted(further, &headers));
    }

    #[test]
    fn what_is_no_host_name_is_not_taken_for_one() {
        for wrong in [
            "https://box.example",
            "box.example:7071",
            "a b",
            "box.example/",
            "*",
        ] {
            assert!(wrong.parse::<FurtherHosts>().is_err(), "{wrong}");
        }
    }
}
