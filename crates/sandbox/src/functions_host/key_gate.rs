//! The keys of the Functions host, and the gate that lets callers through to an extension.
//!
//! Source: recordings `functions-host/key-gate.json`.

use std::fmt;

use actix_web::{
    HttpRequest,
    http::{StatusCode, header::AUTHORIZATION},
    web::Query,
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use function_app::WebhookAuthorization;
use serde_json::Value;

/// The header that holds a key.
const HEADER: &str = "x-functions-key";

/// The header in which App Service Authentication names the signed-in caller.
const PRINCIPAL: &str = "x-ms-client-principal";

/// A key of the Functions host.
///
/// Source: "Work with access keys in Azure Functions".
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey(String);

impl AccessKey {
    /// A new key.
    pub fn random() -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    /// The key that clients send.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for AccessKey {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey")
    }
}

/// The keys of one host.
#[derive(Clone, Debug)]
pub struct HostKeys {
    /// The system key `mcp_extension`, which opens the MCP extension.
    pub mcp_extension: AccessKey,
    /// `_master`, which opens everything.
    pub master: AccessKey,
    /// The host key `default`, which opens functions with an HTTP trigger; the sandbox has none.
    pub host: AccessKey,
    /// The system key of another extension.
    pub other_extension: AccessKey,
}

impl HostKeys {
    /// Random keys but for this one.
    pub fn with_mcp_extension(mcp_extension: AccessKey) -> Self {
        Self {
            mcp_extension,
            master: AccessKey::random(),
            host: AccessKey::random(),
            other_extension: AccessKey::random(),
        }
    }
}

/// The gate to the extensions.
#[derive(Debug)]
pub(super) struct KeyGate {
    /// Without keys the gate is open, as under Core Tools.
    pub keys: Option<HostKeys>,
    pub level: WebhookAuthorization,
    /// Whether the host believes `X-MS-CLIENT-PRINCIPAL` (`WEBSITE_AUTH_ENABLED`).
    pub believes_principal: bool,
}

/// Why the gate is closed to a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub status: StatusCode,
    /// `WWW-Authenticate`.
    pub challenge: Option<&'static str>,
    /// For the log. The client does not get it.
    pub reason: &'static str,
}

impl Closed {
    fn with(status: StatusCode, reason: &'static str) -> Self {
        Self {
            status,
            challenge: None,
            reason,
        }
    }
}

impl KeyGate {
    /// Whether the request may go to the extension of this name, which is in lower case.
    pub(super) fn check(&self, request: &HttpRequest, extension: &str) -> Result<(), Closed> {
        let principal = match self.believes_principal {
            true => Principal::of(request),
            false => Principal::None,
        };
        if principal == Principal::Unreadable {
            return Err(Closed::with(
                StatusCode::INTERNAL_SERVER_ERROR,
                "X-MS-CLIENT-PRINCIPAL cannot be read",
            ));
        }
        let Some(keys) = &self.keys else {
            return Ok(());
        };
        match self.level {
            WebhookAuthorization::System => {}
            WebhookAuthorization::Anonymous => return Ok(()),
            WebhookAuthorization::Unknown => {
                return Err(Closed::with(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the host does not know the webhookAuthorizationLevel in host.json",
                ));
            }
        }

        let key = read_key(request);
        let is = |other: &AccessKey| key.as_deref() == Some(other.as_str());
        if is(&keys.master) || (extension == "mcp" && is(&keys.mcp_extension)) {
            return Ok(());
        }
        if [&keys.mcp_extension, &keys.host, &keys.other_extension]
            .into_iter()
            .any(is)
        {
            return Err(Closed::with(
                StatusCode::FORBIDDEN,
                "the key is valid, but not the system key of this extension",
            ));
        }
        let reason = match key {
            None => "no system key in x-functions-key or ?code=",
            Some(_) if request.headers().contains_key(HEADER) => {
                "the key in x-functions-key is not the system key"
            }
            Some(_) => "the key in ?code= is not the system key",
        };
        Err(match principal {
            // To the host, a signed-in caller is authenticated: it sends no challenge.
            Principal::SignedIn => Closed::with(StatusCode::FORBIDDEN, reason),
            _ => Closed {
                challenge: Some(challenge(request)),
                ..Closed::with(StatusCode::UNAUTHORIZED, reason)
            },
        })
    }
}

/// The key of the request: the header overrides `?code=`, even with a wrong key.
fn read_key(request: &HttpRequest) -> Option<String> {
    if let Some(header) = request.headers().get(HEADER) {
        return Some(String::from_utf8_lossy(header.as_bytes()).into_owned());
    }
    let query = Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
    query
        .into_inner()
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("code"))
        .map(|(_, code)| code)
}

/// The signed-in caller, as far as the host checks.
#[derive(Debug, PartialEq, Eq)]
enum Principal {
    None,
    SignedIn,
    Unreadable,
}

impl Principal {
    fn of(request: &HttpRequest) -> Self {
        let header = match request.headers().get(PRINCIPAL) {
            Some(header) if !header.is_empty() => header,
            _ => return Self::None,
        };
        let principal = BASE64_STANDARD
            .decode(header)
            .ok()
            .and_then(|json| serde_json::from_slice::<Value>(&json).ok());
        match principal {
            Some(principal) if principal["claims"].is_array() => Self::SignedIn,
            _ => Self::Unreadable,
        }
    }
}

/// `WWW-Authenticate`: the host also expects a token of its own kind, and says what is wrong with any other.
fn challenge(request: &HttpRequest) -> &'static str {
    let token = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty());
    match token {
        None => "Bearer",
        // The recordings omit the description; this is ASP.NET Core's for an unknown signing key.
        Some(token) if is_json_web_token(token) => {
            r#"Bearer error="invalid_token", error_description="The signature key was not found""#
        }
        Some(_) => r#"Bearer error="invalid_token""#,
    }
}

/// Whether the token looks like a signed JWT (RFC 7519).
fn is_json_web_token(token: &str) -> bool {
    let parts: Vec<_> = token.split('.').collect();
    parts.len() == 3
        && BASE64_URL_SAFE_NO_PAD
            .decode(parts[0])
            .is_ok_and(|header| serde_json::from_slice::<Value>(&header).is_ok())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn gate(key: &str) -> KeyGate {
        KeyGate {
            keys: Some(HostKeys::with_mcp_extension(AccessKey::from(
                key.to_owned(),
            ))),
            level: WebhookAuthorization::System,
            believes_principal: true,
        }
    }

    fn status(gate: &KeyGate, request: TestRequest) -> Option<u16> {
        gate.check(&request.to_http_request(), "mcp")
            .err()
            .map(|closed| closed.status.as_u16())
    }

    #[test]
    fn a_key_is_taken_from_the_header_or_from_the_query() {
        let gate = gate("k&1");
        let in_header = TestRequest::default().insert_header((HEADER, "k&1"));
        assert_eq!(status(&gate, in_header), None);
        for query in ["/?code=k%261", "/?a=b&Code=k%261"] {
            assert_eq!(status(&gate, TestRequest::with_uri(query)), None);
        }
    }

    #[test]
    fn a_wrong_header_overrides_a_right_query() {
        let gate = gate("k");
        let wrong = TestRequest::with_uri("/?code=k").insert_header((HEADER, "x"));
        assert_eq!(status(&gate, wrong), Some(401));
        assert_eq!(status(&gate, TestRequest::default()), Some(401));
    }

    #[test]
    fn a_closed_gate_challenges_only_those_who_are_not_signed_in() {
        let gate = gate("k");
        let principal = BASE64_STANDARD.encode(r#"{"claims":[]}"#);
        let signed_in = TestRequest::default().insert_header((PRINCIPAL, principal));
        let closed = gate.check(&signed_in.to_http_request(), "mcp").unwrap_err();
        assert_eq!((closed.status.as_u16(), closed.challenge), (403, None));
        let closed = gate
            .check(&TestRequest::default().to_http_request(), "mcp")
            .unwrap_err();
        assert_eq!(
            (closed.status.as_u16(), closed.challenge),
            (401, Some("Bearer"))
        );
    }

    #[test]
    fn debug_output_has_no_key() {
        let gate = gate("secret-key");
        assert!(!format!("{gate:?}").contains("secret-key"));
    }
}
