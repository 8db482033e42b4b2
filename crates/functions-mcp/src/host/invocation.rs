//! A tool call as the MCP extension describes it.
//!
//! Source: `ToolInvocationContext` and `Transport` of the extension,
//! <https://github.com/Azure/azure-functions-mcp-extension>.

use std::{borrow::Cow, fmt};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    failure::{Failure, sanitized},
    headers::Headers,
};

/// The extension's name for streamable HTTP.
const STREAMABLE_HTTP: &str = "http-streamable";
/// The extension's name for the older transport, HTTP with server-sent events.
const SSE: &str = "http-sse";

/// A tool call: the tool, the arguments, the session and the client's request.
#[derive(Debug, Deserialize)]
pub struct ToolInvocation<'a> {
    /// The tool's name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The client's arguments as they came; `None` when the client sent none.
    #[serde(borrow, default)]
    pub arguments: Option<Arguments<'a>>,
    /// The `Mcp-Session-Id` that the client sent.
    #[serde(default, rename = "sessionid")]
    pub session_id: Option<String>,
    #[serde(borrow, default)]
    transport: Transport<'a>,
}

impl<'a> ToolInvocation<'a> {
    /// Refuses a call that did not come over streamable HTTP.
    ///
    /// Over the SSE transport, the extension gives the headers of the request that opened the stream to every call in
    /// it, whoever sends the call: the tool would act for another user, or with an old token.
    pub fn require_streamable_http(&self) -> Result<(), Failure> {
        let message = match self.transport.name.as_deref() {
            Some(STREAMABLE_HTTP) => return Ok(()),
            Some(SSE) => "This server does not take calls over the SSE transport: there, a call acts with the sign-in of whoever opened the stream, not of whoever calls. Connect to /runtime/webhooks/mcp with streamable HTTP (\"type\": \"http\").".to_owned(),
            other => format!(
                "This server takes calls over streamable HTTP only, and this one came over {:?}. Connect to /runtime/webhooks/mcp with streamable HTTP (\"type\": \"http\").",
                sanitized(other.unwrap_or("unknown"))
            ),
        };
        Err(Failure::user("transport_refused", message))
    }

    /// The headers of the client's request.
    pub fn headers(&self) -> &Headers<'a> {
        &self.transport.properties.headers
    }
}

#[derive(Debug, Default, Deserialize)]
struct Transport<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    properties: TransportProperties<'a>,
}

#[derive(Debug, Default, Deserialize)]
struct TransportProperties<'a> {
    #[serde(borrow, default)]
    headers: Headers<'a>,
}

/// The arguments of a call, not yet read. `Debug` hides them: they may be private.
#[derive(Clone, Copy, Deserialize)]
#[serde(transparent)]
pub struct Arguments<'a>(#[serde(borrow)] &'a RawValue);

impl<'a> Arguments<'a> {
    /// The arguments as JSON text.
    pub fn json(self) -> &'a str {
        self.0.get()
    }
}

impl fmt::Debug for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arguments")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_header_values_nor_arguments() {
        let invocation: ToolInvocation = serde_json::from_str(
            r#"{"name":"HelloTool","arguments":{"a":"s3cret"},"transport":{"name":"http-streamable",
                "properties":{"headers":{"Authorization":"Bearer s3cret"}}}}"#,
        )
        .unwrap();
        assert!(!format!("{invocation:?}").contains("s3cret"));
    }
}
