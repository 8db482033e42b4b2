//! Checks of requests that several of Entra's endpoints share.

use actix_web::HttpRequest;
use uuid::Uuid;

use crate::{
    directory::TENANT_ID,
    tenant::{EntraError, Scopes, Tenant},
};

/// The tenant in the path must be this one.
pub(super) fn check_tenant(id: &str) -> Result<(), EntraError> {
    if id.eq_ignore_ascii_case(TENANT_ID) {
        Ok(())
    } else {
        Err(EntraError::TENANT_NOT_FOUND)
    }
}

/// The resource indicator (RFC 8707) must be exactly an identifier URI of the scopes' API: a trailing slash is refused.
/// See [`lenient_resource`](crate::tenant::Policy::lenient_resource).
///
/// Source: "Secure a Model Context Protocol server with Microsoft Entra ID"; reports of clients that Entra refuses
/// (anthropics/claude-code#52871).
pub(super) fn check_resource(
    tenant: &Tenant,
    resource: Option<&str>,
    scopes: &Scopes,
) -> Result<(), EntraError> {
    match resource {
        Some(resource) if !tenant.policy.lenient_resource => tenant
            .api_names()
            .find_identifier_uri(resource)
            .filter(|api| scopes.apis().contains(api))
            .map(|_| ())
            .ok_or_else(|| EntraError::RESOURCE_MISMATCH.because(format!("It was `{resource}`."))),
        _ => Ok(()),
    }
}

/// A parameter that must be present and not empty.
pub(super) fn required<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, EntraError> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| EntraError::PARAMETER_MISSING.because(format!("It is `{name}`.")))
}

/// The caller's name for the request.
pub(super) fn correlation_id(request: &HttpRequest) -> Option<Uuid> {
    request
        .headers()
        .get("client-request-id")?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
