//! HTTP between the programs of one machine.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use tokio::net::TcpSocket;

/// A client for `http://127.0.0.1`, whatever proxies the environment names.
///
/// # Errors
/// When the client cannot be made.
pub fn client() -> io::Result<reqwest::Client> {
    // The client needs a TLS provider even without TLS. A second installation fails, which does no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .map_err(io::Error::other)
}

/// Whether a `Host` header names this machine itself, with or without a port.
pub fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "[::1]"].contains(&name) || name.eq_ignore_ascii_case("localhost")
}

/// How many connections may wait to be accepted: tests open hundreds at once.
const BACKLOG: u32 = 1024;

/// Listens on a port of 127.0.0.1; on any free one for 0. Needs a tokio runtime.
///
/// # Errors
/// Names the port that cannot be had.
pub fn listen(port: u16) -> io::Result<TcpListener> {
    listen_at(Ipv4Addr::LOCALHOST, port)
}

/// As [`listen`], at an address that an interface of this machine has.
///
/// # Errors
/// Names the port and the address that cannot be had.
pub fn listen_at(address: Ipv4Addr, port: u16) -> io::Result<TcpListener> {
    let listen = || {
        let socket = TcpSocket::new_v4()?;
        // On Windows this would let two programs share the port.
        #[cfg(not(windows))]
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((address, port)))?;
        socket.listen(BACKLOG)?.into_std()
    };
    listen().map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("port {port} of {address}: {error}"))
    })
}

/// A free port for another program to listen on. It lies below the ports that systems give to
/// outgoing connections, so that none of those takes it in the meantime.
pub fn free_port() -> io::Result<u16> {
    const ATTEMPTS: usize = 100;
    for _ in 0..ATTEMPTS {
        let port = 20_000 + rand::random::<u16>() % 12_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        "no free port between 20000 and 32000",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_names_are_loopback_hosts() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:7072",
            "localhost:7072",
            "LOCALHOST",
            "[::1]:7072",
            "[::1]",
        ] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:7072",
            "127.0.0.1.evil.example",
            "localhost.evil.example:7072",
        ] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
