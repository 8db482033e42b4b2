//! The client assertion, with which the app proves its identity: a token of its managed identity instead of a secret.
//!
//! Source:
//! <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity>.

use std::{sync::Arc, time::SystemTime};

use azure_core::{
    credentials::{Secret, TokenCredential},
    http::{
        AsyncRawResponse, ClientOptions, HttpClient, RetryOptions, Transport, headers::Headers,
    },
};
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use reqwest::{
    Method, Request,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Map, Value};

use super::{
    error::{Error, Kind},
    refreshing_cache::{Expiring, RefreshingCache},
};
use crate::{
    endpoint::IdentityEndpoint,
    http::{Http, SendError},
    identity::CallerIdentity,
};

const SERVICE: &str = "The managed identity endpoint";

/// The source of the app's client assertions.
#[derive(Clone, Debug)]
pub struct ClientAssertion {
    endpoint: IdentityEndpoint,
    identity: UserAssignedId,
    scope: String,
    tokens: RefreshingCache<(), Secret>,
}

impl ClientAssertion {
    /// Assertions of the managed identity that `identity` names.
    pub fn new(identity: &CallerIdentity) -> Self {
        Self {
            endpoint: identity.identity_endpoint.clone(),
            identity: UserAssignedId::ClientId(identity.managed_identity_client_id.clone()),
            scope: format!("{}/.default", identity.token_exchange_audience),
            tokens: RefreshingCache::new(1),
        }
    }

    /// A valid assertion.
    pub async fn get(&self, http: &Http) -> Result<Secret, Error> {
        self.tokens
            .get((), || {
                let transport = HttpTransport {
                    endpoint: self.endpoint.clone(),
                    http: http.for_shared_fetch(),
                };
                fetch(self.identity.clone(), self.scope.clone(), transport)
            })
            .await
    }

    /// Forgets `assertion`, which Entra ID refused.
    pub async fn forget(&self, assertion: &Secret) {
        self.tokens
            .forget_if(&(), |current| current == assertion)
            .await;
    }
}

async fn fetch(
    identity: UserAssignedId,
    scope: String,
    transport: HttpTransport,
) -> Result<Expiring<Secret>, Error> {
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: Some(identity),
        client_options: ClientOptions {
            transport: Some(Transport::new(Arc::new(transport))),
            // `http` retries already.
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        },
    };
    let token = match ManagedIdentityCredential::new(Some(options)) {
        // It caches tokens itself, so each fetch makes a new one: a refused token must not come back.
        Ok(credential) => credential.get_token(&[&scope], None).await,
        Err(error) => Err(error),
    }
    .map_err(|error| read_failure(&error))?;
    let now = SystemTime::now();
    let end = SystemTime::from(token.expires_on);
    let lifetime = end.duration_since(now).unwrap_or_default();
    Ok(Expiring::token(token.token, now, lifetime, None))
}

fn read_failure(error: &azure_core::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut status = None;
    let mut send_error = None;
    while let Some(error) = cause {
        let azure = error.downcast_ref::<azure_core::Error>();
        status = status.or(azure.and_then(azure_core::Error::http_status));
        send_error = send_error.or(error.downcast_ref::<SendError>());
        cause = error.source();
    }
    match (status.map(u16::from), send_error) {
        (Some(429 | 500..), _) => Error::unavailable(SERVICE, None),
        (None, Some(error)) => Error::not_sent(SERVICE, *error),
        (Some(status), _) => Error::new(
            Kind::ManagedIdentity,
            format!("managed identity endpoint: status {status}"),
        ),
        (None, None) => Error::new(
            Kind::ManagedIdentity,
            "managed identity endpoint: unreadable answer",
        ),
    }
}

/// The transport of `azure_identity`: it sends to the managed identity endpoint by the rules of [`http`](crate::http).
#[derive(Debug)]
struct HttpTransport {
    endpoint: IdentityEndpoint,
    http: Http,
}

#[async_trait::async_trait]
impl HttpClient for HttpTransport {
    async fn execute_request(
        &self,
        request: &azure_core::http::Request,
    ) -> azure_core::Result<AsyncRawResponse> {
        let io_error =
            |error: SendError| azure_core::Error::new(azure_core::error::ErrorKind::Io, error);
        let mut outgoing = Request::new(Method::GET, request.url().clone());
        for (name, value) in request.headers().iter() {
            let name = HeaderName::try_from(name.as_str());
            let value = HeaderValue::try_from(value.as_str());
            if let (Ok(name), Ok(value)) = (name, value) {
                outgoing.headers_mut().insert(name, value);
            }
        }
        let reply = self
            .http
            .send_to_identity_endpoint(&self.endpoint, outgoing)
            .await
            .map_err(io_error)?;
        Ok(AsyncRawResponse::from_bytes(
            reply.status.as_u16().into(),
            Headers::new(),
            with_expiry_as_text(reply.body),
        ))
    }
}

/// `azure_identity` reads `expires_on` as App Service sends it, a string of seconds. Other hosts of the protocol send a
/// number.
fn with_expiry_as_text(body: Vec<u8>) -> Vec<u8> {
    let Ok(mut answer) = serde_json::from_slice::<Map<String, Value>>(&body) else {
        return body;
    };
    match answer.get_mut("expires_on") {
        Some(expires_on) if expires_on.is_number() => {
            *expires_on = expires_on.to_string().into();
            Value::Object(answer).to_string().into_bytes()
        }
        _ => body,
    }
}

#[cfg(test)]
mod tests {
    use azure_core::error::ErrorKind;

    use super::*;

    #[test]
    fn an_expiry_that_is_a_number_becomes_text_and_all_else_stays() {
        let with_expiry =
            |body: &str| String::from_utf8(with_expiry_as_text(body.as_bytes().to_vec())).unwrap();
        assert_eq!(
            with_expiry(r#"{"access_token":"t","expires_on":1800000000}"#),
            r#"{"access_token":"t","expires_on":"1800000000"}"#
        );
        for other in [
            r#"{"expires_on": "1800000000"}"#,
            r#"{"expires_on": null}"#,
            "[1]",
            "<html>",
            "",
        ] {
            assert_eq!(with_expiry(other), other);
        }
    }

    fn kind_of(error: SendError) -> Kind {
        // `azure_identity` wraps its transport's errors like this.
        let io = azure_core::Error::new(ErrorKind::Io, error);
        read_failure(&azure_core::Error::new(ErrorKind::Credential, io))
            .kind()
            .clone()
    }

    #[test]
    fn a_request_that_must_not_be_sent_is_the_operators_business_and_not_an_outage() {
        assert_eq!(kind_of(SendError::Insecure), Kind::Insecure);
        assert!(matches!(
            kind_of(SendError::Unreachable),
            Kind::Unavailable { .. }
        ));
    }
}
