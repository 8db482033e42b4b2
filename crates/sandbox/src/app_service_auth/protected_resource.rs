//! The challenge and the metadata that tell callers where to sign in, and for which scope.
//!
//! Source: RFC 6750 and RFC 9728; "Configure built-in MCP server authorization" (preview); for the document's members
//! and the challenge's `scope` and `resource_metadata`, a report of a deployment on Flex Consumption
//! (keithmendozasr/sapidus-writeback-mcp, DEPLOYMENT.md). The other parameters and their order are assumptions. All of
//! them are in this file.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::WWW_AUTHENTICATE},
    web::{self, Data, Json, ServiceConfig},
};
use serde_json::{Value, json};

use super::{AppServiceAuth, caller::Refusal, url_at};
use crate::{directory::TENANT_ID, events::Party};

/// The path of the resource metadata. A path of the app may follow (RFC 9728, section 3.1).
const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

pub(super) fn routes(config: &mut ServiceConfig, resource_path: &str) {
    config
        .route(METADATA_PATH, web::get().to(metadata_of_origin))
        .route(
            &format!("{METADATA_PATH}{resource_path}"),
            web::get().to(metadata_of_endpoint),
        );
}

pub(super) fn is_metadata(path: &str, resource_path: &str) -> bool {
    path.strip_prefix(METADATA_PATH)
        .is_some_and(|rest| rest.is_empty() || rest == resource_path)
}

async fn metadata_of_origin(auth: Data<AppServiceAuth>, request: HttpRequest) -> Json<Value> {
    let origin = auth.origin(&request).origin().ascii_serialization();
    auth.metadata(&request, &origin)
}

async fn metadata_of_endpoint(auth: Data<AppServiceAuth>, request: HttpRequest) -> Json<Value> {
    let endpoint = url_at(auth.origin(&request), auth.resource_path);
    auth.metadata(&request, endpoint.as_str())
}

impl AppServiceAuth {
    fn metadata(&self, request: &HttpRequest, resource: &str) -> Json<Value> {
        let issuer = format!("{}/{TENANT_ID}/v2.0", self.tenant.addresses.authority);
        let scope = self.tenant.directory.server_scope();
        self.report(
            Party::Client,
            request,
            StatusCode::OK,
            format!("sign in at {issuer} for the scope {scope}"),
        );
        Json(json!({
            "resource": resource,
            "authorization_servers": [issuer],
            "scopes_supported": [scope],
        }))
    }

    /// Refuses a request, with a challenge unless the application is not allowed.
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
        // VS Code splits the parameters at commas.
        format!(
            "Bearer realm=\"{host}\", authorization_uri=\"{authorize}\", scope=\"{scope}\", \
             resource_metadata=\"{metadata}\"",
            host = origin.authority(),
            authorize = self.entra("authorize"),
            scope = self.tenant.directory.server_scope(),
            metadata = url_at(origin, &format!("{METADATA_PATH}{}", self.resource_path)),
        )
    }
}
