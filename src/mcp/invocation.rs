//! A tool call as the MCP extension describes it.
//!
//! Source: `ToolInvocationContext` and `Transport` of the extension,
//! <https://github.com/Azure/azure-functions-mcp-extension>.

use std::fmt;

use azure_core::credentials::Secret;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// A tool call: which tool, with which arguments, in which session, over which request.
#[derive(Debug, Deserialize)]
pub struct ToolInvocation {
    /// The tool's name.
    pub name: String,
    /// The client's arguments as they came; `None` when the client sent none.
    #[serde(default)]
    pub arguments: Option<Arguments>,
    /// The `Mcp-Session-Id` that the client sent.
    #[serde(default, rename = "sessionid")]
    pub session_id: Option<String>,
    #[serde(default)]
    transport: Transport,
}

impl ToolInvocation {
    /// The headers of the client's request.
    pub fn headers(&self) -> &Headers {
        &self.transport.properties.headers
    }
}

#[derive(Debug, Default, Deserialize)]
struct Transport {
    #[serde(default)]
    properties: TransportProperties,
}

#[derive(Debug, Default, Deserialize)]
struct TransportProperties {
    #[serde(default)]
    headers: Headers,
}

/// The arguments of a call, not yet read. `Debug` hides them: they may be private.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Arguments(Box<RawValue>);

impl Arguments {
    /// The arguments as JSON text.
    pub fn json(&self) -> &str {
        self.0.get()
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arguments")
    }
}

/// The headers of an MCP client's request, in the order in which they came.
///
/// They hold the user's tokens and the host's system key, so `Debug` shows names only.
#[derive(Default)]
pub struct Headers(Vec<(String, Secret)>);

/// A header that occurs more than once, so nobody can say which value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateHeader(pub &'static str);

impl Headers {
    /// The value of the header `name`, in any case.
    pub fn get(&self, name: &'static str) -> Result<Option<&str>, DuplicateHeader> {
        let mut values = self
            .0
            .iter()
            .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.secret());
        let value = values.next();
        match values.next() {
            None => Ok(value),
            Some(_) => Err(DuplicateHeader(name)),
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let headers = headers.into_iter();
        Self(
            headers
                .map(|(name, value)| (name.into(), Secret::new(value.into())))
                .collect(),
        )
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;

        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of header values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    headers.push((name, Secret::new(value)));
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
    fn debug_shows_neither_header_values_nor_arguments() {
        let invocation: ToolInvocation = serde_json::from_str(
            r#"{"name":"HelloTool","arguments":{"a":"s3cret"},"transport":{"name":"http-streamable",
                "properties":{"headers":{"Authorization":"Bearer s3cret"}}}}"#,
        )
        .unwrap();
        assert!(!format!("{invocation:?}").contains("s3cret"));
    }
}
