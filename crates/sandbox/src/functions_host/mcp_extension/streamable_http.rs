//! Streamable HTTP: a request is a POST, and its answer a stream of one event.
//!
//! Source: recordings `accept`, `body`, `content-type`, `session`; `StreamableHttpRequestHandler`
//! of the extension.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName},
    },
    web::{Bytes, Data, Payload},
};
use encoding_rs::Encoding;

use super::{
    McpExtension,
    client_state::{Refusal, Session},
    json_rpc::{self, Message, Request, Unreadable},
};
use crate::functions_host::{
    invocation::{Client, Transport},
    web_server::{MAX_BODY, client_headers},
};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// `POST /runtime/webhooks/mcp`
pub(super) async fn post(
    extension: Data<McpExtension>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    if !accepts(&request, "application/json") || !accepts(&request, "text/event-stream") {
        return refuse(
            StatusCode::NOT_ACCEPTABLE,
            "Not Acceptable: Client must accept both application/json and text/event-stream",
        );
    }
    let headers = client_headers(&request);
    let session = headers.session_id().filter(|id| !id.is_empty());
    match session.map(|id| extension.client_state.parse(id)) {
        Some(Err(Refusal::Parts)) => {
            return refuse(StatusCode::BAD_REQUEST, "Invalid client state.");
        }
        Some(Err(Refusal::Foreign)) => return HttpResponse::InternalServerError().finish(),
        Some(Ok(_)) | None => {}
    }
    let is_new_session = session.is_none();

    let message = match message(&request, payload).await {
        Ok(Some(message)) => message,
        Ok(None) => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "Bad Request: The POST body did not contain a valid JSON-RPC message.",
            );
        }
        Err(response) => return response,
    };
    let client = Client {
        headers,
        transport: Transport::StreamableHttp,
        info: None,
    };
    match message {
        Message::Request(request) => answer(&extension, request, client, is_new_session).await,
        Message::Other { method } => {
            extension.report_message(method.as_deref(), &client);
            without_content_type(stream(StatusCode::ACCEPTED).finish())
        }
    }
}

/// Answers a request with a stream of one event, and `initialize` with the id of a new session as well.
async fn answer(
    extension: &McpExtension,
    request: Request,
    client: Client,
    is_new_session: bool,
) -> HttpResponse {
    let mut response = stream(StatusCode::OK);
    if request.method == "initialize" && is_new_session {
        let session = Session::new(&extension.instance);
        match extension.client_state.format(&session) {
            Some(id) => response.insert_header((SESSION_ID, id)),
            None => return stream(StatusCode::INTERNAL_SERVER_ERROR).finish(),
        };
    }
    let id = request.id.clone();
    match extension.answer(request, client).await {
        Ok(outcome) => {
            let event = json_rpc::event("message", &json_rpc::answer(&id, &outcome));
            let body = async move { Ok::<_, actix_web::Error>(Bytes::from(event)) };
            response.streaming(futures_util::stream::once(body))
        }
        Err(Unreadable) => stream(StatusCode::INTERNAL_SERVER_ERROR).finish(),
    }
}

/// The beginning of a response that is a stream of events.
pub(super) fn stream(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache,no-store"))
        .insert_header((CONNECTION, "keep-alive"))
        .insert_header((CONTENT_ENCODING, "identity"));
    response
}

/// Removes the content type that actix-web sets for any body.
pub(super) fn without_content_type(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

fn refuse(status: StatusCode, message: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/json; charset=utf-8")
        .body(json_rpc::refusal(message))
}

/// Whether the client accepts the media type; a wildcard accepts any.
fn accepts(request: &HttpRequest, media_type: &str) -> bool {
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

/// Reads the body: `None` for a bare `null`, an error response if it is not a message.
pub(super) async fn message(
    request: &HttpRequest,
    payload: Payload,
) -> Result<Option<Message>, HttpResponse> {
    let encoding = encoding(request).ok_or_else(|| HttpResponse::InternalServerError().finish())?;
    let body = match payload.to_bytes_limited(MAX_BODY).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) | Err(_) => return Err(HttpResponse::InternalServerError().finish()),
    };
    let (text, _) = encoding.decode_with_bom_removal(&body);
    json_rpc::read(&text).map_err(|Unreadable| HttpResponse::InternalServerError().finish())
}

/// The character set of a JSON body; `None` if the body is not JSON.
fn encoding(request: &HttpRequest) -> Option<&'static Encoding> {
    let content_type = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let (_, subtype) = essence.trim().split_once('/')?;
    let is_json = essence.trim().eq_ignore_ascii_case("application/json")
        || subtype.to_ascii_lowercase().ends_with("+json");
    if !is_json {
        return None;
    }
    let charset = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    });
    match charset {
        None => Some(encoding_rs::UTF_8),
        Some(charset) => Encoding::for_label(charset.as_bytes()),
    }
}
