//! The authorization endpoint.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{
    SignIns,
    authorization_request::{AuthorizationRequest, Parameters, Refusal},
    pages,
    request::check_tenant,
    sign_in,
};
use crate::tenant::{Authority, EntraError, Tenant};

/// `GET /{tenant}/oauth2/v2.0/authorize`
pub(super) async fn authorize(
    tenant: web::Data<Tenant>,
    sign_ins: web::Data<SignIns>,
    authority: web::Data<Authority>,
    tenant_id: web::Path<String>,
    parameters: Result<web::Query<Parameters>, actix_web::Error>,
    request: HttpRequest,
) -> HttpResponse {
    let outcome = check_tenant(&tenant_id)
        .and_then(|()| {
            parameters.map_err(|error| EntraError::MALFORMED_REQUEST.because(error.to_string()))
        })
        .map_err(Refusal::Shown)
        .and_then(|parameters| AuthorizationRequest::check(&tenant, parameters.into_inner()));
    match outcome {
        Ok(asked) => sign_in::begin(&tenant, &sign_ins, &authority, &request, asked),
        Err(Refusal::Shown(error)) => {
            tracing::debug!(code = error.code(), "authorization request refused");
            pages::error(&error, &tenant.tokens.clock)
        }
        Err(Refusal::SentBack(reply, error)) => {
            tracing::debug!(code = error.code(), "authorization request sent back");
            reply.refuse(&error, &tenant.tokens.clock)
        }
    }
}
