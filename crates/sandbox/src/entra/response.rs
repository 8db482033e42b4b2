//! How Entra's endpoints answer programs.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::request::correlation_id;
use crate::directory::{Person, TENANT_ID};
use crate::faults::{Call, Effect, Faults};
use crate::tenant::{EntraError, Occurrence, Tenant};

/// Answers a call that is counted and meets the faults in force.
pub(super) async fn answer(
    tenant: &Tenant,
    faults: &Faults,
    call: Call<'_>,
    request: &HttpRequest,
    succeed: impl FnOnce() -> Result<HttpResponse, EntraError>,
) -> HttpResponse {
    let refuse = |error: EntraError| refusal(tenant, request, &error);
    let fail = |effect: Effect| match error_of(&effect) {
        Some(error) => refuse(error),
        None => effect.respond(json!({
            "error": "temporarily_unavailable",
            "error_description": "The service is temporarily unavailable.",
        })),
    };
    faults
        .answer(
            &tenant.ledger,
            call,
            |struck| fail(struck.into_effect()),
            || succeed().unwrap_or_else(refuse),
        )
        .await
}

/// Entra's error that the fault asks for, if it asks for one.
fn error_of(effect: &Effect) -> Option<EntraError> {
    match effect {
        Effect::EntraError { code } => EntraError::from_code(*code),
        _ => None,
    }
}

fn refusal(tenant: &Tenant, request: &HttpRequest, error: &EntraError) -> HttpResponse {
    let occurrence = Occurrence::new(&tenant.tokens.clock, correlation_id(request));
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::build(status)
        .insert_header(("x-ms-request-id", occurrence.trace_id.to_string()))
        .insert_header(("Cache-Control", "no-store, no-cache"))
        .json(error.body(&occurrence))
}

/// What Microsoft's libraries tell accounts apart by: the person's and the tenant's id.
pub(super) fn client_info(person: &Person) -> String {
    let info = json!({"uid": person.object_id, "utid": TENANT_ID});
    URL_SAFE_NO_PAD.encode(info.to_string())
}
