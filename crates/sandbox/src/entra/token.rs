//! The token endpoint: it exchanges grants for tokens.
//!
//! Source: "Microsoft identity platform and OAuth 2.0 authorization code flow"; RFC 6749, sections 4.1.3 to 6.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, error::UrlencodedError, web};
use serde::{Deserialize, Serialize};

use super::{
    client_authentication::{ClientCredentials, authenticate},
    on_behalf_of::{self, OnBehalfOf},
    request::{check_resource, check_tenant, required},
    response::{answer, client_info},
};
use crate::{
    directory::{Api, Application, Permission, Person},
    faults::{Call, Endpoint, Faults},
    tenant::{
        Authority, EntraError, Grant, Redemption, RequestedClaims, Scopes, Tenant, TokenSpec,
    },
};

/// The form of a token request. Entra ignores members that it does not know.
#[derive(Default, Deserialize)]
pub(super) struct TokenRequest {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion_type: Option<String>,
    client_assertion: Option<String>,
    scope: Option<String>,
    claims: Option<String>,
    client_info: Option<String>,
    // Of an authorization code.
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    // Of a refresh token.
    refresh_token: Option<String>,
    // Of either.
    resource: Option<String>,
    // Of an exchange on behalf of a user.
    assertion: Option<String>,
    requested_token_use: Option<String>,
}

/// A successful answer (RFC 6749, section 5.1, and Entra's additions). Times in seconds.
#[derive(Serialize)]
pub(super) struct TokenResponse {
    token_type: &'static str,
    scope: String,
    expires_in: u64,
    ext_expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<u64>,
    access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_info: Option<String>,
}

/// `POST /{tenant}/oauth2/v2.0/token`
pub(super) async fn token(
    tenant: web::Data<Tenant>,
    faults: web::Data<Faults>,
    authority: web::Data<Authority>,
    tenant_id: web::Path<String>,
    request: HttpRequest,
    form: Result<web::Form<TokenRequest>, actix_web::Error>,
) -> HttpResponse {
    let person = form.as_ref().ok().and_then(|form| form.person(&tenant));
    let person = person.as_ref().map(|person| person.name.as_str());
    let call = Call::new(Endpoint::Token, person);
    answer(&tenant, &faults, call, &request, || {
        let response = check_tenant(&tenant_id)
            .and_then(|()| {
                form.map_err(|error| {
                    EntraError::MALFORMED_REQUEST.because(describe_form_error(&error))
                })
            })
            .and_then(|form| form.answer(&tenant, &authority))
            .inspect_err(|error| {
                tracing::debug!(person, code = error.code(), "token refused");
            })?;
        tracing::debug!(person, scope = response.scope, "token issued");
        Ok(HttpResponse::Ok()
            .insert_header(("Cache-Control", "no-store, no-cache"))
            .json(response))
    })
    .await
}

impl TokenRequest {
    /// The person of the code, refresh token or assertion in the request.
    fn person(&self, tenant: &Tenant) -> Option<Person> {
        if let Some(assertion) = &self.assertion {
            tenant.person_of(assertion)
        } else if let Some(code) = &self.code {
            tenant.grants.person_of_code(code)
        } else {
            tenant
                .grants
                .person_of_refresh_token(self.refresh_token.as_deref()?)
        }
    }

    fn answer(&self, tenant: &Tenant, authority: &Authority) -> Result<TokenResponse, EntraError> {
        let grant_type = required(self.grant_type.as_deref(), "grant_type")?;
        let client = || authenticate(&tenant.tokens, &self.credentials());
        match grant_type {
            "authorization_code" => self.redeem_code(tenant, authority, client()?),
            "refresh_token" => self.refresh(tenant, authority, client()?),
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
                let grant = on_behalf_of::grant(tenant, client()?, &self.on_behalf_of())?;
                self.issue(tenant, authority, &grant, &grant.scopes, None)
            }
            other => Err(EntraError::UNSUPPORTED_GRANT.because(format!("It was `{other}`."))),
        }
    }

    fn credentials(&self) -> ClientCredentials<'_> {
        ClientCredentials {
            client_id: self.client_id.as_deref(),
            client_secret: self.client_secret.as_deref(),
            client_assertion_type: self.client_assertion_type.as_deref(),
            client_assertion: self.client_assertion.as_deref(),
        }
    }

    fn on_behalf_of(&self) -> OnBehalfOf<'_> {
        OnBehalfOf {
            assertion: self.assertion.as_deref(),
            requested_token_use: self.requested_token_use.as_deref(),
            scope: self.scope.as_deref(),
        }
    }

    fn redeem_code(
        &self,
        tenant: &Tenant,
        authority: &Authority,
        client: &'static Application,
    ) -> Result<TokenResponse, EntraError> {
        let redemption = Redemption {
            code: required(self.code.as_deref(), "code")?,
            client,
            redirect_uri: required(self.redirect_uri.as_deref(), "redirect_uri")?,
            verifier: self.code_verifier.as_deref(),
        };
        let code = tenant
            .grants
            .redeem(&redemption, tenant.tokens.clock.now())?;
        let scopes = self.scopes(tenant, &code.grant)?;
        self.issue(
            tenant,
            authority,
            &code.grant,
            &scopes,
            code.nonce.as_deref(),
        )
    }

    fn refresh(
        &self,
        tenant: &Tenant,
        authority: &Authority,
        client: &'static Application,
    ) -> Result<TokenResponse, EntraError> {
        let token = required(self.refresh_token.as_deref(), "refresh_token")?;
        let grant = tenant
            .grants
            .refresh(token, client, tenant.tokens.clock.now())?;
        let scopes = self.scopes(tenant, &grant)?;
        self.issue(tenant, authority, &grant, &scopes, None)
    }

    /// The scopes of the token: those of the sign-in, unless the request names others that were consented to as well.
    fn scopes(&self, tenant: &Tenant, grant: &Grant) -> Result<Scopes, EntraError> {
        let scopes = match self.scope.as_deref().filter(|scope| !scope.is_empty()) {
            Some(scope) => Scopes::parse(tenant.api_names(), scope)?,
            None if grant.scopes.apis().len() > 1 => return Err(EntraError::SCOPE_REQUIRED),
            None => grant.scopes.clone(),
        };
        check_resource(tenant, self.resource.as_deref(), &scopes)?;
        Ok(scopes)
    }

    /// Issues an access token for the scopes, if the person has consented and they are for one API. Whether an id token
    /// and a refresh token go with it was decided at the sign-in.
    fn issue(
        &self,
        tenant: &Tenant,
        authority: &Authority,
        grant: &Grant,
        scopes: &Scopes,
        nonce: Option<&str>,
    ) -> Result<TokenResponse, EntraError> {
        let claims = RequestedClaims::parse(self.claims.as_deref())?;
        let [api] = scopes.apis()[..] else {
            return Err(EntraError::SCOPE_OF_SEVERAL_RESOURCES);
        };
        check_consent(tenant, grant, scopes)?;
        let AccessToken {
            token,
            lifetime,
            refresh_in,
        } = access_token(tenant, grant, scopes, api);
        let access_token = token.requested(claims);
        let Grant {
            client,
            person,
            scopes: asked,
        } = grant;
        let id_token = asked.contains(Permission::OpenId).then(|| {
            let token = tenant.tokens.id_token(person, client, asked, nonce);
            tenant.issue(token.claim("iss", authority.issuer()))
        });
        let refresh_token = asked.contains(Permission::OfflineAccess).then(|| {
            let name = tenant.new_secret();
            tenant.grants.keep_refresh_token(
                name.clone(),
                grant.clone(),
                tenant.tokens.clock.now(),
            );
            name
        });
        Ok(TokenResponse {
            token_type: "Bearer",
            scope: scopes.granted(api),
            expires_in: lifetime.as_secs(),
            ext_expires_in: lifetime.as_secs(),
            refresh_in: refresh_in.map(|refresh_in| refresh_in.as_secs()),
            access_token: tenant.issue(access_token),
            refresh_token,
            id_token,
            client_info: (self.client_info.as_deref() == Some("1")).then(|| client_info(person)),
        })
    }
}

/// The person must have consented to every permission.
fn check_consent(tenant: &Tenant, grant: &Grant, scopes: &Scopes) -> Result<(), EntraError> {
    let Grant { client, person, .. } = grant;
    let mut permissions = scopes.permissions();
    match permissions.find(|permission| !tenant.directory.is_granted(person, client, *permission)) {
        Some(refused) => {
            Err(EntraError::CONSENT_REQUIRED.because(format!("It is `{}`.", refused.value())))
        }
        None => Ok(()),
    }
}

struct AccessToken {
    token: TokenSpec,
    lifetime: Duration,
    refresh_in: Option<Duration>,
}

fn access_token(tenant: &Tenant, grant: &Grant, scopes: &Scopes, api: Api) -> AccessToken {
    let Tenant { tokens, policy, .. } = tenant;
    let Grant { client, person, .. } = grant;
    let scope = scopes.claim(api);
    match api {
        Api::McpServer => {
            let lifetime = policy.user_token_lifetime;
            AccessToken {
                token: tokens.user_token(person, client, &scope, lifetime),
                lifetime,
                refresh_in: None,
            }
        }
        Api::Graph => {
            let lifetime = policy.graph_token_lifetime;
            let graph = tenant.addresses.graph.audience();
            AccessToken {
                token: tokens.graph_token(person, client, graph, &scope, lifetime),
                lifetime,
                refresh_in: policy.refresh_in,
            }
        }
    }
}

/// Describes what is wrong with a form, without its content.
fn describe_form_error(error: &actix_web::Error) -> String {
    match error.as_error::<UrlencodedError>() {
        // Names the field.
        Some(UrlencodedError::Parse(error)) => error.to_string(),
        Some(error) => error.to_string(),
        None => "It is not a form.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::{FEDERATED_CREDENTIAL, IDENTIFIER_URI, MCP_CLIENT, MCP_SERVER},
        tenant::{AuthorizationCode, TEST_TENANT, unverified_claims},
    };

    const REDIRECT_URI: &str = "http://localhost:3000/callback";

    fn authority() -> Authority {
        Authority {
            origin: "https://localhost:7443".to_owned(),
        }
    }

    fn answer(request: &TokenRequest) -> Result<TokenResponse, EntraError> {
        request.answer(&TEST_TENANT, &authority())
    }

    fn exchange(person: &str, scope: &str) -> TokenRequest {
        let text = |text: &str| Some(text.to_owned());
        let tokens = &TEST_TENANT.tokens;
        let proof = tokens.identity_token(FEDERATED_CREDENTIAL.audience);
        TokenRequest {
            grant_type: text("urn:ietf:params:oauth:grant-type:jwt-bearer"),
            client_id: text(MCP_SERVER.client_id),
            client_assertion_type: text("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            client_assertion: Some(tokens.sign(proof)),
            assertion: TEST_TENANT.access_token(person).ok(),
            requested_token_use: text("on_behalf_of"),
            scope: text(scope),
            ..TokenRequest::default()
        }
    }

    /// The redemption of a code that ada's sign-in for the scopes led to.
    fn redemption(scope: &str) -> TokenRequest {
        let code = AuthorizationCode {
            grant: Grant {
                client: Application::find_client(MCP_CLIENT.client_id).unwrap(),
                person: TEST_TENANT.directory.person("ada").unwrap(),
                scopes: Scopes::parse(TEST_TENANT.api_names(), scope).unwrap(),
            },
            redirect_uri: REDIRECT_URI.to_owned(),
            challenge: None,
            nonce: Some("nonce".to_owned()),
            issued_at: TEST_TENANT.tokens.clock.now(),
        };
        let name = TEST_TENANT.new_secret();
        TEST_TENANT.grants.keep_code(name.clone(), code);
        TokenRequest {
            grant_type: Some("authorization_code".to_owned()),
            client_id: Some(MCP_CLIENT.client_id.to_owned()),
            redirect_uri: Some(REDIRECT_URI.to_owned()),
            code: Some(name),
            ..TokenRequest::default()
        }
    }

    #[test]
    fn a_users_token_is_exchanged_for_one_for_graph() {
        let response = answer(&exchange("ada", "http://graph.example/.default")).unwrap();
        assert_eq!(response.expires_in, 3600);
        assert_eq!(response.refresh_in, Some(1800));
        assert!(response.refresh_token.is_none() && response.id_token.is_none());
        let claims = TEST_TENANT
            .tokens
            .verify(&response.access_token, &["http://graph.example"])
            .unwrap();
        assert_eq!(claims.get("upn"), Some("ada@contoso.example"));
        assert!(claims.has_scope("User.Read"));
    }

    #[test]
    fn a_token_needs_consent_and_a_single_api() {
        let refusal = |request: TokenRequest| answer(&request).err().map(|error| error.code());
        assert_eq!(refusal(exchange("alan", "User.Read")), Some(65001));
        let both = format!("{IDENTIFIER_URI}/.default http://graph.example/.default");
        assert_eq!(refusal(exchange("ada", &both)), Some(28000));
        assert_eq!(refusal(redemption(&both)), Some(28003));
    }

    #[test]
    fn a_code_and_then_its_refresh_token_give_what_the_sign_in_was_for() {
        let scope = format!("openid offline_access {IDENTIFIER_URI}/user_impersonation");
        let first = answer(&redemption(&scope)).unwrap();
        assert_eq!((first.expires_in, first.refresh_in), (4500, None));

        let id_token = unverified_claims(&first.id_token.unwrap()).unwrap();
        assert_eq!(id_token.get("nonce"), Some("nonce"));
        assert_eq!(id_token.get("iss"), Some(&*authority().issuer()));

        let second = answer(&TokenRequest {
            grant_type: Some("refresh_token".to_owned()),
            client_id: Some(MCP_CLIENT.client_id.to_owned()),
            refresh_token: first.refresh_token,
            ..TokenRequest::default()
        })
        .unwrap();
        for token in [&first.access_token, &second.access_token] {
            let claims = TEST_TENANT.verify_access_token(token).unwrap();
            assert!(claims.has_scope("user_impersonation"));
            assert_eq!(
                claims.get("iss"),
                TEST_TENANT.tokens.issuers.first().map(String::as_str)
            );
        }
    }

    #[test]
    fn the_person_is_found_by_the_code_or_the_assertion() {
        let person = |request: &TokenRequest| Some(request.person(&TEST_TENANT)?.name);
        assert_eq!(person(&exchange("grace", "")).as_deref(), Some("grace"));
        assert_eq!(person(&redemption("openid")).as_deref(), Some("ada"));
        assert_eq!(person(&TokenRequest::default()), None);
    }
}
