//! Microsoft Entra ID: metadata, keys and the token endpoint of one tenant.

mod clock;
mod discovery;
mod error;
mod on_behalf_of;
mod signing_keys;
mod tokens;

use actix_web::error::UrlencodedError;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use uuid::Uuid;

pub use self::error::EntraError;
pub use self::tokens::{AccessTokenClaims, Signer, TokenRefusal, TokenSpec};

pub(crate) use self::clock::Clock;
pub(crate) use self::signing_keys::SigningKeys;
pub(crate) use self::tokens::{CHALLENGE_CLAIM, Tokens, unverified_claims};

use self::on_behalf_of::TokenRequest;
use crate::cloud::CloudState;
use crate::directory::TENANT_ID;
use crate::faults::{Call, Effect, Endpoint, Struck};

/// Entra accepts long forms: a token of a user in many groups is long.
const FORM_LIMIT: usize = 1024 * 1024;

/// The routes of the authority.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::FormConfig::default().limit(FORM_LIMIT))
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            web::get().to(discovery::metadata),
        )
        .route(
            "/{tenant}/discovery/v2.0/keys",
            web::get().to(discovery::keys),
        )
        .route("/{tenant}/oauth2/v2.0/token", web::post().to(token));
}

async fn token(
    cloud: web::Data<CloudState>,
    tenant: web::Path<String>,
    request: HttpRequest,
    form: Result<web::Form<TokenRequest>, actix_web::Error>,
) -> HttpResponse {
    let person = form
        .as_ref()
        .ok()
        .and_then(|form| cloud.person_of(form.assertion.as_deref()?));
    let person = person.as_ref().map(|person| person.name.as_str());
    cloud.ledger.record(Endpoint::Token, person);
    if let Some(response) = strike(&cloud, Endpoint::Token, person, &request).await {
        return response;
    }

    let outcome = check_tenant(&tenant)
        .and_then(|()| {
            form.map_err(|error| EntraError::MALFORMED_REQUEST.because(form_fault(&error)))
        })
        .and_then(|form| on_behalf_of::exchange(&cloud, &form));
    match outcome {
        Ok(token) => {
            tracing::debug!(person, "token for Graph issued on behalf of the user");
            HttpResponse::Ok()
                .insert_header(("Cache-Control", "no-store, no-cache"))
                .json(token)
        }
        Err(error) => {
            tracing::debug!(person, code = error.code(), "token refused");
            error.respond(&cloud.tokens.clock, correlation_id(&request))
        }
    }
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

/// What is wrong with a form, without its content.
fn form_fault(error: &actix_web::Error) -> String {
    match error.as_error::<UrlencodedError>() {
        // Names the field.
        Some(UrlencodedError::Parse(error)) => error.to_string(),
        Some(error) => error.to_string(),
        None => "It is not a form.".to_owned(),
    }
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
