//! The managed identity endpoint of App Service, `IDENTITY_ENDPOINT`.
//!
//! Source: "How to use managed identities for App Service and Azure Functions", REST endpoint reference, API version
//! 2019-08-01.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cloud::CloudState;
use crate::directory::MANAGED_IDENTITY;
use crate::faults::{Call, Effect, Endpoint, Struck};

/// The path of the endpoint.
pub(crate) const PATH: &str = "/msi/token";

const API_VERSION: &str = "2019-08-01";

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route(PATH, web::get().to(token));
}

#[derive(Deserialize)]
struct IdentityRequest {
    #[serde(rename = "api-version")]
    api_version: Option<String>,
    resource: Option<String>,
    client_id: Option<String>,
}

async fn token(
    cloud: web::Data<CloudState>,
    request: HttpRequest,
    query: web::Query<IdentityRequest>,
) -> HttpResponse {
    cloud.ledger.record(Endpoint::ManagedIdentity, None);
    let call = Call {
        at: Endpoint::ManagedIdentity,
        person: None,
        challenge: None,
    };
    let struck = cloud.faults.strike(call).await;
    let numeric_expiry = struck == Some(Struck::Effect(Effect::NumericExpiry));
    if let Some(Struck::Effect(effect)) = struck
        && !numeric_expiry
    {
        tracing::debug!(?effect, "fault at the managed identity endpoint");
        return effect.respond(error_body(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The identity service is unwell.",
        ));
    }

    let header = request
        .headers()
        .get("X-IDENTITY-HEADER")
        .and_then(|value| value.to_str().ok());
    if header != Some(cloud.identity_header.read().as_str()) {
        return refusal(
            StatusCode::UNAUTHORIZED,
            "X-IDENTITY-HEADER is missing or not the one of this process.",
        );
    }
    if query.api_version.as_deref() != Some(API_VERSION) {
        return refusal(
            StatusCode::BAD_REQUEST,
            "The parameter api-version must be 2019-08-01.",
        );
    }
    let Some(resource) = query
        .resource
        .as_deref()
        .filter(|resource| !resource.is_empty())
    else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "The parameter resource is missing.",
        );
    };
    if !query
        .client_id
        .as_deref()
        .is_some_and(|id| id.eq_ignore_ascii_case(MANAGED_IDENTITY.client_id))
    {
        return refusal(
            StatusCode::BAD_REQUEST,
            "The app has no managed identity of this client id.",
        );
    }

    let token = cloud.tokens.identity_token(resource);
    let expires_on = match token.expires_on() {
        seconds if numeric_expiry => json!(seconds),
        seconds => json!(seconds.to_string()),
    };
    tracing::debug!(resource, "token for the managed identity issued");
    HttpResponse::Ok().json(json!({
        "access_token": cloud.issue(token),
        "client_id": MANAGED_IDENTITY.client_id,
        "expires_on": expires_on,
        "resource": resource,
        "token_type": "Bearer",
    }))
}

fn refusal(status: StatusCode, message: &str) -> HttpResponse {
    tracing::debug!(
        status = status.as_u16(),
        message,
        "managed identity refused"
    );
    HttpResponse::build(status).json(error_body(status, message))
}

fn error_body(status: StatusCode, message: &str) -> Value {
    json!({"statusCode": status.as_u16(), "message": message})
}
