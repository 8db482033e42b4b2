//! The on-behalf-of flow: it exchanges a user's token for the MCP server for a token for Graph.
//!
//! Source: "Microsoft identity platform and OAuth 2.0 On-Behalf-Of flow".

use super::request::required;
use crate::{
    directory::{Application, ClientType, Person},
    tenant::{EntraError, Grant, Scopes, Tenant, TokenRefusal},
};

/// The parameters of the exchange, besides the client's credentials.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OnBehalfOf<'a> {
    pub(super) assertion: Option<&'a str>,
    pub(super) requested_token_use: Option<&'a str>,
    pub(super) scope: Option<&'a str>,
}

/// The client's grant to act on behalf of the user whose token it presents.
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

/// The user of the assertion, which must be a genuine, valid token of a user for the client.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::{MCP_CLIENT, MCP_SERVER, OTHER_API, Permission},
        tenant::{Signer, TEST_TENANT, TokenSpec},
    };

    fn adas() -> TokenSpec {
        TEST_TENANT.access_token_spec("ada").unwrap()
    }

    fn server() -> &'static Application {
        Application::find_client(MCP_SERVER.client_id).unwrap()
    }

    fn asked(assertion: &str) -> OnBehalfOf<'_> {
        OnBehalfOf {
            assertion: Some(assertion),
            requested_token_use: Some("on_behalf_of"),
            scope: Some("http://graph.example/User.Read"),
        }
    }

    fn refusal(client: &'static Application, asked: &OnBehalfOf<'_>) -> u32 {
        grant(&TEST_TENANT, client, asked).unwrap_err().code()
    }

    #[test]
    fn the_users_token_lets_the_server_act_for_the_user() {
        let assertion = TEST_TENANT.tokens.sign(adas());
        let grant = grant(&TEST_TENANT, server(), &asked(&assertion)).unwrap();
        assert_eq!(grant.person.name, "ada");
        assert_eq!(*grant.client, MCP_SERVER);
        assert!(grant.scopes.contains(Permission::UserRead));
    }

    #[test]
    fn a_token_that_is_not_a_users_for_the_server_is_refused() {
        for (assertion, code) in [
            (adas().expires_in(-1), 500133),
            (adas().claim("aud", OTHER_API.client_id), 500131),
            (adas().signed_by(Signer::Stranger), 50013),
            (adas().claim("iss", "http://other.example"), 50013),
            (adas().signed_by(Signer::Nobody), 50027),
            (adas().app_only(), 7000114),
            (adas().claim("oid", "somebody of another tenant"), 50020),
        ] {
            let token = TEST_TENANT.tokens.sign(assertion.clone());
            assert_eq!(refusal(server(), &asked(&token)), code, "{assertion:?}");
        }
    }

    #[test]
    fn every_parameter_is_checked() {
        let assertion = TEST_TENANT.tokens.sign(adas());
        let mut request = asked(&assertion);
        request.requested_token_use = Some("other");
        assert_eq!(refusal(server(), &request), 9002313);
        request.requested_token_use = None;
        assert_eq!(refusal(server(), &request), 900144);

        let mut request = asked(&assertion);
        request.scope = Some("http://elsewhere.example/User.Read");
        assert_eq!(refusal(server(), &request), 500011);
        request.scope = None;
        assert_eq!(refusal(server(), &request), 900144);
        assert_eq!(refusal(server(), &asked("")), 900144);
    }

    #[test]
    fn a_public_client_cannot_act_for_a_user() {
        let client = Application::find_client(MCP_CLIENT.client_id).unwrap();
        let assertion = TEST_TENANT.tokens.sign(adas());
        assert_eq!(refusal(client, &asked(&assertion)), 7000218);
    }
}
