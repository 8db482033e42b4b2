//! The extension's HTTP front, where it differs from rmcp's: what it accepts, what it ignores, and
//! what it keeps of a request for the handler.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::{ErrorBadRequest, ErrorInternalServerError, ErrorPayloadTooLarge};
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpMessage, HttpResponse, web};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rand::Rng as _;
use rand::distributions::Alphanumeric;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::invocation::Headers;
use crate::events::{Event, Events};

/// The largest request that the host takes, in bytes.
pub(super) const MAX_BODY: usize = 100 * 1024 * 1024;

/// Headers of later revisions of the protocol. rmcp acts on them; the extension does not know them.
const IGNORED_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("mcp-protocol-version"),
    HeaderName::from_static("mcp-method"),
    HeaderName::from_static("mcp-name"),
];

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// The methods that the extension has a handler for.
const METHODS: [&str; 10] = [
    "initialize",
    "ping",
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "logging/setLevel",
];

/// What the front needs to know.
#[derive(Clone)]
pub(super) struct Front {
    /// Whether session ids are made unreadable, as in Azure.
    pub encrypts_sessions: bool,
    pub events: Events,
}

/// What the extension keeps of a client's request.
#[derive(Clone)]
pub(super) struct HttpCall {
    pub headers: Headers,
    /// The arguments of a tool call, as the client wrote them.
    pub arguments: Option<Box<RawValue>>,
}

/// Answers what the extension answers otherwise than rmcp, and lets rmcp do the rest.
pub(super) async fn front(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(front) = request.app_data::<Data<Front>>().cloned() else {
        return Err(ErrorInternalServerError("the MCP extension is not set up"));
    };
    if request.method() != Method::POST {
        return Ok(request.into_response(HttpResponse::MethodNotAllowed().finish()));
    }
    if !accepts(&request, "application/json") || !accepts(&request, "text/event-stream") {
        let message =
            "Not Acceptable: Client must accept both application/json and text/event-stream";
        return Ok(
            request.into_response(HttpResponse::NotAcceptable().json(transport_error(message)))
        );
    }
    let session = request.headers().get(SESSION_ID).cloned();
    if session
        .as_ref()
        .is_some_and(|id| !front.encrypts_sessions && !id.as_bytes().contains(&b'|'))
    {
        return Ok(request.into_response(
            HttpResponse::BadRequest().json(transport_error("Invalid client state.")),
        ));
    }

    let body = body(&mut request).await?;
    // The extension's own reader throws at what is not a JSON-RPC message.
    let message: Option<Message> =
        serde_json::from_slice(&body).map_err(ErrorInternalServerError)?;
    let message = message.ok_or_else(|| ErrorBadRequest(""))?;
    let headers = Headers::new(
        request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes())),
    );
    let params: Params = message
        .params
        .and_then(|params| serde_json::from_str(params.get()).ok())
        .unwrap_or_default();
    if let Some(method) = message.method.clone() {
        front.events.emit(Event::McpRequest {
            tool: params.name.filter(|_| method == "tools/call"),
            method,
            caller: headers.caller().map(str::to_owned),
        });
    }
    let (Some(method), Some(id)) = (message.method, message.id) else {
        // A notification, or an answer to a question that a stateless server cannot have asked.
        return Ok(request.into_response(HttpResponse::Accepted().finish()));
    };
    if !METHODS.contains(&method.as_str()) {
        return Ok(request.into_response(method_not_available(&method, id)));
    }

    request.extensions_mut().insert(HttpCall {
        headers,
        arguments: params.arguments,
    });
    for name in IGNORED_HEADERS {
        request.headers_mut().remove(name);
    }
    request.headers_mut().insert(
        ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    set_body(&mut request, without_meta(&body)?);

    let mut response = next.call(request).await?.map_into_boxed_body();
    let headers = response.headers_mut();
    if headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache,no-store"));
    }
    if method == "initialize" && session.is_none() {
        headers.insert(SESSION_ID, new_session_id(front.encrypts_sessions)?);
    }
    Ok(response)
}

/// A JSON-RPC message, as far as it must be read here.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// The parameters of a tool call.
#[derive(Default, Deserialize)]
struct Params {
    name: Option<String>,
    arguments: Option<Box<RawValue>>,
}

/// Whether the client takes the media type; a wildcard takes any.
fn accepts(request: &ServiceRequest, media_type: &str) -> bool {
    let (kind, _) = media_type.split_once('/').unwrap_or_default();
    request
        .headers()
        .get_all(ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|entry| entry.split(';').next().unwrap_or_default().trim())
        .any(|entry| {
            entry.eq_ignore_ascii_case(media_type) || entry == "*/*" || entry == format!("{kind}/*")
        })
}

async fn body(request: &mut ServiceRequest) -> Result<Bytes, Error> {
    let is_json = request
        .content_type()
        .eq_ignore_ascii_case("application/json");
    if !is_json {
        return Err(ErrorInternalServerError("the request is not JSON"));
    }
    let payload = request.extract::<web::Payload>().await?;
    payload
        .to_bytes_limited(MAX_BODY)
        .await
        .map_err(|_| ErrorPayloadTooLarge(""))?
}

fn set_body(request: &mut ServiceRequest, body: Bytes) {
    request.set_payload(Payload::Stream {
        payload: Box::pin(futures_util::stream::once(async { Ok(body) })),
    });
}

/// The message without `params._meta`, which the extension ignores and in which rmcp would look for
/// a later revision of the protocol.
fn without_meta(body: &[u8]) -> Result<Bytes, Error> {
    let mut message: Map<String, Value> =
        serde_json::from_slice(body).map_err(ErrorInternalServerError)?;
    if let Some(Value::Object(params)) = message.get_mut("params") {
        params.shift_remove("_meta");
    }
    Ok(serde_json::to_vec(&message)
        .map_err(ErrorInternalServerError)?
        .into())
}

fn transport_error(message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": "", "error": { "code": -32000, "message": message } })
}

fn method_not_available(method: &str, id: &RawValue) -> HttpResponse {
    let message = format!("Method '{method}' is not available.");
    let error =
        json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": message } });
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache,no-store"))
        .body(format!("event: message\ndata: {error}\n\n"))
}

/// A session id: nothing on the server belongs to it.
fn new_session_id(encrypted: bool) -> Result<HeaderValue, Error> {
    let part = || -> String {
        let characters = rand::thread_rng().sample_iter(Alphanumeric).take(16);
        characters
            .map(|character| char::from(character).to_ascii_lowercase())
            .collect()
    };
    let id = format!("{}|{}", part(), part());
    let id = if encrypted {
        BASE64_URL_SAFE_NO_PAD.encode(id)
    } else {
        id
    };
    HeaderValue::try_from(id).map_err(ErrorInternalServerError)
}
