//! The handler's port is for the Functions host alone.
//!
//! Any program on this machine can reach it, and so can web pages in its browsers: with a form or a `fetch` that needs
//! no preflight, or under a name of their own that resolves to this machine (DNS rebinding). A web page cannot send
//! exactly what the host sends.

use actix_web::{
    HttpRequest, HttpResponse,
    guard::GuardContext,
    http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN},
};

use crate::failure::sanitized;

/// A header that browsers send with every request, and that a page cannot set.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a request may be the host's: its `Host` is the one that the host sends, and it does not come from a browser.
pub fn is_from_the_host(port: u16) -> impl Fn(&GuardContext<'_>) -> bool {
    let this_server = format!("127.0.0.1:{port}");
    move |context| {
        let headers = &context.head().headers;
        let mut hosts = headers.get_all(HOST);
        hosts.next().is_some_and(|host| host == &*this_server)
            && hosts.next().is_none()
            && !headers.contains_key(ORIGIN)
            && !headers.contains_key(SEC_FETCH_SITE)
    }
}

/// Whether the content type is JSON, which a form or a `fetch` without preflight cannot send.
pub fn is_json(context: &GuardContext<'_>) -> bool {
    let content_type = context.head().headers.get(CONTENT_TYPE);
    let media_type = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

/// The answer to a request that is not the host's.
pub async fn forbidden(request: HttpRequest) -> HttpResponse {
    refused(&request);
    HttpResponse::Forbidden().body(
        "This port is for the Functions host alone. MCP clients call the host, at /runtime/webhooks/mcp.\n",
    )
}

/// The answer to a call whose body is not JSON.
pub async fn unsupported_media_type(request: HttpRequest) -> HttpResponse {
    refused(&request);
    HttpResponse::UnsupportedMediaType().body("A call's Content-Type is application/json.\n")
}

fn refused(request: &HttpRequest) {
    let headers = request.headers();
    tracing::warn!(
        host = header(headers, &HOST),
        origin = header(headers, &ORIGIN),
        content_type = header(headers, &CONTENT_TYPE),
        "refused a request that the Functions host does not send"
    );
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(sanitized(headers.get(name)?.to_str().unwrap_or_default()))
}
