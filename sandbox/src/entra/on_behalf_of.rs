//! The on-behalf-of exchange: a user's token for the MCP server against a token for Graph.
//!
//! Source: "Microsoft identity platform and OAuth 2.0 On-Behalf-Of flow".

use super::request::required;
use crate::directory::{Application, ClientType, Person};
use crate::tenant::{EntraError, Grant, Scopes, Tenant, TokenRefusal};

/// What a client asks for and presents, besides its credentials.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OnBehalfOf<'a> {
    pub(super) assertion: Option<&'a str>,
    pub(super) requested_token_use: Option<&'a str>,
    pub(super) scope: Option<&'a str>,
}

/// What the client may do on behalf of the user whose token it presents.
pub(super) fn grant(
    tenant: &Tenant,
    client: &'static Application,
    asked: &OnBehalfOf<'_>,
) -> Result<Grant, EntraError> {
    if client.client_type == ClientType::Public {
        return Err(EntraError::CLIENT_ASSERTION_MISSING);
    }
    if required(asked.requested_token_use, "requested_token_use")? != "on_behalf_of" {
        return Err(
            EntraError::MALFORMED_REQUEST.because("`requested_token_use` must be `on_behalf_of`.")
        );
    }
    Ok(Grant {
        client,
        scopes: Scopes::parse(tenant.api_names(), required(asked.scope, "scope")?)?,
        person: user_of_assertion(tenant, required(asked.assertion, "assertion")?)?,
    })
}

/// The user's token must be genuine, alive, meant for the client, and a user's.
fn user_of_assertion(tenant: &Tenant, assertion: &str) -> Result<Person, EntraError> {
    let claims = tenant
        .verify_access_token(assertion)
        .map_err(|refusal| match refusal {
            TokenRefusal::Expired | TokenRefusal::NotYetValid => EntraError::ASSERTION_EXPIRED,
            TokenRefusal::Audience => EntraError::ASSERTION_AUDIENCE,
            TokenRefusal::Malformed => EntraError::ASSERTION_MALFORMED,
            refusal => EntraError::ASSERTION_SIGNATURE.because(format!("Reason: {refusal}.")),
        })?;
    if claims.is_app_only() {
        return Err(EntraError::ASSERTION_APP_ONLY);
    }
    claims
        .object_id()
        .and_then(|object_id| tenant.directory.person_by_object_id(object_id))
        .ok_or(EntraError::FOREIGN_USER)
}
