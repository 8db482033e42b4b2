//! A tenant that publishes one signing key without a private key: every signature is wrong.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

/// The tenant's id.
pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
/// The id of its key.
pub const KEY_ID: &str = "key-1";

/// Serves the tenant's metadata and key on this machine. Returns the authority.
pub fn start() -> String {
    start_with_keys_at(None)
}

/// Like [`start`], with `keys_at` as the address of the key in the metadata.
pub fn start_with_keys_at(keys_at: Option<&str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = format!("http://{}", listener.local_addr().unwrap());
    let issuer = issuer(&authority);
    let keys_at = keys_at.map_or_else(|| format!("{issuer}/keys"), str::to_owned);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // A client that disconnects must not affect the others.
            let _ = answer(connection, &issuer, &keys_at);
        }
    });
    authority
}

/// The issuer of the tenant's tokens.
pub fn issuer(authority: &str) -> String {
    format!("{authority}/{TENANT}/v2.0")
}

fn answer(mut connection: TcpStream, issuer: &str, keys_at: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines
        .next()
        .transpose()?
        .is_some_and(|header| !header.is_empty())
    {}
    let body = if request.contains("/.well-known/openid-configuration") {
        metadata(issuer, keys_at)
    } else {
        keys()
    };
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn metadata(issuer: &str, keys_at: &str) -> String {
    format!(
        r#"{{"issuer":"{issuer}","authorization_endpoint":"{issuer}/authorize","jwks_uri":"{keys_at}",
            "response_types_supported":["code"],"subject_types_supported":["pairwise"],
            "id_token_signing_alg_values_supported":["RS256"]}}"#
    )
}

/// An RSA key of 2048 one bits.
fn keys() -> String {
    let modulus = "_".repeat(341) + "w";
    format!(
        r#"{{"keys":[{{"kty":"RSA","use":"sig","kid":"{KEY_ID}","n":"{modulus}","e":"AQAB"}}]}}"#
    )
}
