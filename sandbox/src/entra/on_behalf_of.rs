//! The on-behalf-of exchange: a user's token for the MCP server against a token for Graph.
//!
//! Source: "Microsoft identity platform and OAuth 2.0 On-Behalf-Of flow", with a federated credential as the client's
//! proof ("Configure an application to trust a managed identity"); RFC 7523.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::EntraError;
use super::tokens::{RequestedClaims, TokenRefusal};
use crate::cloud::CloudState;
use crate::directory::{FEDERATED_CREDENTIAL, IDENTIFIER_URI, MCP_SERVER, Person};

/// The form of a token request. Members that Entra does not know, it ignores.
#[derive(Deserialize)]
pub(crate) struct TokenRequest {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_assertion_type: Option<String>,
    client_assertion: Option<String>,
    pub(super) assertion: Option<String>,
    scope: Option<String>,
    requested_token_use: Option<String>,
    claims: Option<String>,
}

/// A successful answer (RFC 6749, section 5.1, and Entra's additions). Times in seconds.
#[derive(Serialize)]
pub(crate) struct TokenResponse {
    token_type: &'static str,
    scope: String,
    expires_in: u64,
    ext_expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<u64>,
    access_token: String,
}

/// Checks every member of the request and issues the token.
pub(super) fn exchange(
    cloud: &CloudState,
    request: &TokenRequest,
) -> Result<TokenResponse, EntraError> {
    match required(&request.grant_type, "grant_type")? {
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => {}
        other => return Err(EntraError::UNSUPPORTED_GRANT.because(format!("It was `{other}`."))),
    }
    if required(&request.client_id, "client_id")? != MCP_SERVER.client_id {
        return Err(EntraError::CLIENT_UNKNOWN);
    }
    check_client_assertion(cloud, request)?;
    if required(&request.requested_token_use, "requested_token_use")? != "on_behalf_of" {
        return Err(
            EntraError::MALFORMED_REQUEST.because("`requested_token_use` must be `on_behalf_of`.")
        );
    }
    let scope = granted_scope(&cloud.graph, required(&request.scope, "scope")?)?;
    let requested = requested_claims(request.claims.as_deref())?;
    let person = user_of_assertion(cloud, required(&request.assertion, "assertion")?)?;
    if !cloud.directory.has_consented(&person) {
        return Err(EntraError::CONSENT_REQUIRED);
    }

    let lifetime = cloud.options.graph_token_lifetime;
    Ok(TokenResponse {
        token_type: "Bearer",
        scope,
        expires_in: lifetime.as_secs(),
        ext_expires_in: lifetime.as_secs(),
        refresh_in: cloud
            .options
            .refresh_in
            .map(|refresh_in| refresh_in.as_secs()),
        access_token: cloud.issue(cloud.tokens.graph_token(
            &person,
            &cloud.graph,
            requested,
            lifetime,
        )),
    })
}

fn required<'a>(value: &'a Option<String>, name: &str) -> Result<&'a str, EntraError> {
    value
        .as_deref()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| EntraError::PARAMETER_MISSING.because(format!("It is `{name}`.")))
}

/// The client proves itself with a token that matches the federated credential.
fn check_client_assertion(cloud: &CloudState, request: &TokenRequest) -> Result<(), EntraError> {
    let Ok(assertion) = required(&request.client_assertion, "client_assertion") else {
        return Err(EntraError::CLIENT_ASSERTION_MISSING);
    };
    if required(&request.client_assertion_type, "client_assertion_type")?
        != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    {
        return Err(
            EntraError::MALFORMED_REQUEST.because("The `client_assertion_type` is not known.")
        );
    }
    let claims =
        cloud
            .tokens
            .verify_signature_and_time(assertion)
            .map_err(|refusal| match refusal {
                TokenRefusal::Expired | TokenRefusal::NotYetValid => {
                    EntraError::CLIENT_ASSERTION_EXPIRED
                }
                refusal => {
                    EntraError::CLIENT_ASSERTION_SIGNATURE.because(format!("Reason: {refusal}."))
                }
            })?;

    let subject = claims.get("sub").unwrap_or_default();
    if claims.get("iss") != Some(&cloud.tokens.issuer) {
        Err(EntraError::FEDERATED_ISSUER)
    } else if claims.get("aud") != Some(FEDERATED_CREDENTIAL.audience) {
        Err(EntraError::FEDERATED_AUDIENCE)
    } else if subject == FEDERATED_CREDENTIAL.subject {
        Ok(())
    } else if subject.eq_ignore_ascii_case(FEDERATED_CREDENTIAL.subject) {
        Err(EntraError::FEDERATED_SUBJECT_CASE)
    } else {
        Err(EntraError::FEDERATED_SUBJECT)
    }
}

/// The user's token must be genuine, alive, meant for the client, and a user's.
fn user_of_assertion(cloud: &CloudState, assertion: &str) -> Result<Person, EntraError> {
    let claims = cloud
        .tokens
        .verify(assertion, &[MCP_SERVER.client_id, IDENTIFIER_URI])
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

/// Reads the scopes asked for and tells those granted, both separated by blanks.
///
/// The application has one permission: Graph `User.Read`.
fn granted_scope(graph: &str, asked: &str) -> Result<String, EntraError> {
    let (mut default, mut user_read) = (false, false);
    for scope in asked.split_ascii_whitespace() {
        // Graph is meant where no resource is named.
        let permission = match scope.rsplit_once('/') {
            Some((resource, permission)) if resource == graph => permission,
            Some((resource, _)) => {
                return Err(EntraError::RESOURCE_NOT_FOUND.because(format!("It was `{resource}`.")));
            }
            None => scope,
        };
        match permission {
            "openid" | "profile" | "email" | "offline_access" => {}
            ".default" => default = true,
            "User.Read" => user_read = true,
            other => return Err(EntraError::CONSENT_REQUIRED.because(format!("It is `{other}`."))),
        }
    }
    match (default, user_read) {
        (true, false) => Ok(format!(
            "email openid profile {graph}/User.Read {graph}/.default"
        )),
        (false, true) => Ok(format!("email openid profile {graph}/User.Read")),
        (true, true) => {
            Err(EntraError::INVALID_SCOPE.because("`.default` goes with no other permission."))
        }
        (false, false) => Err(EntraError::INVALID_SCOPE.because("It names no permission.")),
    }
}

/// Reads the `claims` parameter (OpenID Connect Core, section 5.5).
fn requested_claims(claims: Option<&str>) -> Result<RequestedClaims, EntraError> {
    let Some(claims) = claims.filter(|claims| !claims.is_empty()) else {
        return Ok(RequestedClaims::default());
    };
    let claims: Map<String, Value> = serde_json::from_str(claims)
        .map_err(|_| EntraError::MALFORMED_REQUEST.because("`claims` must be a JSON object."))?;
    let access_token = claims.get("access_token");
    Ok(RequestedClaims {
        client_capabilities: access_token
            .and_then(|claims| claims.pointer("/xms_cc/values"))
            .cloned(),
        challenge: access_token
            .and_then(|claims| claims.pointer("/nbf/value"))
            .and_then(Value::as_str)
            .map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GRAPH: &str = "http://127.0.0.1:7073";

    #[test]
    fn the_scope_must_be_graphs() {
        let code = |scope: &str| granted_scope(GRAPH, scope).map_err(|error| error.code());
        assert!(
            code("http://127.0.0.1:7073/.default")
                .unwrap()
                .ends_with("http://127.0.0.1:7073/.default")
        );
        assert!(code("http://127.0.0.1:7073/User.Read offline_access").is_ok());
        assert!(code("User.Read").is_ok());
        assert_eq!(code("https://graph.microsoft.com/.default"), Err(500011));
        assert_eq!(code("http://127.0.0.1:7073/Mail.Read"), Err(65001));
        assert_eq!(code("User.Read http://127.0.0.1:7073/.default"), Err(70011));
        assert_eq!(code("openid"), Err(70011));
    }

    #[test]
    fn claims_must_be_an_object() {
        for claims in ["[]", "1", "{", "access_token"] {
            assert_eq!(
                requested_claims(Some(claims)).unwrap_err().code(),
                9002313,
                "{claims}"
            );
        }
        assert_eq!(requested_claims(Some("{}")), Ok(RequestedClaims::default()));
        assert_eq!(requested_claims(None), Ok(RequestedClaims::default()));
    }

    #[test]
    fn the_values_of_continuous_access_evaluation_are_read() {
        let claims = json!({"access_token": {
            "nbf": {"essential": true, "value": "1604106651"},
            "xms_cc": {"values": ["cp1"]},
        }});
        let requested = requested_claims(Some(&claims.to_string())).unwrap();
        assert_eq!(requested.challenge.as_deref(), Some("1604106651"));
        assert_eq!(requested.client_capabilities, Some(json!(["cp1"])));
    }
}
