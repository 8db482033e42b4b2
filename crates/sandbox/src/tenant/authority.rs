//! The addresses of Entra.

use crate::directory::TENANT_ID;

/// One of the origins at which Entra listens. Metadata and id tokens name the origin of the request for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    /// `http://127.0.0.1:{port}` or `https://localhost:{port}`.
    pub(crate) origin: String,
}

impl Authority {
    /// The tenant's v2 issuer, byte for byte the `issuer` of the metadata.
    pub(crate) fn issuer(&self) -> String {
        self.url("v2.0")
    }

    /// The tenant's URL for a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{TENANT_ID}/{path}", self.origin)
    }

    pub(crate) fn is_https(&self) -> bool {
        self.origin.starts_with("https://")
    }
}
