//! What callers who are not signed in are told: where to sign in, and for what.
//!
//! Source: RFC 6750 and RFC 9728. What App Service Authentication makes of them is not published:
//! this file holds all that is assumed of its texts.

use actix_web::http::StatusCode;
use actix_web::http::header::WWW_AUTHENTICATE;
use actix_web::web::{self, Data, Json, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::caller::Refusal;
use super::{AppServiceAuth, url_at};
use crate::directory::{IDENTIFIER_URI, SCOPE, TENANT_ID};
use crate::events::Party;
use crate::functions_host::MCP_PATH;

/// Where a client finds what protects the app.
const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

pub(super) fn routes(config: &mut ServiceConfig) {
    config.route(METADATA_PATH, web::get().to(metadata)).route(
        &format!("{METADATA_PATH}{MCP_PATH}"),
        web::get().to(metadata),
    );
}

pub(super) fn is_metadata(path: &str) -> bool {
    path.strip_prefix(METADATA_PATH)
        .is_some_and(|rest| rest.is_empty() || rest == MCP_PATH)
}

async fn metadata(auth: Data<AppServiceAuth>, request: HttpRequest) -> Json<Value> {
    let issuer = format!("{}/{TENANT_ID}/v2.0", auth.cloud.authority());
    let scope = format!("{IDENTIFIER_URI}/{SCOPE}");
    auth.report(
        Party::Client,
        &request,
        StatusCode::OK,
        format!("sign in at {issuer} for the scope {scope}"),
    );
    Json(json!({
        "resource": url_at(auth.origin(&request), MCP_PATH).as_str(),
        "authorization_servers": [issuer],
        "scopes_supported": [scope],
        "bearer_methods_supported": ["header"],
    }))
}

impl AppServiceAuth {
    /// Answers a request that goes no further.
    pub(super) fn refuse(&self, request: &HttpRequest, refusal: &Refusal) -> HttpResponse {
        let (response, told) = match refusal {
            Refusal::Application(_) => (HttpResponse::Forbidden().finish(), ""),
            _ => (
                HttpResponse::Unauthorized()
                    .insert_header((WWW_AUTHENTICATE, self.challenge(request)))
                    .finish(),
                "; the challenge names the resource metadata",
            ),
        };
        let answer = format!("{refusal}{told}");
        self.report(Party::Client, request, response.status(), answer);
        response
    }

    fn challenge(&self, request: &HttpRequest) -> String {
        let origin = self.origin(request);
        // VS Code looks for the parameters between commas.
        format!(
            "Bearer realm=\"{host}\", authorization_uri=\"{authorize}\", resource_metadata=\"{metadata}\"",
            host = origin.authority(),
            authorize = self.entra("authorize"),
            metadata = url_at(origin, &format!("{METADATA_PATH}{MCP_PATH}")),
        )
    }
}
