//! HTTP with SSE, the transport of the protocol of 2024-11-05: a GET opens a stream of events, and
//! POSTs to the address in its first event send messages, whose answers come in the stream.
//!
//! Source: recordings `sse`; `SseRequestHandler` of the extension.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::HOST},
    web::{Bytes, Data, Payload, Query},
};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::{sync::mpsc, time::sleep};

use super::{
    McpExtension,
    client_state::{Refusal, Session},
    json_rpc::{self, Message, Request},
    streamable_http::{message, stream, without_content_type},
};
use crate::functions_host::{
    invocation::{Client, ClientInfo, Transport},
    web_server::client_headers,
};

/// The query parameter that names the stream.
const STATE: &str = "azmcpcs";

const PING_INTERVAL: Duration = Duration::from_secs(25);

/// The open streams, by the client's part of their session.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<String, Stream>>>);

#[derive(Clone, Debug)]
struct Stream {
    events: mpsc::UnboundedSender<String>,
    /// The client that opened the stream, for all calls that come through it.
    client: Client,
}

/// Whether a path belongs to this transport.
pub(super) fn is_stream(path: &str) -> bool {
    ends_with(path, "sse")
}

/// Whether a path takes messages for a stream.
pub(super) fn is_message(path: &str) -> bool {
    ends_with(path, "message")
}

fn ends_with(path: &str, name: &str) -> bool {
    let path = path.trim_end_matches('/').to_ascii_lowercase();
    path.ends_with(name)
}

/// `GET …/sse`
pub(super) fn open(extension: &Data<McpExtension>, request: &HttpRequest) -> HttpResponse {
    let session = Session::new(&extension.instance);
    let Some(state) = extension.client_state.format(&session) else {
        return stream(StatusCode::INTERNAL_SERVER_ERROR).finish();
    };
    let (events, receiver) = mpsc::unbounded_channel();
    let _ = events.send(json_rpc::event(
        "endpoint",
        &message_endpoint(extension, request, &state),
    ));
    let open_stream = Stream {
        events: events.clone(),
        client: Client {
            headers: client_headers(request),
            transport: Transport::HttpSse,
            info: None,
        },
    };
    extension
        .streams
        .0
        .lock()
        .insert(session.client.clone(), open_stream);
    let registration = Registration {
        streams: extension.streams.clone(),
        client: session.client,
    };
    tokio::spawn(ping(events));

    let events = futures_util::stream::unfold(
        (receiver, registration),
        async |(mut receiver, registration)| {
            let event = receiver.recv().await?;
            Some((Bytes::from(event), (receiver, registration)))
        },
    );
    stream(StatusCode::OK).streaming(events.map(Ok::<_, actix_web::Error>))
}

/// Removes the stream from the list when its client goes away.
struct Registration {
    streams: Streams,
    client: String,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.streams.0.lock().remove(&self.client);
    }
}

/// The URL to which the client sends its messages. It contains the key, as in the real extension.
fn message_endpoint(extension: &McpExtension, request: &HttpRequest, state: &str) -> String {
    let key = query_value(request, "code").or_else(|| {
        let key = request.headers().get("x-functions-key")?;
        Some(key.to_str().ok()?.to_owned())
    });
    let key = key.map(|key| format!("&code={key}")).unwrap_or_default();
    let relative = format!("message?{STATE}={state}{key}");
    if !extension.app.host.mcp.absolute_message_endpoint {
        return relative;
    }
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = request.path().trim_end_matches('/');
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("http://{host}{folder}/{relative}")
}

/// Pings the client from time to time.
async fn ping(events: mpsc::UnboundedSender<String>) {
    for id in 1_u64.. {
        tokio::select! {
            () = events.closed() => return,
            () = sleep(PING_INTERVAL) => {}
        }
        let ping = format!(r#"{{"method":"ping","id":{id},"jsonrpc":"2.0"}}"#);
        if events.send(json_rpc::event("message", &ping)).is_err() {
            return;
        }
    }
}

/// `POST …/message?azmcpcs=…`
pub(super) async fn post(
    extension: Data<McpExtension>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let Some(state) = query_value(&request, STATE) else {
        return refuse("Missing service context.");
    };
    let session = match extension.client_state.parse(&state) {
        Ok(session) => session,
        Err(Refusal::Parts) => return refuse("Invalid client state."),
        Err(Refusal::Foreign) => return HttpResponse::InternalServerError().finish(),
    };
    let message = match message(&request, payload).await {
        Ok(Some(message)) => message,
        Ok(None) => {
            return HttpResponse::BadRequest().json("No message in request body.");
        }
        Err(response) => return response,
    };
    let open_stream = extension.streams.0.lock().get(&session.client).cloned();
    let Some(mut open_stream) = open_stream else {
        return refuse(&format!(
            "No active session for client '{}' and instance '{}'.",
            session.client, session.instance
        ));
    };
    match message {
        Message::Other { method } => {
            extension.report_message(method.as_deref(), &open_stream.client);
        }
        Message::Request(request) => {
            if let Some(info) = client_info(&request) {
                open_stream.client.info = Some(info);
                let mut streams = extension.streams.0.lock();
                if let Some(known) = streams.get_mut(&session.client) {
                    known.client.info.clone_from(&open_stream.client.info);
                }
            }
            let extension = extension.clone();
            tokio::spawn(async move {
                let id = request.id.clone();
                if let Ok(outcome) = extension.answer(request, open_stream.client).await {
                    let answer = json_rpc::answer(&id, &outcome);
                    let _ = open_stream.events.send(json_rpc::event("message", &answer));
                }
            });
        }
    }
    without_content_type(HttpResponse::Accepted().body("Accepted"))
}

/// The client's `clientInfo`, if it sends any.
fn client_info(request: &Request) -> Option<ClientInfo> {
    if request.method != "initialize" {
        return None;
    }
    let params = request.params().ok()?;
    super::client_info(&params)
}

fn query_value(request: &HttpRequest, name: &str) -> Option<String> {
    let query = Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
    let (_, value) = query.iter().find(|(other, _)| other == name)?;
    Some(value.clone())
}

fn refuse(message: &str) -> HttpResponse {
    let message =
        format!("{message} Please connect to the /sse endpoint to initiate your session.");
    HttpResponse::BadRequest()
        .content_type("application/json; charset=utf-8")
        .body(serde_json::Value::from(message).to_string())
}
