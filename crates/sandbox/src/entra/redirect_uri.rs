//! Which redirect URIs an application may use.
//!
//! Source: "Redirect URI (reply URL) restrictions and limitations"; RFC 8252, section 7.3.

use reqwest::Url;

use crate::directory::{Application, ClientType};

/// Whether the URI is registered: an exact match or, for a public client, one on the same loopback host with the same
/// path, on any port.
pub(super) fn is_registered(client: &Application, registered: &[String], uri: &str) -> bool {
    registered.iter().any(|registered| {
        registered == uri
            || (client.client_type == ClientType::Public
                && is_same_on_loopback(registered, uri).unwrap_or(false))
    })
}

fn is_same_on_loopback(registered: &str, uri: &str) -> Option<bool> {
    let registered = Url::parse(registered).ok()?;
    let uri = Url::parse(uri).ok()?;
    let is_loopback = registered.scheme() == "http"
        && matches!(registered.host_str(), Some("127.0.0.1" | "localhost"));
    Some(
        is_loopback
            && uri.path() == registered.path()
            && uri.scheme() == registered.scheme()
            && uri.host_str() == registered.host_str()
            && uri.query() == registered.query()
            && uri.fragment().is_none()
            && uri.username().is_empty()
            && uri.password().is_none(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Directory, MCP_CLIENT, MCP_SERVER, VISUAL_STUDIO_CODE};

    fn accepts(client: &Application, uri: &str) -> bool {
        let directory = Directory::default();
        directory.register_redirect_uri("http://127.0.0.1:7071/.auth/login/aad/callback");
        is_registered(client, &directory.redirect_uris(client), uri)
    }

    #[test]
    fn a_public_client_listens_on_any_loopback_port() {
        for uri in [
            "http://127.0.0.1:50389/",
            "http://127.0.0.1:33418",
            "http://localhost:1",
            "http://localhost",
            "https://vscode.dev/redirect",
        ] {
            assert!(accepts(&VISUAL_STUDIO_CODE, uri), "{uri}");
        }
    }

    #[test]
    fn only_the_port_is_free() {
        for uri in [
            "",
            "/callback",
            "http://127.0.0.1:50389/callback",
            "https://127.0.0.1:50389/",
            "http://[::1]:50389/",
            "http://localhost.evil.example/",
            "http://localhost:80@evil.example/",
            "http://user@localhost/",
            "http://localhost/?next=//evil.example",
            "http://localhost/#fragment",
            "https://vscode.dev/redirect/",
            "https://vscode.dev:8443/redirect",
            "javascript:alert(1)",
        ] {
            assert!(!accepts(&VISUAL_STUDIO_CODE, uri), "{uri}");
        }
    }

    #[test]
    fn the_mcp_client_may_use_the_paths_that_mcp_clients_use() {
        for uri in [
            "http://localhost:8090/",
            "http://127.0.0.1:33418",
            "http://localhost:3118/callback",
            "http://127.0.0.1:40123/callback",
            "http://localhost:6274/oauth/callback",
            "http://127.0.0.1:6276/oauth/callback",
            "http://127.0.0.1:19876/mcp/oauth/callback",
        ] {
            assert!(accepts(&MCP_CLIENT, uri), "{uri}");
        }
        for uri in [
            // Codex.
            "http://127.0.0.1:40123/callback/7-e2Ra8oyLZL",
            "http://127.0.0.1:40123/callback/",
            "http://127.0.0.1:40123/Callback",
            "http://localhost:3334/oauth/callback/debug",
            "http://evil.example/callback",
            "https://localhost/callback",
            "http://localhost:1@evil.example/",
        ] {
            assert!(!accepts(&MCP_CLIENT, uri), "{uri}");
        }
    }

    #[test]
    fn a_confidential_clients_redirect_uri_is_matched_exactly() {
        assert!(accepts(
            &MCP_SERVER,
            "http://127.0.0.1:7071/.auth/login/aad/callback"
        ));
        for uri in [
            "http://127.0.0.1:7072/.auth/login/aad/callback",
            "http://127.0.0.1:7071/.auth/login/aad/callback/",
            "http://localhost:7071/.auth/login/aad/callback",
        ] {
            assert!(!accepts(&MCP_SERVER, uri), "{uri}");
        }
    }
}
