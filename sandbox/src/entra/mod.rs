//! Microsoft Entra ID: metadata, keys, sign-in and the token endpoint of one tenant.

mod authority;
mod authorize;
mod client_authentication;
mod clock;
mod discovery;
mod error;
mod grants;
mod on_behalf_of;
mod pages;
mod pkce;
mod redirect_uri;
mod reply;
mod requested_claims;
mod scope;
mod sign_in;
mod signing_keys;
mod token;
mod tokens;

use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use uuid::Uuid;

pub use self::error::EntraError;
pub use self::tokens::{AccessTokenClaims, Signer, TokenRefusal, TokenSpec};

pub(crate) use self::authority::Authority;
pub(crate) use self::clock::Clock;
pub(crate) use self::grants::Grants;
pub(crate) use self::scope::ApiNames;
pub(crate) use self::sign_in::SignIns;
pub(crate) use self::signing_keys::SigningKeys;
pub(crate) use self::tokens::{CHALLENGE_CLAIM, Tokens, unverified_claims};

use self::scope::Scopes;
use crate::cloud::CloudState;
use crate::directory::{Person, TENANT_ID};
use crate::faults::{Call, Effect, Endpoint, Struck};

/// Entra accepts long forms: a token of a user in many groups is long.
const FORM_LIMIT: usize = 1024 * 1024;

/// The routes of the authority.
pub(crate) fn routes(config: &mut web::ServiceConfig, authority: Authority) {
    config
        .app_data(web::Data::new(authority))
        .app_data(web::FormConfig::default().limit(FORM_LIMIT))
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            web::get().to(discovery::metadata),
        )
        .route(
            "/{tenant}/discovery/v2.0/keys",
            web::get().to(discovery::keys),
        )
        .route(
            "/{tenant}/oauth2/v2.0/authorize",
            web::get().to(authorize::authorize),
        )
        .route("/{tenant}/oauth2/v2.0/token", web::post().to(token::token))
        .configure(sign_in::routes);
}

/// The response of the fault that the request meets, if any.
async fn strike(
    cloud: &CloudState,
    at: Endpoint,
    person: Option<&str>,
    request: &HttpRequest,
) -> Option<HttpResponse> {
    let effect = match cloud
        .faults
        .strike(Call {
            at,
            person,
            challenge: None,
        })
        .await?
    {
        Struck::Effect(effect) => effect,
        Struck::Challenge(_) => return None,
    };
    tracing::debug!(?at, person, ?effect, "fault");
    Some(match effect {
        Effect::EntraError { code } => {
            EntraError::from_code(code)?.respond(&cloud.tokens.clock, correlation_id(request))
        }
        effect => effect.respond(json!({
            "error": "temporarily_unavailable",
            "error_description": "The service is temporarily unavailable.",
        })),
    })
}

fn check_tenant(tenant: &str) -> Result<(), EntraError> {
    if tenant.eq_ignore_ascii_case(TENANT_ID) {
        Ok(())
    } else {
        Err(EntraError::TENANT_NOT_FOUND)
    }
}

/// The resource indicator (RFC 8707) must be an identifier URI of the scopes' API, in every character: a slash at the end
/// is one too many. See [`lenient_resource`](crate::cloud::CloudOptions::lenient_resource).
///
/// Source: "Secure a Model Context Protocol server with Microsoft Entra ID"; reports of clients that Entra refuses
/// (anthropics/claude-code#52871).
fn check_resource(
    cloud: &CloudState,
    resource: Option<&str>,
    scopes: &Scopes,
) -> Result<(), EntraError> {
    match resource {
        Some(resource) if !cloud.options.lenient_resource => cloud
            .api_names()
            .find_identifier_uri(resource)
            .filter(|api| scopes.apis().contains(api))
            .map(|_| ())
            .ok_or_else(|| EntraError::RESOURCE_MISMATCH.because(format!("It was `{resource}`."))),
        _ => Ok(()),
    }
}

/// A parameter that must be there and not empty.
fn required<'a>(value: &'a Option<String>, name: &str) -> Result<&'a str, EntraError> {
    value
        .as_deref()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| EntraError::PARAMETER_MISSING.because(format!("It is `{name}`.")))
}

/// What Microsoft's libraries tell accounts apart by: the person's and the tenant's id.
fn client_info(person: &Person) -> String {
    let info = json!({"uid": person.object_id, "utid": TENANT_ID});
    URL_SAFE_NO_PAD.encode(info.to_string())
}

/// The caller's name for the request.
fn correlation_id(request: &HttpRequest) -> Option<Uuid> {
    request
        .headers()
        .get("client-request-id")?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
