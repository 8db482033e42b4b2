//! The system key `mcp_extension`, which the host asks of every call to the MCP extension.

use std::fmt;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::web::{Data, Query};
use actix_web::{Error, HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::events::{Event, Events, Exchange, Party};

/// The header that holds a key.
const HEADER: &str = "x-functions-key";

/// A key of the Functions host.
#[derive(Clone, PartialEq, Eq)]
pub struct SystemKey(String);

impl SystemKey {
    /// A new key.
    pub fn random() -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    /// The key that clients send.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the request holds this key: in the header or, without that, as `?code=`.
    fn opens(&self, request: &HttpRequest) -> bool {
        #[derive(serde::Deserialize)]
        struct Code {
            code: String,
        }
        match request.headers().get(HEADER) {
            Some(value) => value.as_bytes() == self.0.as_bytes(),
            None => Query::<Code>::from_query(request.query_string())
                .is_ok_and(|query| query.code == self.0),
        }
    }
}

impl From<String> for SystemKey {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl fmt::Debug for SystemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemKey")
    }
}

/// The gate to the MCP extension. It comes after App Service Authentication, and tells the caller
/// nothing but that it is closed.
pub(super) struct Gate {
    /// Without a key it is open.
    pub system_key: Option<SystemKey>,
    pub events: Events,
}

/// Lets requests with the key pass.
pub(super) async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(gate) = request.app_data::<Data<Gate>>()
        && let Some(key) = &gate.system_key
        && !key.opens(request.request())
    {
        let answer = if request.headers().contains_key(HEADER) {
            "the key in x-functions-key is not the system key"
        } else {
            "no system key in x-functions-key or ?code="
        };
        gate.events.emit(Event::Exchange(Exchange {
            from: Some(Party::Client),
            to: Party::FunctionsHost,
            request: format!("{} {}", request.method(), request.path()),
            status: StatusCode::UNAUTHORIZED.as_u16(),
            answer: answer.to_owned(),
        }));
        return Ok(request.into_response(HttpResponse::Unauthorized().finish()));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_key_is_taken_from_the_header_or_from_the_query() {
        let key = SystemKey::from("k&1".to_owned());
        assert!(
            key.opens(
                &TestRequest::default()
                    .insert_header((HEADER, "k&1"))
                    .to_http_request()
            )
        );
        assert!(key.opens(&TestRequest::with_uri("/?code=k%261").to_http_request()));
    }

    #[test]
    fn a_wrong_header_is_not_saved_by_the_query() {
        let key = SystemKey::from("k".to_owned());
        let request = TestRequest::with_uri("/?code=k")
            .insert_header((HEADER, "x"))
            .to_http_request();
        assert!(!key.opens(&request));
        assert!(!key.opens(&TestRequest::default().to_http_request()));
    }
}
