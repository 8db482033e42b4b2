//! The envelope in which the Functions host hands over an invocation and takes its answer.
//!
//! Source: <https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers#request-payload>.

use std::{borrow::Cow, collections::HashMap, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// The name of the trigger's binding in every `function.json` of this app.
///
/// It ends in "trigger" because the host then leaves the payload, and the user's tokens in it, out of `Metadata`.
pub const TRIGGER_BINDING: &str = "mcpTrigger";

/// How often the trigger's value may be encoded as a JSON string: once by the extension, once by the host.
const MAX_ENCODINGS: usize = 2;

/// The part of an invocation request that matters: `Metadata` repeats `Data` with types lost.
#[derive(Deserialize)]
struct InvocationRequest<'a> {
    #[serde(rename = "Data", borrow)]
    data: HashMap<Cow<'a, str>, &'a RawValue>,
}

/// The answer to an invocation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InvocationResponse {
    outputs: serde_json::Map<String, serde_json::Value>,
    logs: Vec<String>,
    return_value: String,
}

impl InvocationResponse {
    /// An answer whose trigger returns `return_value`.
    pub fn returning(return_value: String) -> Self {
        Self {
            outputs: serde_json::Map::new(),
            logs: Vec::new(),
            return_value,
        }
    }
}

/// Why a body is not an invocation of an MCP tool. Never quotes the body: it holds tokens.
#[derive(Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// The body is not the host's JSON.
    Envelope(Position),
    /// `Data` has no entry for the trigger.
    NoTrigger,
    /// The trigger's value is not what the MCP extension makes.
    Payload(Position),
}

/// Where in a JSON text the reader stopped, both counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Position {
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for Position {
    fn from(error: serde_json::Error) -> Self {
        Self {
            line: error.line(),
            column: error.column(),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Envelope(at) => {
                write!(f, "the request is not a custom handler invocation ({at})")
            }
            Self::NoTrigger => write!(f, "the request's Data has no entry {TRIGGER_BINDING:?}"),
            Self::Payload(at) => write!(f, "Data.{TRIGGER_BINDING} is not an MCP tool call ({at})"),
        }
    }
}

impl std::error::Error for EnvelopeError {}

/// Reads the trigger's value out of an invocation request's body.
///
/// The value stands under [`TRIGGER_BINDING`], or under any name when it is the only one.
pub fn trigger_value<T: DeserializeOwned>(body: &[u8]) -> Result<T, EnvelopeError> {
    let request: InvocationRequest =
        serde_json::from_slice(body).map_err(|error| EnvelopeError::Envelope(error.into()))?;
    let only_value = || match request.data.len() {
        1 => request.data.values().next(),
        _ => None,
    };
    let value = request
        .data
        .get(TRIGGER_BINDING)
        .or_else(only_value)
        .ok_or(EnvelopeError::NoTrigger)?;

    let payload = |error: serde_json::Error| EnvelopeError::Payload(error.into());
    let mut json = Cow::Borrowed(value.get());
    for _ in 0..MAX_ENCODINGS {
        if !json.trim_start().starts_with('"') {
            break;
        }
        json = Cow::Owned(serde_json::from_str(&json).map_err(payload)?);
    }
    serde_json::from_str(&json).map_err(payload)
}
