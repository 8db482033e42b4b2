//! The managed identity endpoint of App Service, `IDENTITY_ENDPOINT`.
//!
//! Source: "How to use managed identities for App Service and Azure Functions", REST endpoint reference, API version
//! 2019-08-01. The words for an identity that the app does not have are from reports (Azure/azure-sdk-for-net#43691)
//! and from MSAL's tests against Azure; those of the other refusals are the sandbox's.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    directory::{MANAGED_IDENTITY, ManagedIdentity},
    faults::{Call, Effect, Endpoint, Faults},
    tenant::Tenant,
};

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
    principal_id: Option<String>,
    object_id: Option<String>,
    mi_res_id: Option<String>,
}

impl IdentityRequest {
    /// The requested identity: a user-assigned one by one of its ids, the system-assigned one without any.
    ///
    /// # Errors
    /// Why there is none.
    fn identity(&self) -> Result<&'static ManagedIdentity, &'static str> {
        let ManagedIdentity {
            client_id,
            principal_id,
            resource_id,
        } = &MANAGED_IDENTITY;
        let given: Vec<_> = [
            (&self.client_id, client_id),
            (&self.principal_id, principal_id),
            (&self.object_id, principal_id),
            (&self.mi_res_id, resource_id),
        ]
        .into_iter()
        .filter_map(|(given, ours)| Some((given.as_deref()?, *ours)))
        .filter(|(given, _)| !given.is_empty())
        .collect();
        match given[..] {
            // The app has no system-assigned identity.
            [] => Err("Unable to load the proper Managed Identity."),
            [(given, ours)] if given.eq_ignore_ascii_case(ours) => Ok(&MANAGED_IDENTITY),
            [_] => Err(
                "No User Assigned or Delegated Managed Identity found for specified \
                 ClientId/ResourceId/PrincipalId.",
            ),
            _ => Err("Only one of client_id, principal_id, object_id and mi_res_id may be given."),
        }
    }
}

async fn token(
    tenant: web::Data<Tenant>,
    faults: web::Data<Faults>,
    request: HttpRequest,
    query: web::Query<IdentityRequest>,
) -> HttpResponse {
    let issue = |expiry| issue(&tenant, &request, &query, expiry);
    faults
        .answer(
            &tenant.ledger,
            Call::new(Endpoint::ManagedIdentity, None),
            |injected| match injected.into_effect() {
                Effect::NumericExpiry => issue(Expiry::Number),
                effect => effect.respond(error_body(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The identity service is unavailable.",
                )),
            },
            || issue(Expiry::String),
        )
        .await
}

/// How `expires_on` is written.
enum Expiry {
    /// As App Service writes it.
    String,
    /// As other hosts of the protocol write it.
    Number,
}

fn issue(
    tenant: &Tenant,
    request: &HttpRequest,
    query: &IdentityRequest,
    expiry: Expiry,
) -> HttpResponse {
    let header = request
        .headers()
        .get("X-IDENTITY-HEADER")
        .and_then(|value| value.to_str().ok());
    if header != Some(tenant.identity_header().as_str()) {
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
    let identity = match query.identity() {
        Ok(identity) => identity,
        Err(reason) => return refusal(StatusCode::BAD_REQUEST, reason),
    };

    let token = tenant.tokens.identity_token(resource);
    let seconds = token.expires_on();
    let expires_on = match expiry {
        Expiry::Number => json!(seconds),
        Expiry::String => json!(seconds.to_string()),
    };
    tracing::debug!(resource, "token for the managed identity issued");
    HttpResponse::Ok().json(json!({
        "access_token": tenant.issue(token),
        "client_id": identity.client_id,
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
    json!({"statusCode": status.as_u16(), "message": message, "correlationId": Uuid::new_v4().to_string()})
}
