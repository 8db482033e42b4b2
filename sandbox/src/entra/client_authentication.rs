//! How the client of a token request proves who it is.
//!
//! Source: RFC 7523, with a federated credential instead of a key of the client's own ("Configure an application to trust
//! a managed identity").

use super::request::required;
use crate::directory::{Application, ClientType, FEDERATED_CREDENTIAL};
use crate::tenant::{EntraError, TokenRefusal, Tokens};

/// What a client says of itself in a token request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ClientCredentials<'a> {
    pub(super) client_id: Option<&'a str>,
    pub(super) client_secret: Option<&'a str>,
    pub(super) client_assertion_type: Option<&'a str>,
    pub(super) client_assertion: Option<&'a str>,
}

/// Finds the client. A confidential one must prove itself, a public one must not try to.
pub(super) fn authenticate(
    tokens: &Tokens,
    credentials: &ClientCredentials<'_>,
) -> Result<&'static Application, EntraError> {
    let client = Application::find_client(required(credentials.client_id, "client_id")?)
        .ok_or(EntraError::CLIENT_UNKNOWN)?;
    match client.client_type {
        ClientType::Confidential => check_client_assertion(tokens, credentials)?,
        ClientType::Public => {
            let proofs = [credentials.client_assertion, credentials.client_secret];
            if proofs.into_iter().flatten().any(|proof| !proof.is_empty()) {
                return Err(EntraError::CLIENT_IS_PUBLIC);
            }
        }
    }
    Ok(client)
}

/// The client proves itself with a token that matches the federated credential.
fn check_client_assertion(
    tokens: &Tokens,
    credentials: &ClientCredentials<'_>,
) -> Result<(), EntraError> {
    let Ok(assertion) = required(credentials.client_assertion, "client_assertion") else {
        return Err(EntraError::CLIENT_ASSERTION_MISSING);
    };
    if required(credentials.client_assertion_type, "client_assertion_type")?
        != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    {
        return Err(
            EntraError::MALFORMED_REQUEST.because("The `client_assertion_type` is not known.")
        );
    }
    let claims = tokens
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
    if !tokens.is_issuer_of(&claims) {
        Err(EntraError::FEDERATED_ISSUER)
    } else if !claims
        .get("aud")
        .is_some_and(|aud| FEDERATED_CREDENTIAL.is_audience(aud))
    {
        Err(EntraError::FEDERATED_AUDIENCE)
    } else if subject == FEDERATED_CREDENTIAL.subject {
        Ok(())
    } else if subject.eq_ignore_ascii_case(FEDERATED_CREDENTIAL.subject) {
        Err(EntraError::FEDERATED_SUBJECT_CASE)
    } else {
        Err(EntraError::FEDERATED_SUBJECT)
    }
}
