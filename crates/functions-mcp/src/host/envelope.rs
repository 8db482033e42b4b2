//! The envelopes of an invocation by the Functions host and of its answer.
//!
//! Source: <https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers#request-payload>.

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The name of the trigger's binding in every `function.json` of this app.
///
/// It ends in "trigger" because the host then leaves one copy of the payload, and of the user's tokens in it, out of
/// `Metadata`.
pub const TRIGGER_BINDING: &str = "mcpTrigger";

/// The most times that the trigger's value is encoded as a JSON string: once by the extension, once by the host.
const MAX_ENCODINGS: usize = 2;

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
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The body is not the host's JSON.
    #[error("the request is not a custom handler invocation ({0})")]
    Envelope(Position),
    /// There is no `Data`, or no entry for the trigger in it.
    #[error("the request has no Data.{TRIGGER_BINDING}")]
    NoTrigger,
    /// The trigger's value is not what the MCP extension makes.
    #[error("Data.{TRIGGER_BINDING} is not an MCP tool call ({0})")]
    Payload(Position),
}

impl EnvelopeError {
    fn payload(error: serde_json::Error) -> Self {
        Self::Payload(error.into())
    }
}

/// Where in a JSON text the reader stopped: the line, from 1, and how many bytes of it were read.
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

/// The trigger's value: JSON text, decoded from the strings around it. It has no `Debug`, since it holds tokens.
pub struct TriggerValue(String);

impl TriggerValue {
    /// Takes the trigger's value out of an invocation request's body.
    ///
    /// It stands under [`TRIGGER_BINDING`], or under any name when it is the only one.
    pub fn from_body(body: impl AsRef<[u8]>) -> Result<Self, EnvelopeError> {
        let mut json = decode_string(trigger_value(body.as_ref())?.get())?;
        // Calls may be large: there should be no more copies than needed at a time.
        drop(body);
        for _ in 1..MAX_ENCODINGS {
            if is_string(&json) {
                json = decode_string(&json)?;
            }
        }
        Ok(Self(json))
    }

    /// The JSON text.
    pub fn json(&self) -> &str {
        &self.0
    }

    /// Decodes the value; `T` may borrow from it.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, EnvelopeError> {
        serde_json::from_str(self.json()).map_err(EnvelopeError::payload)
    }
}

fn is_string(json: &str) -> bool {
    json.trim_start().starts_with('"')
}

/// The text in a JSON string; other JSON stays as it is.
fn decode_string(json: &str) -> Result<String, EnvelopeError> {
    if is_string(json) {
        serde_json::from_str(json).map_err(EnvelopeError::payload)
    } else {
        Ok(json.to_owned())
    }
}

/// The trigger's value in the body.
fn trigger_value(body: &[u8]) -> Result<&RawValue, EnvelopeError> {
    let data = read_data(body)?;
    let only_value = || match data.len() {
        1 => data.values().next(),
        _ => None,
    };
    data.get(TRIGGER_BINDING)
        .or_else(only_value)
        .copied()
        .ok_or(EnvelopeError::NoTrigger)
}

/// The members of the body's `Data`.
type Data<'a> = HashMap<String, &'a RawValue>;

/// Reads a body up to the end of its first `Data`.
///
/// The rest is not read: `Metadata` repeats the same without its types.
fn read_data(body: &[u8]) -> Result<Data<'_>, EnvelopeError> {
    struct DataVisitor<'d, 'a>(&'d mut Option<Data<'a>>);

    impl<'a> Visitor<'a> for DataVisitor<'_, 'a> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with a member Data")
        }

        fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(name) = map.next_key::<String>()? {
                if name == "Data" {
                    *self.0 = Some(map.next_value()?);
                    break;
                }
                map.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }

    let mut data = None;
    let outcome =
        serde_json::Deserializer::from_slice(body).deserialize_map(DataVisitor(&mut data));
    match (data, outcome) {
        // Once `Data` is read, the rest does not matter, nor do errors in it.
        (Some(data), _) => Ok(data),
        (None, Err(error)) => Err(EnvelopeError::Envelope(error.into())),
        (None, Ok(())) => Err(EnvelopeError::NoTrigger),
    }
}
