//! The host's route to its extensions: `/runtime/webhooks/{extension}/…`.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::WWW_AUTHENTICATE;
use actix_web::http::uri::{PathAndQuery, Uri};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse};

use super::MCP_PATH;
use super::key_gate::KeyGate;
use crate::events::{Event, Events, Exchange, Party};

const PREFIX: &str = "/runtime/webhooks/";

/// Requests with any other method are for nobody.
const METHODS: [Method; 5] = [
    Method::GET,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::OPTIONS,
];

/// What the route needs to know.
#[derive(Debug)]
pub(super) struct Webhooks {
    pub gate: KeyGate,
    pub events: Events,
}

/// Leads requests for an extension through the key gate to it, and leaves others alone.
pub(super) async fn route(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let target = extension_and_rest(request.path());
    if let Some((extension, rest)) = target
        && let Some(webhooks) = request.app_data::<Data<Webhooks>>().cloned()
    {
        if !METHODS.contains(request.method()) {
            return Ok(request.into_response(HttpResponse::NotFound().finish()));
        }
        if let Err(closed) = webhooks.gate.check(request.request(), &extension) {
            webhooks.report(&request, closed.status, closed.reason);
            let mut response = HttpResponse::build(closed.status);
            if let Some(challenge) = closed.challenge {
                response.insert_header((WWW_AUTHENTICATE, challenge));
            }
            return Ok(request.into_response(response.finish()));
        }
        if extension != "mcp" {
            return Ok(request.into_response(HttpResponse::NotFound().finish()));
        }
        set_path(&mut request, &format!("{MCP_PATH}{rest}"));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// The extension that a path leads to, in lower case, and what the extension is to see of the rest:
/// it tells the paths of its SSE transport apart from all others, and none of the others.
fn extension_and_rest(path: &str) -> Option<(String, String)> {
    let (prefix, path) = path.split_at_checked(PREFIX.len())?;
    if !prefix.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    let (extension, rest) = path.split_once('/').unwrap_or((path, ""));
    if extension.is_empty() {
        return None;
    }
    let is_sse = ["sse", "message"]
        .iter()
        .any(|end| rest.to_ascii_lowercase().ends_with(end));
    let rest = if is_sse {
        format!("/{rest}")
    } else {
        String::new()
    };
    Some((extension.to_ascii_lowercase(), rest))
}

/// Changes the path that the request is routed by.
fn set_path(request: &mut ServiceRequest, path: &str) {
    if request.path() == path {
        return;
    }
    let path_and_query = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(path_and_query).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

impl Webhooks {
    fn report(&self, request: &ServiceRequest, status: StatusCode, answer: &str) {
        self.events.emit(Event::Exchange(Exchange {
            from: Some(Party::Client),
            to: Party::FunctionsHost,
            request: format!("{} {}", request.method(), request.path()),
            status: status.as_u16(),
            answer: answer.to_owned(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_found_whatever_the_case_and_whatever_follows() {
        let found = |path| {
            let (extension, rest) = extension_and_rest(path)?;
            Some(format!("{extension} {rest}"))
        };
        for (path, expected) in [
            ("/runtime/webhooks/mcp", Some("mcp ")),
            ("/Runtime/Webhooks/MCP/", Some("mcp ")),
            ("/runtime/webhooks/mcp/x", Some("mcp ")),
            ("/runtime/webhooks/mcp/sse", Some("mcp /sse")),
            ("/runtime/webhooks/mcp/message", Some("mcp /message")),
            ("/runtime/webhooks/nothing", Some("nothing ")),
            ("/runtime/webhooks/", None),
            ("/runtime/webhooks", None),
            ("/", None),
        ] {
            assert_eq!(found(path).as_deref(), expected, "{path}");
        }
    }
}
