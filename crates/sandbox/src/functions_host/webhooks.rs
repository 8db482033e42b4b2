//! The host's route to its extensions: `/runtime/webhooks/{extension}/…`.

use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header::WWW_AUTHENTICATE},
    middleware::Next,
    web::Data,
};

use super::key_gate::KeyGate;
use crate::events::{Event, Events, Exchange, Party};

const PREFIX: &str = "/runtime/webhooks/";

/// The methods that the route takes.
const METHODS: [Method; 5] = [
    Method::GET,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::OPTIONS,
];

/// The state of the route.
#[derive(Debug)]
pub(super) struct Webhooks {
    pub gate: KeyGate,
    pub events: Events,
}

/// Routes requests for an extension to it through the key gate, and passes other requests on.
pub(super) async fn route(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(extension) = extension(request.path())
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
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Whether a path leads to the MCP extension: its own, and all below it.
pub(super) fn is_mcp(path: &str) -> bool {
    extension(path).as_deref() == Some("mcp")
}

/// The name of the extension that a path leads to, in lower case.
fn extension(path: &str) -> Option<String> {
    let (prefix, path) = path.split_at_checked(PREFIX.len())?;
    if !prefix.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    let extension = path.split('/').next().unwrap_or_default();
    (!extension.is_empty()).then(|| extension.to_ascii_lowercase())
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
    fn an_extension_is_found_in_any_case_and_with_any_path_below_it() {
        for (path, expected) in [
            ("/runtime/webhooks/mcp", Some("mcp")),
            ("/Runtime/Webhooks/MCP/", Some("mcp")),
            ("/runtime/webhooks/mcp/sse", Some("mcp")),
            ("/runtime/webhooks/nothing", Some("nothing")),
            ("/runtime/webhooks/", None),
            ("/runtime/webhooks", None),
            ("/", None),
        ] {
            assert_eq!(extension(path).as_deref(), expected, "{path}");
        }
    }
}
