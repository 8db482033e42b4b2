//! A tool call as the MCP extension describes it.
//!
//! Source: `ToolInvocationContext` and `Transport` of the extension,
//! <https://github.com/Azure/azure-functions-mcp-extension>.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::failure::{Failure, word};

/// The extension's name for streamable HTTP.
const STREAMABLE_HTTP: &str = "http-streamable";
/// The extension's name for the older transport, of an event stream and separate messages.
const SSE: &str = "http-sse";

/// A tool call: which tool, with which arguments, in which session, over which request.
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
                word(other.unwrap_or("unknown"))
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

/// The headers of an MCP client's request, in the order in which they came.
///
/// They hold the user's tokens and the host's system key, so `Debug` shows names only.
#[derive(Default)]
pub struct Headers<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// A header that occurs more than once, so nobody can say which value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateHeader(pub &'static str);

impl Headers<'_> {
    /// The value of the header `name`, in any case.
    pub fn get(&self, name: &'static str) -> Result<Option<&str>, DuplicateHeader> {
        let mut values = self
            .0
            .iter()
            .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref());
        let value = values.next();
        match values.next() {
            None => Ok(value),
            Some(_) => Err(DuplicateHeader(name)),
        }
    }
}

impl<'a, N: Into<Cow<'a, str>>, V: Into<Cow<'a, str>>> FromIterator<(N, V)> for Headers<'a> {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let headers = headers.into_iter();
        Self(
            headers
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Headers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Borrowed where it has no escapes; a bare `Cow` never is.
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

        struct HeadersVisitor;

        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of header values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers<'de>, A::Error> {
                let mut headers = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    headers.push((name, value));
                }
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_map(HeadersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_in_any_case() {
        let headers = Headers::from_iter([("x-ms-client-principal", "p")]);
        assert_eq!(headers.get("X-MS-CLIENT-PRINCIPAL"), Ok(Some("p")));
        assert_eq!(headers.get("Authorization"), Ok(None));
    }

    #[test]
    fn a_header_that_occurs_twice_has_no_value() {
        let headers: Headers =
            serde_json::from_str(r#"{"Authorization":"a","authorization":"b"}"#).unwrap();
        assert_eq!(
            headers.get("Authorization"),
            Err(DuplicateHeader("Authorization"))
        );
    }

    #[test]
    fn what_has_no_escapes_is_not_copied() {
        let invocation: ToolInvocation = serde_json::from_str(
            r#"{"name":"HelloTool","transport":{"properties":{"headers":{"a":"b","c":"\n"}}}}"#,
        )
        .unwrap();
        assert!(matches!(invocation.name, Cow::Borrowed(_)));
        let names_and_values = &invocation.headers().0[..];
        assert!(matches!(
            names_and_values,
            [
                (Cow::Borrowed(_), Cow::Borrowed(_)),
                (Cow::Borrowed(_), Cow::Owned(_))
            ]
        ));
    }

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
