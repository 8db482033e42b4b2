//! The headers of a client's request, as they reach the handler.

use std::fmt;

use serde::ser::{Serialize, Serializer};

/// Headers in the order and the spelling in which the host's web server, Kestrel, hands them on:
/// first those that it knows, then the others as the client sent them. Values of one name are
/// joined by commas.
#[derive(Clone, Default)]
pub struct Headers(Vec<(String, String)>);

/// The headers that Kestrel knows, in its order: four that nearly every request has, the others by
/// the alphabet, and the body's length.
const KNOWN: [&str; 38] = [
    "Accept",
    "Connection",
    "Host",
    "User-Agent",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "Authorization",
    "baggage",
    "Cache-Control",
    "Content-Type",
    "Cookie",
    "Correlation-Context",
    "Date",
    "Expect",
    "From",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Keep-Alive",
    "Max-Forwards",
    "Origin",
    "Pragma",
    "Range",
    "Referer",
    "Request-Id",
    "TE",
    "traceparent",
    "tracestate",
    "Transfer-Encoding",
    "Upgrade",
    "Upgrade-Insecure-Requests",
    "Via",
    "Content-Length",
];

impl Headers {
    /// Takes the headers in the client's order and spelling.
    pub fn new<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut joined: Vec<(String, String)> = Vec::new();
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value);
            match joined
                .iter_mut()
                .find(|(other, _)| other.eq_ignore_ascii_case(name))
            {
                Some((_, values)) => {
                    values.push(',');
                    values.push_str(&value);
                }
                None => joined.push((spelling(name), value.into_owned())),
            }
        }
        joined.sort_by_key(|(name, _)| rank(name));
        Self(joined)
    }

    /// The value of a header, with its name in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The caller's name, if App Service Authentication set it.
    pub fn caller(&self) -> Option<&str> {
        self.get("X-MS-CLIENT-PRINCIPAL-NAME")
    }

    /// The client's session, if it sent one.
    pub(super) fn session_id(&self) -> Option<&str> {
        self.get("Mcp-Session-Id")
    }
}

fn spelling(name: &str) -> String {
    KNOWN
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))
        .unwrap_or(name)
        .to_owned()
}

fn rank(name: &str) -> usize {
    KNOWN
        .into_iter()
        .position(|known| known == name)
        .unwrap_or(usize::MAX)
}

/// Shows only the names, since values hold tokens and keys.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_headers_come_first_and_others_as_they_were_sent() {
        let headers = Headers::new([
            ("x-Custom", b"1".as_slice()),
            ("content-length", b"2"),
            ("HOST", b"localhost"),
            ("X-MS-CLIENT-PRINCIPAL", b"e30="),
            ("accept", b"application/json"),
            ("Accept", b"text/event-stream"),
        ]);
        assert_eq!(
            serde_json::to_string(&headers).unwrap(),
            r#"{"Accept":"application/json,text/event-stream","Host":"localhost","Content-Length":"2","x-Custom":"1","X-MS-CLIENT-PRINCIPAL":"e30="}"#
        );
        assert_eq!(headers.get("x-custom"), Some("1"));
    }

    #[test]
    fn debug_output_has_no_values() {
        let headers = Headers::new([("Authorization", b"Bearer eyJhbGci".as_slice())]);
        assert!(!format!("{headers:?}").contains("eyJhbGci"));
    }
}
