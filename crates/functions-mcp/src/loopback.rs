//! The hosts that are this machine itself.

use std::net::IpAddr;

/// Whether `host` is `localhost` or a loopback address. An IPv6 address may stand in brackets, as it does in URLs.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || address(host).is_some_and(|address| address.is_loopback())
}

/// The IP address in `host`; `None` for a name.
pub fn address(host: &str) -> Option<IpAddr> {
    let inside_brackets = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inside_brackets {
        Some(address) => address.parse().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

/// The host of `host` or `host:port`, as they stand in a `Host` header.
pub fn host_name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_part_of_a_host_name() {
        for (authority, host) in [
            ("localhost:7071", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:7071", "[::1]"),
            ("[::1]", "[::1]"),
            ("a:b", "a:b"),
            ("", ""),
        ] {
            assert_eq!(host_name(authority), host);
        }
    }

    #[test]
    fn this_machine_has_one_name_and_the_loopback_addresses() {
        for host in [
            "localhost",
            "LocalHost",
            "127.0.0.1",
            "127.8.9.1",
            "[::1]",
            "::1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "localhost.",
            "localhost.example",
            "127.0.0.1.example",
            "0.0.0.0",
            "10.0.0.1",
            "169.254.255.2",
            "[127.0.0.1]",
            "[::2]",
            "::1]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
