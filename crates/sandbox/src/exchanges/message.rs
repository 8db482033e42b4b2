//! The parts of a request to the cloud and of its answer that the log describes.

use std::collections::BTreeMap;

use actix_web::{
    Error, HttpMessage as _,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::{ErrorBadRequest, ErrorPayloadTooLarge},
    http::{
        Method, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT},
    },
    web::{self, Bytes, Query},
};
use reqwest::Url;
use serde_json::Value;

use crate::{
    directory::{Api, Application, MCP_SERVER},
    events::Party,
    tenant::{AccessTokenClaims, Tenant, unverified_claims},
};

/// The largest form that is read, in bytes.
const MAX_FORM: usize = 4 * 1024 * 1024;

/// An exchange in words.
pub(super) struct Words {
    pub(super) from: Option<Party>,
    pub(super) asks: String,
    pub(super) gets: String,
}

/// The parts of a request that the log describes.
pub(super) struct Request<'a> {
    tenant: &'a Tenant,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) user_agent: Option<String>,
    /// The token of `Authorization`.
    pub(super) bearer: Option<AccessTokenClaims>,
    /// The members of the query and of the form.
    parameters: BTreeMap<String, String>,
}

impl<'a> Request<'a> {
    pub(super) async fn read(
        tenant: &'a Tenant,
        request: &mut ServiceRequest,
    ) -> Result<Self, Error> {
        let mut parameters = parameters_in(request.query_string());
        if request.content_type() == "application/x-www-form-urlencoded" {
            let payload = request.extract::<web::Payload>().await?;
            let form = payload
                .to_bytes_limited(MAX_FORM)
                .await
                .map_err(|_| ErrorPayloadTooLarge(""))??;
            let text = std::str::from_utf8(&form).map_err(ErrorBadRequest)?;
            parameters.extend(parameters_in(text));
            request.set_payload(payload_of(form));
        }
        let header = |name| request.headers().get(name)?.to_str().ok();
        Ok(Self {
            tenant,
            method: request.method().clone(),
            path: request.path().to_owned(),
            user_agent: header(USER_AGENT).map(str::to_owned),
            bearer: header(AUTHORIZATION)
                .and_then(|credential| credential.split_once(' '))
                .and_then(|(_, token)| unverified_claims(token.trim())),
            parameters,
        })
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The display name of the application of `client_id`.
    pub(super) fn client(&self) -> String {
        match self.parameter("client_id") {
            Some(id) => Application::find_client(id).map_or_else(
                || format!("the unknown client {id}"),
                |client| client.display_name.to_owned(),
            ),
            None => "a client without an id".to_owned(),
        }
    }

    /// The display name of the API that has this name in tokens and scopes.
    pub(super) fn api<'b>(&self, name: &'b str) -> &'b str {
        match self.tenant.api_names().find(name) {
            Some(Api::Graph) => "Microsoft Graph",
            Some(Api::McpServer) => MCP_SERVER.display_name,
            None => name,
        }
    }
}

/// The parameters of a query or a form, if it can be read.
fn parameters_in(text: &str) -> BTreeMap<String, String> {
    Query::from_query(text)
        .map(Query::into_inner)
        .unwrap_or_default()
}

fn payload_of(body: Bytes) -> Payload {
    Payload::Stream {
        payload: Box::pin(futures_util::stream::once(async { Ok(body) })),
    }
}

/// The parts of an answer that the log describes.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) location: Option<Url>,
    pub(super) body: Body,
}

pub(super) enum Body {
    Json(Value),
    Html(String),
    Other,
}

impl Answer {
    /// Reads the answer, and returns the response unchanged.
    pub(super) fn read(response: ServiceResponse<BoxBody>) -> (Self, ServiceResponse<BoxBody>) {
        let mut bytes = Bytes::new();
        let response = response.map_body(|_, body| match body.try_into_bytes() {
            Ok(whole) => {
                bytes = whole.clone();
                BoxBody::new(whole)
            }
            // A streamed body, which only faults have.
            Err(body) => body,
        });
        let header = |name| response.headers().get(name)?.to_str().ok();
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        let body = if content_type.contains("json") {
            serde_json::from_slice(&bytes).map_or(Body::Other, Body::Json)
        } else if content_type.starts_with("text/html") {
            Body::Html(String::from_utf8_lossy(&bytes).into_owned())
        } else {
            Body::Other
        };
        let answer = Self {
            status: response.status(),
            location: header(LOCATION).and_then(|url| Url::parse(url).ok()),
            body,
        };
        (answer, response)
    }

    /// Whether the JSON has a value at the pointer.
    pub(super) fn has(&self, pointer: &str) -> bool {
        matches!(&self.body, Body::Json(json) if json.pointer(pointer).is_some())
    }

    /// The string at the pointer in the JSON.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        match &self.body {
            Body::Json(json) => json.pointer(pointer)?.as_str(),
            _ => None,
        }
    }

    /// Why the request failed: the first line of the string at the pointer in the JSON or, without one, the meaning of
    /// the status.
    pub(super) fn reason(&self, pointer: &str) -> &str {
        match self.text(pointer).and_then(|text| text.lines().next()) {
            Some(reason) => reason,
            None if self.status.is_success() => "an answer that cannot be read",
            None => self.status.canonical_reason().unwrap_or_default(),
        }
    }
}

/// The user of the token.
pub(super) fn user(claims: &AccessTokenClaims) -> Option<&str> {
    claims
        .get("preferred_username")
        .or_else(|| claims.get("upn"))
}
