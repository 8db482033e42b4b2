//! JSON-RPC as the extension's SDK reads and writes it.
//!
//! Source: recordings `body`, `methods`; `JsonRpcMessage` of the C# SDK 0.4.0-preview.3.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::functions_host::dotnet::system_text_json::{self, Members};

/// A message from a client.
#[derive(Debug)]
pub(super) enum Message {
    Request(Request),
    /// A notification, or an answer to a request that a stateless server cannot have sent.
    Other {
        method: Option<String>,
    },
}

/// A message that expects an answer.
#[derive(Debug)]
pub(super) struct Request {
    pub id: Id,
    pub method: String,
    /// The parameters' JSON text.
    pub params: Option<Box<RawValue>>,
}

/// A request's id: a whole number or a text.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Id(Box<RawValue>);

/// A body that is not a JSON-RPC message: the extension answers 500 and an empty body.
#[derive(Debug)]
pub(super) struct Unreadable;

/// An error of the protocol.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RpcError {
    pub code: i32,
    pub message: String,
}

impl RpcError {
    pub(super) fn invalid_params(message: impl Into<String>) -> Self {
        Self {
            code: -32602,
            message: message.into(),
        }
    }

    pub(super) fn method_not_available(method: &str) -> Self {
        Self {
            code: -32601,
            message: format!("Method '{method}' is not available."),
        }
    }

    /// Any other error.
    pub(super) fn internal() -> Self {
        Self {
            code: -32603,
            message: "An error occurred.".into(),
        }
    }

    /// An error of the transport, before it reads a message.
    pub(super) fn transport(message: &str) -> Self {
        Self {
            code: -32000,
            message: message.into(),
        }
    }
}

/// The answer to a request: the result's JSON text, or an error.
pub(super) type Outcome = Result<String, RpcError>;

/// Reads a body; `None` for a bare `null`.
pub(super) fn read(text: &str) -> Result<Option<Message>, Unreadable> {
    if text.trim() == "null" {
        return Ok(None);
    }
    let members = system_text_json::members(text).map_err(|_| Unreadable)?;
    let string = |name: &str| match members.get(name) {
        None => Ok(None),
        Some(value) => serde_json::from_str::<String>(value.get())
            .map(Some)
            .map_err(|_| Unreadable),
    };
    if string("jsonrpc")?.as_deref() != Some("2.0") {
        return Err(Unreadable);
    }
    let method = string("method")?;
    let id = members.get("id").map(read_id).transpose()?;
    match (id, method) {
        (Some(id), Some(method)) => Ok(Some(Message::Request(Request {
            id,
            method,
            params: members
                .get("params")
                .filter(|params| params.get() != "null")
                .map(RawValue::to_owned),
        }))),
        (None, Some(method)) => Ok(Some(Message::Other {
            method: Some(method),
        })),
        (Some(_), None) if members.get("error").is_some() || members.get("result").is_some() => {
            Ok(Some(Message::Other { method: None }))
        }
        _ => Err(Unreadable),
    }
}

fn read_id(value: &RawValue) -> Result<Id, Unreadable> {
    let is_text = value.get().starts_with('"');
    if is_text || value.get().parse::<i64>().is_ok() {
        Ok(Id(value.to_owned()))
    } else {
        Err(Unreadable)
    }
}

impl Request {
    /// The members of the parameters; none without parameters.
    pub(super) fn params(&self) -> Result<Members<'_>, RpcError> {
        match &self.params {
            None => Ok(Members::default()),
            Some(params) => {
                system_text_json::members(params.get()).map_err(|_| RpcError::internal())
            }
        }
    }
}

/// The message that answers the request of this id.
pub(super) fn answer(id: &Id, outcome: &Outcome) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a RpcError>,
        id: &'a Id,
        jsonrpc: &'static str,
    }
    let result = outcome
        .as_ref()
        .ok()
        .and_then(|text| serde_json::from_str(text).ok());
    system_text_json::to_string(&Answer {
        result,
        error: outcome.as_ref().err(),
        id,
        jsonrpc: "2.0",
    })
    .unwrap_or_default()
}

/// The message that refuses a request whose id is not known.
pub(super) fn refusal(message: &str) -> String {
    #[derive(Serialize)]
    struct Refusal {
        error: RpcError,
        id: &'static str,
        jsonrpc: &'static str,
    }
    system_text_json::to_string(&Refusal {
        error: RpcError::transport(message),
        id: "",
        jsonrpc: "2.0",
    })
    .unwrap_or_default()
}

/// An event of a stream.
pub(super) fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_repeats_the_id_and_names_the_result_first() {
        let Ok(Some(Message::Request(request))) =
            read(r#"{"jsonrpc":"2.0","id":"ü","method":"ping"}"#)
        else {
            panic!("not a request");
        };
        assert_eq!(
            answer(&request.id, &Ok("{}".into())),
            r#"{"result":{},"id":"\u00FC","jsonrpc":"2.0"}"#
        );
        assert_eq!(
            answer(&request.id, &Err(RpcError::method_not_available("x"))),
            r#"{"error":{"code":-32601,"message":"Method \u0027x\u0027 is not available."},"id":"\u00FC","jsonrpc":"2.0"}"#
        );
    }

    #[test]
    fn what_is_not_a_message_cannot_be_read() {
        for text in [
            "",
            "[]",
            "1",
            "{}",
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":5}"#,
            r#"{"JSONRPC":"2.0","ID":1,"METHOD":"ping"}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(matches!(read(" null "), Ok(None)));
    }
}
