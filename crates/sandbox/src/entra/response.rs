//! The responses of Entra's endpoints to programs.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::request::correlation_id;
use crate::{
    directory::{Person, TENANT_ID},
    faults::{Call, Effect, Faults},
    tenant::{EntraError, Occurrence, Tenant},
};

/// Counts a call and answers it, with the fault in force if one applies.
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
            |injected| fail(injected.into_effect()),
            || succeed().unwrap_or_else(refuse),
        )
        .await
}

/// The error of Entra that the fault injects, if it injects one.
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

/// `client_info`, by which Microsoft's libraries distinguish accounts: the ids of the person and of the tenant.
pub(super) fn client_info(person: &Person) -> String {
    let info = json!({"uid": person.object_id, "utid": TENANT_ID});
    URL_SAFE_NO_PAD.encode(info.to_string())
}
