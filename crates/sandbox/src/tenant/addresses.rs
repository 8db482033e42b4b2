//! The addresses of the tenant's services.

/// The addresses that tokens, metadata and other services name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    /// Entra: `http://127.0.0.1:{port}`.
    pub(crate) authority: String,
    /// Microsoft Graph.
    pub(crate) graph: GraphOrigins,
    /// The managed identity endpoint: `http://{address}:{port}/msi/token`.
    pub(crate) identity_endpoint: String,
}

/// The origins at which Graph listens. Each names it in scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GraphOrigins {
    pub(crate) http: String,
    pub(crate) https: Option<String>,
}

impl GraphOrigins {
    /// The `aud` of every token for Graph, and the origin of the URLs in its responses.
    pub(crate) fn audience(&self) -> &str {
        &self.http
    }

    /// Whether a scope's `resource` means Graph.
    pub(crate) fn contains(&self, resource: &str) -> bool {
        resource == self.http || self.https.as_deref() == Some(resource)
    }
}
