//! The on-behalf-of exchange: a user's token for the MCP server against a token for Graph.
//!
//! Source: "Microsoft identity platform and OAuth 2.0 On-Behalf-Of flow".

use super::authority::Authority;
use super::client_authentication::authenticate;
use super::error::EntraError;
use super::grants::Grant;
use super::required;
use super::scope::Scopes;
use super::token::{TokenRequest, TokenResponse};
use super::tokens::TokenRefusal;
use crate::cloud::CloudState;
use crate::directory::{ClientType, Person};

/// Checks every member of the request and issues the token.
pub(super) fn exchange(
    cloud: &CloudState,
    authority: &Authority,
    request: &TokenRequest,
) -> Result<TokenResponse, EntraError> {
    let client = authenticate(cloud, request)?;
    if client.client_type == ClientType::Public {
        return Err(EntraError::CLIENT_ASSERTION_MISSING);
    }
    if required(&request.requested_token_use, "requested_token_use")? != "on_behalf_of" {
        return Err(
            EntraError::MALFORMED_REQUEST.because("`requested_token_use` must be `on_behalf_of`.")
        );
    }
    let grant = Grant {
        client,
        scopes: Scopes::parse(cloud.api_names(), required(&request.scope, "scope")?)?,
        person: user_of_assertion(cloud, required(&request.assertion, "assertion")?)?,
    };
    request.issue(cloud, authority, &grant, &grant.scopes, None)
}

/// The user's token must be genuine, alive, meant for the client, and a user's.
fn user_of_assertion(cloud: &CloudState, assertion: &str) -> Result<Person, EntraError> {
    let claims = cloud
        .tokens
        .verify(assertion, &cloud.directory.server_audiences())
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
        .and_then(|object_id| cloud.directory.person_by_object_id(object_id))
        .ok_or(EntraError::FOREIGN_USER)
}
