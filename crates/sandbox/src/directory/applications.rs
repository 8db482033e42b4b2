//! The applications of the tenant, as their registrations describe them.

/// The MCP server's app registration: the audience of the user's token and the client of the on-behalf-of exchange.
/// Its redirect URIs are registered at run time, by [`Directory::register_redirect_uri`].
///
/// [`Directory::register_redirect_uri`]: super::Directory::register_redirect_uri
pub const MCP_SERVER: Application = Application {
    display_name: "Functions MCP server",
    client_id: "8e4d1c72-3b5f-4a09-b6e7-91c2d0a85f34",
    publisher: "Contoso",
    client_type: ClientType::Confidential,
    redirect_uris: &[],
};

/// The identifier URI that [`MCP_SERVER`] always has: `api://` and its client id. Others depend on the deployment, see
/// [`Directory::identifier_uris`].
///
/// [`Directory::identifier_uris`]: super::Directory::identifier_uris
pub const IDENTIFIER_URI: &str = "api://8e4d1c72-3b5f-4a09-b6e7-91c2d0a85f34";

/// The delegated permission that [`MCP_SERVER`] exposes.
pub const SCOPE: &str = "user_impersonation";

/// Visual Studio Code, pre-authorised for [`MCP_SERVER`].
pub const VISUAL_STUDIO_CODE: Application = Application {
    display_name: "Visual Studio Code",
    client_id: "aebc6443-996d-45c2-90f0-388ff96faa56",
    publisher: "Microsoft",
    client_type: ClientType::Public,
    redirect_uris: &[
        "http://127.0.0.1",
        "http://localhost",
        "https://vscode.dev/redirect",
    ],
};

/// Any other MCP client on the user's machine: the Inspector, mcp-remote, Claude Code, a program on an SDK or on MSAL.
/// Pre-authorised for [`MCP_SERVER`]. Its redirect URIs are those that such clients use.
pub const MCP_CLIENT: Application = Application {
    display_name: "MCP client",
    client_id: "3f0a6b58-c1e4-4d97-8b2a-5d7f90e3c146",
    publisher: "Contoso",
    client_type: ClientType::Public,
    redirect_uris: &[
        // MSAL, Copilot CLI.
        "http://localhost",
        "http://127.0.0.1",
        // The SDKs' examples, Claude Code, fastmcp, mcporter.
        "http://localhost/callback",
        "http://127.0.0.1/callback",
        // The Inspector, mcp-remote.
        "http://localhost/oauth/callback",
        "http://127.0.0.1/oauth/callback",
        // opencode.
        "http://127.0.0.1/mcp/oauth/callback",
    ],
};

/// The Azure CLI, with which a developer signs in.
pub const AZURE_CLI: Application = Application {
    display_name: "Microsoft Azure CLI",
    client_id: "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    publisher: "Microsoft",
    client_type: ClientType::Public,
    redirect_uris: &["http://localhost"],
};

/// Another API of the tenant. Its tokens are genuine, but not for the MCP server. People cannot sign in to it.
pub const OTHER_API: Application = Application {
    display_name: "Payroll",
    client_id: "d7a3e590-64bc-4f1d-8c27-3e95b1f0a648",
    publisher: "Contoso",
    client_type: ClientType::Confidential,
    redirect_uris: &[],
};

/// The clients that may call [`MCP_SERVER`] without their users' consent.
pub const PRE_AUTHORIZED_CLIENTS: [Application; 2] = [VISUAL_STUDIO_CODE, MCP_CLIENT];

/// The applications that people sign in to.
pub(super) static CLIENTS: [Application; 4] =
    [MCP_SERVER, VISUAL_STUDIO_CODE, MCP_CLIENT, AZURE_CLI];

/// An app registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application {
    /// The name on consent pages and in the portal.
    pub display_name: &'static str,
    /// Its client id, also called application id.
    pub client_id: &'static str,
    /// The publisher, for consent pages.
    pub publisher: &'static str,
    /// Whether the application can authenticate itself.
    pub client_type: ClientType,
    /// The registered redirect URIs. A public client's on `http://localhost` and `http://127.0.0.1` match any port.
    pub redirect_uris: &'static [&'static str],
}

/// Whether an application can keep a secret (RFC 6749, section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    /// It runs on a user's machine and does not authenticate.
    Public,
    /// It runs on a server and authenticates with a client assertion.
    Confidential,
}

impl Application {
    /// The application of this client id, if people can sign in to it.
    pub(crate) fn find_client(client_id: &str) -> Option<&'static Self> {
        CLIENTS
            .iter()
            .find(|client| client.client_id.eq_ignore_ascii_case(client_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_uri_names_the_server() {
        assert_eq!(IDENTIFIER_URI, format!("api://{}", MCP_SERVER.client_id));
    }

    #[test]
    fn clients_are_found_by_their_id_in_any_case() {
        let id = VISUAL_STUDIO_CODE.client_id.to_ascii_uppercase();
        assert_eq!(Application::find_client(&id), Some(&VISUAL_STUDIO_CODE));
        assert_eq!(Application::find_client(OTHER_API.client_id), None);
    }
}
