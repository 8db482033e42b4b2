//! A recorded case of the MCP extension.

use serde::Deserialize;
use serde_json::Value;

use super::body::Body;

/// One file: a request, or several in a row.
#[derive(Debug, Deserialize)]
pub(super) struct Case {
    pub name: String,
    #[serde(flatten)]
    pub single: Step,
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The requests of a real client.
    #[serde(default)]
    pub exchanges: Vec<Exchange>,
}

impl Case {
    /// Whether a call in it is never answered by the handler.
    pub(super) fn is_timed_out(&self) -> bool {
        std::iter::once(&self.single)
            .chain(&self.steps)
            .filter_map(|step| step.response.as_ref())
            .any(|response| response.seconds.is_some())
    }
}

/// A request, its response and what reached the handler.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Step {
    pub request: Option<Request>,
    pub response: Option<Response>,
    pub handler: Vec<Call>,
    /// How often the handler was called, where not all calls were recorded.
    #[serde(rename = "handlerCalls")]
    pub handler_calls: Option<usize>,
    /// The events in the stream meanwhile (HTTP with SSE).
    pub stream: Option<Vec<SseEvent>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Request {
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub headers: Vec<String>,
    #[serde(default)]
    pub body: Body,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Response {
    pub status: Option<u16>,
    pub headers: Vec<String>,
    pub body: Body,
    /// Status line and headers of a stream that stays open.
    pub head: Vec<String>,
    /// The first event of such a stream.
    pub first: Option<SseEvent>,
    /// `complete`, or `stopped` where the recorder did not wait for the end.
    pub ended: Option<String>,
    /// How long the response took, where that matters: until the timeout of a call.
    pub seconds: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct SseEvent {
    pub event: String,
    pub data: String,
}

/// A call of the handler.
#[derive(Debug, Deserialize)]
pub(super) struct Call {
    pub request: HandlerRequest,
    /// `{"status", "headers", "body"}`, `"none"` or `"connection closed"`; not recorded in a stream.
    #[serde(default)]
    pub answer: Value,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct HandlerRequest {
    pub line: String,
    #[serde(default)]
    pub headers: Vec<String>,
    #[serde(default)]
    pub body: Body,
}

/// A request of a real client, as a proxy saw it.
#[derive(Debug, Deserialize)]
pub(super) struct Exchange {
    pub request: HandlerRequest,
    pub response: Response,
}

/// Name and value of a header line.
pub(super) fn header(line: &str) -> (&str, &str) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name, value.trim())
}
