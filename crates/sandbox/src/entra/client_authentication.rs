//! The authentication of the client in a token request.
//!
//! Source: RFC 7523, with a federated credential instead of a key of the client's own ("Configure an application to
//! trust a managed identity").

use super::request::required;
use crate::{
    directory::{Application, ClientType, FEDERATED_CREDENTIAL},
    tenant::{EntraError, TokenRefusal, Tokens},
};

/// The client's credentials in a token request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClientCredentials<'a> {
    pub(super) client_id: Option<&'a str>,
    pub(super) client_secret: Option<&'a str>,
    pub(super) client_assertion_type: Option<&'a str>,
    pub(super) client_assertion: Option<&'a str>,
}

/// Finds and authenticates the client. A confidential client must present a client assertion, a public one must not.
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

/// Checks that the client assertion is a token that matches the federated credential.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::{MCP_CLIENT, MCP_SERVER, OTHER_API},
        tenant::{Signer, TEST_TENANT, TokenSpec},
    };

    fn proof() -> TokenSpec {
        let tokens = &TEST_TENANT.tokens;
        tokens.identity_token(FEDERATED_CREDENTIAL.audience)
    }

    fn credentials(client: &Application) -> ClientCredentials<'_> {
        ClientCredentials {
            client_id: Some(client.client_id),
            ..ClientCredentials::default()
        }
    }

    fn outcome(credentials: &ClientCredentials<'_>) -> Result<&'static str, u32> {
        authenticate(&TEST_TENANT.tokens, credentials)
            .map(|client| client.client_id)
            .map_err(|error| error.code())
    }

    fn outcome_with(proof: TokenSpec) -> Result<&'static str, u32> {
        outcome(&ClientCredentials {
            client_assertion_type: Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            client_assertion: Some(&TEST_TENANT.tokens.sign(proof)),
            ..credentials(&MCP_SERVER)
        })
    }

    #[test]
    fn the_server_authenticates_with_a_token_of_its_managed_identity() {
        assert_eq!(outcome_with(proof()), Ok(MCP_SERVER.client_id));
    }

    #[test]
    fn a_token_that_does_not_match_the_federated_credential_is_refused() {
        let subject = FEDERATED_CREDENTIAL.subject;
        for (proof, code) in [
            (proof().signed_by(Signer::Stranger), 700027),
            (proof().signed_by(Signer::Nobody), 700027),
            (proof().expires_in(-1), 700024),
            (proof().claim("iss", "http://other.example"), 700211),
            (proof().claim("aud", MCP_SERVER.client_id), 700212),
            (proof().claim("sub", OTHER_API.client_id), 700213),
            (proof().claim("sub", subject.to_ascii_uppercase()), 7002138),
        ] {
            assert_eq!(outcome_with(proof.clone()), Err(code), "{proof:?}");
        }
    }

    #[test]
    fn a_client_assertion_must_be_present_and_of_a_known_type() {
        assert_eq!(outcome(&credentials(&MCP_SERVER)), Err(7000218));
        let mut server = credentials(&MCP_SERVER);
        server.client_assertion = Some("proof");
        assert_eq!(outcome(&server), Err(900144));
        server.client_assertion_type = Some("password");
        assert_eq!(outcome(&server), Err(9002313));
    }

    #[test]
    fn a_public_client_must_not_authenticate() {
        let mut client = credentials(&MCP_CLIENT);
        assert_eq!(outcome(&client), Ok(MCP_CLIENT.client_id));
        client.client_secret = Some("");
        assert_eq!(outcome(&client), Ok(MCP_CLIENT.client_id));
        client.client_secret = Some("secret");
        assert_eq!(outcome(&client), Err(700025));
    }

    #[test]
    fn a_client_must_be_one_that_people_sign_in_to() {
        assert_eq!(outcome(&ClientCredentials::default()), Err(900144));
        assert_eq!(outcome(&credentials(&OTHER_API)), Err(700016));
    }
}
