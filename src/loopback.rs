//! Which hosts are this machine itself.

use std::net::IpAddr;

/// Whether `host` is `localhost` or a loopback address. An IPv6 address may stand in brackets, as it does in URLs.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || address(host).is_some_and(|address| address.is_loopback())
}

/// The address that `host` is, unless it is a name.
pub fn address(host: &str) -> Option<IpAddr> {
    let inside_brackets = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inside_brackets {
        Some(address) => address.parse().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
