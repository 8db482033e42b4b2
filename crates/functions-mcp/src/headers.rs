//! The headers of the MCP client's request, as the Functions host hands them over.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

/// The headers of an MCP client's request, in the order in which they came.
///
/// They hold the user's tokens and the host's system key, so `Debug` shows names only.
#[derive(Default)]
pub struct Headers<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// A header that occurs more than once: it is not known which value counts.
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
        /// Borrows text without escapes, which serde does not do for a bare `Cow`.
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
        let headers: Headers = serde_json::from_str(r#"{"a":"b","c":"\n"}"#).unwrap();
        assert!(matches!(
            &headers.0[..],
            [
                (Cow::Borrowed(_), Cow::Borrowed(_)),
                (Cow::Borrowed(_), Cow::Owned(_))
            ]
        ));
    }
}
