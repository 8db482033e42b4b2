//! What the cloud is asked and what it answers, read off the wire and put into words, for those who
//! listen to the cloud's events.
//!
//! Only what is known to be harmless is told: names, numbers and URLs. Tokens are read for whom they
//! are about, and never shown.

mod entra;
mod graph;
mod managed_identity;

use std::collections::BTreeMap;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::{ErrorBadRequest, ErrorInternalServerError, ErrorPayloadTooLarge};
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{self, Bytes, Data, Query};
use actix_web::{Error, HttpMessage as _};
use reqwest::Url;
use serde_json::Value;

use crate::cloud::CloudState;
use crate::directory::{Api, Application, MCP_SERVER};
use crate::entra::{AccessTokenClaims, unverified_claims};
use crate::events::{Event, Exchange, Party};

/// The largest form that is read, in bytes.
const MAX_FORM: usize = 4 * 1024 * 1024;

/// Passes a request on, and tells of it and its answer. The app's data name the service: a [`Party`].
pub(crate) async fn observe(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (Some(cloud), Some(&service)) = (
        request.app_data::<Data<CloudState>>().cloned(),
        request.app_data::<Party>(),
    ) else {
        return Err(ErrorInternalServerError(
            "nobody knows whose service this is",
        ));
    };
    let events = &cloud.options.events;
    if !events.are_heard() {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let asked = Request::read(&cloud, &mut request).await?;
    let response = next.call(request).await?.map_into_boxed_body();
    let (answer, response) = Answer::read(response);
    let words = match service {
        Party::ManagedIdentity => Some(managed_identity::describe(&asked, &answer)),
        Party::Graph => Some(graph::describe(&asked, &answer)),
        _ => entra::describe(&asked, &answer),
    };
    if let Some(Words { from, asks, gets }) = words {
        events.emit(Event::Exchange(Exchange {
            from,
            to: service,
            request: asks,
            status: answer.status.as_u16(),
            answer: gets,
        }));
    }
    Ok(response)
}

/// An exchange in words.
struct Words {
    from: Option<Party>,
    asks: String,
    gets: String,
}

/// A request, as far as it is told of.
struct Request<'a> {
    cloud: &'a CloudState,
    method: Method,
    path: String,
    user_agent: Option<String>,
    /// The token of `Authorization`.
    bearer: Option<AccessTokenClaims>,
    /// The members of the query and of the form.
    parameters: BTreeMap<String, String>,
}

impl<'a> Request<'a> {
    async fn read(cloud: &'a CloudState, request: &mut ServiceRequest) -> Result<Self, Error> {
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
            cloud,
            method: request.method().clone(),
            path: request.path().to_owned(),
            user_agent: header(USER_AGENT).map(str::to_owned),
            bearer: header(AUTHORIZATION)
                .and_then(|credential| credential.split_once(' '))
                .and_then(|(_, token)| unverified_claims(token.trim())),
            parameters,
        })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// What the application of `client_id` is called.
    fn client(&self) -> String {
        match self.parameter("client_id") {
            Some(id) => Application::find_client(id).map_or_else(
                || format!("the unknown client {id}"),
                |client| client.display_name.to_owned(),
            ),
            None => "a client without an id".to_owned(),
        }
    }

    /// What the API is called that goes by this name in tokens and scopes.
    fn api<'b>(&self, name: &'b str) -> &'b str {
        match self.cloud.api_names().find(name) {
            Some(Api::Graph) => "Microsoft Graph",
            Some(Api::McpServer) => MCP_SERVER.display_name,
            None => name,
        }
    }
}

/// Those of a query or a form, as far as it can be read.
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

/// An answer, as far as it is told of.
struct Answer {
    status: StatusCode,
    location: Option<Url>,
    body: Body,
}

enum Body {
    Json(Value),
    Html(String),
    Other,
}

impl Answer {
    /// Reads the answer, and gives the response back as it was.
    fn read(response: ServiceResponse<BoxBody>) -> (Self, ServiceResponse<BoxBody>) {
        let mut bytes = Bytes::new();
        let response = response.map_body(|_, body| match body.try_into_bytes() {
            Ok(whole) => {
                bytes = whole.clone();
                BoxBody::new(whole)
            }
            // It is sent bit by bit, as only faults are.
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

    /// Whether the JSON has something at the place.
    fn has(&self, pointer: &str) -> bool {
        matches!(&self.body, Body::Json(json) if json.pointer(pointer).is_some())
    }

    /// The string at a place in the JSON.
    fn text(&self, pointer: &str) -> Option<&str> {
        match &self.body {
            Body::Json(json) => json.pointer(pointer)?.as_str(),
            _ => None,
        }
    }

    /// Why the request failed: the first line of the string at a place in the JSON or, without one,
    /// what the status means.
    fn reason(&self, pointer: &str) -> &str {
        match self.text(pointer).and_then(|text| text.lines().next()) {
            Some(reason) => reason,
            None if self.status.is_success() => "an answer that cannot be read",
            None => self.status.canonical_reason().unwrap_or_default(),
        }
    }
}

/// Whom the token is about.
fn user(claims: &AccessTokenClaims) -> Option<&str> {
    claims
        .get("preferred_username")
        .or_else(|| claims.get("upn"))
}
