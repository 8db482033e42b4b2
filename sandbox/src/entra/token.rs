//! The token endpoint: grants against tokens.
//!
//! Source: "Microsoft identity platform and OAuth 2.0 authorization code flow"; RFC 6749, sections 4.1.3 to 6.

use actix_web::error::UrlencodedError;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::authority::Authority;
use super::client_authentication::authenticate;
use super::error::EntraError;
use super::grants::{Grant, Redemption};
use super::requested_claims::RequestedClaims;
use super::scope::Scopes;
use super::{
    check_resource, check_tenant, client_info, correlation_id, on_behalf_of, required, strike,
};
use crate::cloud::CloudState;
use crate::directory::{Api, Permission, Person};
use crate::faults::Endpoint;

/// The form of a token request. Members that Entra does not know, it ignores.
#[derive(Deserialize)]
pub(super) struct TokenRequest {
    grant_type: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<String>,
    pub(super) client_assertion_type: Option<String>,
    pub(super) client_assertion: Option<String>,
    pub(super) scope: Option<String>,
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
    pub(super) assertion: Option<String>,
    pub(super) requested_token_use: Option<String>,
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
    cloud: web::Data<CloudState>,
    authority: web::Data<Authority>,
    tenant: web::Path<String>,
    request: HttpRequest,
    form: Result<web::Form<TokenRequest>, actix_web::Error>,
) -> HttpResponse {
    let person = form.as_ref().ok().and_then(|form| form.person(&cloud));
    let person = person.as_ref().map(|person| person.name.as_str());
    cloud.ledger.record(Endpoint::Token, person);
    if let Some(response) = strike(&cloud, Endpoint::Token, person, &request).await {
        return response;
    }

    let outcome = check_tenant(&tenant)
        .and_then(|()| {
            form.map_err(|error| EntraError::MALFORMED_REQUEST.because(form_fault(&error)))
        })
        .and_then(|form| form.answer(&cloud, &authority));
    match outcome {
        Ok(response) => {
            tracing::debug!(person, scope = response.scope, "token issued");
            HttpResponse::Ok()
                .insert_header(("Cache-Control", "no-store, no-cache"))
                .json(response)
        }
        Err(error) => {
            tracing::debug!(person, code = error.code(), "token refused");
            error.respond(&cloud.tokens.clock, correlation_id(&request))
        }
    }
}

impl TokenRequest {
    /// For whom a token is asked, judging by what is presented.
    fn person(&self, cloud: &CloudState) -> Option<Person> {
        if let Some(assertion) = &self.assertion {
            cloud.person_of(assertion)
        } else if let Some(code) = &self.code {
            cloud.grants.person_of_code(code)
        } else {
            cloud
                .grants
                .person_of_refresh_token(self.refresh_token.as_deref()?)
        }
    }

    fn answer(
        &self,
        cloud: &CloudState,
        authority: &Authority,
    ) -> Result<TokenResponse, EntraError> {
        match required(&self.grant_type, "grant_type")? {
            "authorization_code" => self.redeem_code(cloud, authority),
            "refresh_token" => self.refresh(cloud, authority),
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
                on_behalf_of::exchange(cloud, authority, self)
            }
            other => Err(EntraError::UNSUPPORTED_GRANT.because(format!("It was `{other}`."))),
        }
    }

    fn redeem_code(
        &self,
        cloud: &CloudState,
        authority: &Authority,
    ) -> Result<TokenResponse, EntraError> {
        let client = authenticate(cloud, self)?;
        let redemption = Redemption {
            code: required(&self.code, "code")?,
            client,
            redirect_uri: required(&self.redirect_uri, "redirect_uri")?,
            verifier: self.code_verifier.as_deref(),
        };
        let code = cloud.grants.redeem(&redemption, cloud.tokens.clock.now())?;
        let scopes = self.scopes(cloud, &code.grant)?;
        self.issue(
            cloud,
            authority,
            &code.grant,
            &scopes,
            code.nonce.as_deref(),
        )
    }

    fn refresh(
        &self,
        cloud: &CloudState,
        authority: &Authority,
    ) -> Result<TokenResponse, EntraError> {
        let client = authenticate(cloud, self)?;
        let token = required(&self.refresh_token, "refresh_token")?;
        let grant = cloud
            .grants
            .refresh(token, client, cloud.tokens.clock.now())?;
        let scopes = self.scopes(cloud, &grant)?;
        self.issue(cloud, authority, &grant, &scopes, None)
    }

    /// The scopes of the token: those of the sign-in, unless the request names others that were consented to as well.
    fn scopes(&self, cloud: &CloudState, grant: &Grant) -> Result<Scopes, EntraError> {
        let scopes = match self.scope.as_deref().filter(|scope| !scope.is_empty()) {
            Some(scope) => Scopes::parse(cloud.api_names(), scope)?,
            None if grant.scopes.apis().len() > 1 => return Err(EntraError::SCOPE_REQUIRED),
            None => grant.scopes.clone(),
        };
        check_resource(cloud, self.resource.as_deref(), &scopes)?;
        Ok(scopes)
    }

    /// Issues an access token for the scopes, if the person has consented and they are for one API. Whether an id token
    /// and a refresh token go with it was decided at the sign-in.
    pub(super) fn issue(
        &self,
        cloud: &CloudState,
        authority: &Authority,
        grant: &Grant,
        scopes: &Scopes,
        nonce: Option<&str>,
    ) -> Result<TokenResponse, EntraError> {
        let claims = RequestedClaims::parse(self.claims.as_deref())?;
        let Grant {
            client,
            person,
            scopes: asked,
        } = grant;
        let [api] = scopes.apis()[..] else {
            return Err(EntraError::SCOPE_OF_SEVERAL_RESOURCES);
        };
        if let Some(refused) = scopes
            .permissions()
            .find(|permission| !cloud.directory.is_granted(person, client, *permission))
        {
            return Err(
                EntraError::CONSENT_REQUIRED.because(format!("It is `{}`.", refused.value()))
            );
        }

        let claim = scopes.claim(api);
        let (token, lifetime, refresh_in) = match api {
            Api::McpServer => {
                let lifetime = cloud.options.user_token_lifetime;
                let token = cloud.tokens.user_token(person, client, &claim, lifetime);
                (token, lifetime, None)
            }
            Api::Graph => {
                let lifetime = cloud.options.graph_token_lifetime;
                let token = cloud.tokens.graph_token(
                    person,
                    client,
                    cloud.graph.audience(),
                    &claim,
                    lifetime,
                );
                (token, lifetime, cloud.options.refresh_in)
            }
        };
        let access_token = token.requested(claims);
        let id_token = asked.contains(Permission::OpenId).then(|| {
            let token = cloud.tokens.id_token(person, client, asked, nonce);
            cloud.issue(token.claim("iss", authority.issuer()))
        });
        let refresh_token = asked.contains(Permission::OfflineAccess).then(|| {
            let name = cloud.new_secret();
            cloud
                .grants
                .keep_refresh_token(name.clone(), grant.clone(), cloud.tokens.clock.now());
            name
        });
        Ok(TokenResponse {
            token_type: "Bearer",
            scope: scopes.granted(api),
            expires_in: lifetime.as_secs(),
            ext_expires_in: lifetime.as_secs(),
            refresh_in: refresh_in.map(|refresh_in| refresh_in.as_secs()),
            access_token: cloud.issue(access_token),
            refresh_token,
            id_token,
            client_info: (self.client_info.as_deref() == Some("1")).then(|| client_info(person)),
        })
    }
}

/// What is wrong with a form, without its content.
fn form_fault(error: &actix_web::Error) -> String {
    match error.as_error::<UrlencodedError>() {
        // Names the field.
        Some(UrlencodedError::Parse(error)) => error.to_string(),
        Some(error) => error.to_string(),
        None => "It is not a form.".to_owned(),
    }
}
