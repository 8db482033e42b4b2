//! The on-behalf-of exchange: a caller's token is exchanged for a token with which the app calls another service as
//! them.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow>, with a managed
//! identity's token as the client's assertion instead of a secret.

use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use azure_core::{
    credentials::{AccessToken, Secret},
    time::OffsetDateTime,
};
use openidconnect::url::form_urlencoded;
use reqwest::{
    Method, Request, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    app_service_auth::consent_link,
    client_assertion::ClientAssertion,
    entra_error::{ENTRA, EntraError},
    error::{Error, Kind},
    refreshing_cache::{Expiring, RefreshingCache},
    throttle::Throttle,
    user_assertion::{UserAssertion, UserKey},
};
use crate::{
    endpoint::Origin,
    http::{Http, Reply},
    identity::CallerIdentity,
};

/// How many tokens are remembered; one user needs one for each set of scopes.
const CAPACITY: u64 = 20_000;
/// The claims parameter that declares one client capability: the app handles claims challenges (`cp1`).
///
/// Source: <https://learn.microsoft.com/entra/identity-platform/claims-challenge#client-capabilities>.
const CAPABILITIES: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
/// The longest claims challenge that is passed on, in bytes.
const MAX_CLAIMS: usize = 8 * 1024;

/// Exchanges tokens and remembers the results.
#[derive(Debug)]
pub struct OnBehalfOf {
    exchange: Arc<Exchange>,
    tokens: RefreshingCache<CacheKey, AccessToken>,
}

/// A SHA-256 digest of everything that a token depends on, so that the cache's keys hold no secret.
type CacheKey = [u8; 32];

#[derive(Debug)]
struct Exchange {
    client_id: String,
    authority: Origin,
    client_assertion: ClientAssertion,
    consent_link: Option<String>,
    throttle: Throttle,
}

/// A request for a token: the caller, the scope and the claims.
#[derive(Clone, Debug)]
struct TokenRequest {
    caller: Arc<UserAssertion>,
    /// Sorted and separated by blanks.
    scope: String,
    /// The claims parameter: the app's capabilities, and the claims of a challenge.
    claims: Cow<'static, str>,
}

impl OnBehalfOf {
    /// Exchanges for the app that `identity` describes.
    pub fn new(identity: &CallerIdentity) -> Self {
        Self {
            exchange: Arc::new(Exchange {
                client_id: identity.client_id.clone(),
                authority: identity.authority.clone(),
                client_assertion: ClientAssertion::new(identity),
                consent_link: identity.origin.as_ref().map(consent_link),
                throttle: Throttle::new(),
            }),
            tokens: RefreshingCache::new(CAPACITY),
        }
    }

    async fn token(&self, request: TokenRequest, http: &Http) -> Result<AccessToken, Error> {
        self.tokens
            .get(self.cache_key(&request), || {
                self.exchange.clone().run(request, http.for_shared_fetch())
            })
            .await
    }

    /// A token in place of `refused`, which a service did not accept.
    async fn token_in_place_of(
        &self,
        refused: &AccessToken,
        request: TokenRequest,
        http: &Http,
    ) -> Result<AccessToken, Error> {
        self.tokens
            .forget_if(&self.cache_key(&request), |token| {
                token.token == refused.token
            })
            .await;
        self.token(request, http).await
    }

    /// A token that meets `claims`, in place of `challenged`, which does not.
    async fn token_with_claims(
        &self,
        request: TokenRequest,
        challenged: &AccessToken,
        claims: &str,
        http: &Http,
    ) -> Result<AccessToken, Error> {
        let key = self.cache_key(&request);
        if let Some(token) = self.tokens.peek(&key).await
            && token.token != challenged.token
        {
            // Another call was challenged too, and has got a new token in the meantime.
            return Ok(token);
        }
        let request = TokenRequest {
            claims: answer_to_challenge(claims)?.into(),
            ..request
        };
        let claims_key = self.cache_key(&request);
        self.tokens
            .forget_if(&claims_key, |token| token.token == challenged.token)
            .await;
        let exchange = self.exchange.clone().run(request, http.for_shared_fetch());
        let tokens = self.tokens.clone();
        // The challenged token stays until the new one is there: calls that begin meanwhile are challenged like this
        // one, and wait for the same exchange instead of starting another.
        let fetch = || async move {
            let exchanged = exchange.await;
            match &exchanged {
                Ok(token) => tokens.insert(key, token.clone()).await,
                Err(_) => tokens.forget(&key).await,
            }
            exchanged
        };
        self.tokens.get(claims_key, fetch).await
    }

    async fn forget(&self, request: &TokenRequest) {
        self.tokens.forget(&self.cache_key(request)).await;
    }

    fn cache_key(&self, request: &TokenRequest) -> CacheKey {
        let mut hash = Sha256::new();
        for part in [
            &request.caller.digest,
            request.caller.tenant.as_str().as_bytes(),
            self.exchange.client_id.as_bytes(),
            request.scope.as_bytes(),
            request.claims.as_bytes(),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

impl Exchange {
    /// Exchanges the token, unless Entra ID has asked this user to wait. When Entra ID refuses the client assertion, it
    /// tries once more with a new one.
    async fn run(
        self: Arc<Self>,
        request: TokenRequest,
        http: Http,
    ) -> Result<Expiring<AccessToken>, Error> {
        let user = &request.caller.user;
        if let Some(wait) = self.throttle.remaining(user, ENTRA).await {
            let kind = Kind::Unavailable {
                service: ENTRA,
                retry_after: Some(wait),
            };
            return Err(Error::new(kind, "Entra ID: has asked this user to wait"));
        }
        let assertion = self.client_assertion.get(&http).await?;
        match self.post(&request, &assertion, &http).await {
            Err(error) if *error.kind() == Kind::FederatedCredential => {
                self.client_assertion.forget(&assertion).await;
                let assertion = self.client_assertion.get(&http).await?;
                self.post(&request, &assertion, &http).await
            }
            outcome => outcome,
        }
    }

    async fn post(
        &self,
        request: &TokenRequest,
        client_assertion: &Secret,
        http: &Http,
    ) -> Result<Expiring<AccessToken>, Error> {
        let path = format!("{}/oauth2/v2.0/token", request.caller.tenant);
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("client_id", &self.client_id)
            .append_pair(
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            )
            .append_pair("client_assertion", client_assertion.secret())
            .append_pair("assertion", request.caller.token.secret())
            .append_pair("scope", &request.scope)
            .append_pair("requested_token_use", "on_behalf_of")
            .append_pair("claims", &request.claims)
            .finish();
        let mut post = Request::new(Method::POST, self.authority.url(&path));
        post.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        *post.body_mut() = Some(form.into());
        let sent_at = SystemTime::now();
        let reply = http
            .send(post)
            .await
            .map_err(|error| Error::not_sent(ENTRA, error))?;
        if reply.status == StatusCode::OK {
            read_token(&reply, sent_at)
        } else {
            if let Some(wait) = reply.throttled_for() {
                let user = &request.caller.user;
                self.throttle.note(user, ENTRA, wait).await;
            }
            Err(self.read_refusal(&reply))
        }
    }

    fn read_refusal(&self, reply: &Reply) -> Error {
        let body = EntraError::parse(&reply.body);
        let kind = body.kind(
            reply.is_unavailable(),
            reply.retry_after(),
            self.consent_link.as_deref(),
        );
        Error::new(kind, format!("{body}, status {}", reply.status.as_u16()))
    }
}

/// A successful answer of the token endpoint.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: Secret,
    #[serde(deserialize_with = "seconds")]
    expires_in: Duration,
    #[serde(default, deserialize_with = "optional_seconds")]
    refresh_in: Option<Duration>,
}

/// Seconds as a number or as a string of digits: Entra ID's endpoints differ.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    optional_seconds(deserializer)?
        .ok_or_else(|| serde::de::Error::custom("not a number of seconds"))
}

fn optional_seconds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
    // At most a year, so that no sum of times overflows.
    .map(|seconds| Duration::from_secs(seconds.min(365 * 24 * 3600))))
}

fn read_token(reply: &Reply, sent_at: SystemTime) -> Result<Expiring<AccessToken>, Error> {
    let response: TokenResponse = serde_json::from_slice(&reply.body).map_err(|_| {
        Error::new(
            Kind::Unavailable {
                service: ENTRA,
                retry_after: None,
            },
            format!(
                "Entra ID: an unreadable token response of {} bytes",
                reply.body.len()
            ),
        )
    })?;
    let lifetime = response.expires_in;
    let expires_on = OffsetDateTime::from(sent_at + lifetime);
    let token = AccessToken::new(response.access_token, expires_on);
    Ok(Expiring::token(
        token,
        sent_at,
        lifetime,
        response.refresh_in,
    ))
}

/// The claims parameter that passes on the claims of a challenge, beside the app's [`CAPABILITIES`].
fn answer_to_challenge(challenge: &str) -> Result<String, Error> {
    let unreadable = || Error::interaction_required("an unreadable claims challenge");
    if challenge.len() > MAX_CLAIMS {
        return Err(unreadable());
    }
    let mut claims: Value = serde_json::from_str(challenge).map_err(|_| unreadable())?;
    let access_token = claims
        .as_object_mut()
        .ok_or_else(unreadable)?
        .entry("access_token");
    let access_token = access_token.or_insert_with(|| json!({}));
    access_token
        .as_object_mut()
        .ok_or_else(unreadable)?
        .insert("xms_cc".into(), json!({ "values": ["cp1"] }));
    Ok(claims.to_string())
}

/// A credential of one caller, for one tool call.
#[derive(Clone)]
pub struct OnBehalfOfCredential {
    on_behalf_of: Arc<OnBehalfOf>,
    caller: Arc<UserAssertion>,
    http: Http,
}

impl fmt::Debug for OnBehalfOfCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnBehalfOfCredential")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

impl OnBehalfOfCredential {
    /// A credential of `caller` that sends its requests over `http`.
    pub fn new(on_behalf_of: Arc<OnBehalfOf>, caller: UserAssertion, http: Http) -> Self {
        Self {
            on_behalf_of,
            caller: Arc::new(caller),
            http,
        }
    }

    /// A token for `scopes`.
    pub async fn token(&self, scopes: &[&str]) -> Result<AccessToken, Error> {
        self.on_behalf_of
            .token(self.request(scopes), &self.http)
            .await
    }

    /// A token for `scopes` that meets `claims`, in place of `challenged`, which does not.
    pub async fn token_with_claims(
        &self,
        scopes: &[&str],
        challenged: &AccessToken,
        claims: &str,
    ) -> Result<AccessToken, Error> {
        let request = self.request(scopes);
        self.on_behalf_of
            .token_with_claims(request, challenged, claims, &self.http)
            .await
    }

    /// A token for `scopes` in place of `refused`, which a service did not accept.
    pub async fn token_in_place_of(
        &self,
        refused: &AccessToken,
        scopes: &[&str],
    ) -> Result<AccessToken, Error> {
        self.on_behalf_of
            .token_in_place_of(refused, self.request(scopes), &self.http)
            .await
    }

    /// The waits that services ask for, and the key of this user among them.
    pub fn throttle(&self) -> (&Throttle, &UserKey) {
        (&self.on_behalf_of.exchange.throttle, &self.caller.user)
    }

    /// Forgets the token for `scopes`, so that the next call gets a new one.
    pub async fn forget(&self, scopes: &[&str]) {
        self.on_behalf_of.forget(&self.request(scopes)).await;
    }

    fn request(&self, scopes: &[&str]) -> TokenRequest {
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        TokenRequest {
            caller: self.caller.clone(),
            scope: scopes.join(" "),
            claims: CAPABILITIES.into(),
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests {
    use super::*;

    fn response(body: &str) -> Result<Expiring<AccessToken>, Error> {
        let reply = Reply {
            status: StatusCode::OK,
            headers: reqwest::header::HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        };
        read_token(&reply, SystemTime::UNIX_EPOCH)
    }

    fn after_epoch(time: SystemTime) -> u64 {
        time.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    }

    #[test]
    fn times_are_read_as_numbers_and_as_strings() {
        for expires_in in ["3600", "\"3600\""] {
            let token = response(&format!(
                r#"{{"access_token":"t","expires_in":{expires_in}}}"#
            ))
            .unwrap();
            assert_eq!(after_epoch(token.refresh_on.unwrap()), 1800);
            assert_eq!(after_epoch(token.expires_on), 3300);
        }
        let token =
            response(r#"{"access_token":"t","expires_in":86400,"refresh_in":"43200"}"#).unwrap();
        assert_eq!(after_epoch(token.refresh_on.unwrap()), 43200);
    }

    #[test]
    fn an_unreadable_token_response_is_no_token() {
        for body in [
            "",
            "{}",
            r#"{"access_token":"t"}"#,
            r#"{"access_token":"t","expires_in":"soon"}"#,
        ] {
            let error = response(body).unwrap_err();
            assert_eq!(error.class(), "unavailable", "{body}");
        }
    }

    #[test]
    fn our_capabilities_are_the_answer_to_a_challenge_that_demands_nothing() {
        assert_eq!(answer_to_challenge("{}").unwrap(), CAPABILITIES);
    }

    #[test]
    fn a_claims_challenge_is_passed_on_beside_our_capabilities() {
        let claims =
            answer_to_challenge(r#"{"access_token":{"nbf":{"value":"1"}},"id_token":{}}"#).unwrap();
        let claims: Value = serde_json::from_str(&claims).unwrap();
        let expected = json!({
            "access_token": { "nbf": { "value": "1" }, "xms_cc": { "values": ["cp1"] } },
            "id_token": {}
        });
        assert_eq!(claims, expected);
        for challenge in [
            "",
            "[]",
            r#"{"access_token":1}"#,
            &"[".repeat(MAX_CLAIMS + 1),
        ] {
            assert_eq!(
                answer_to_challenge(challenge).unwrap_err().class(),
                "interaction_required"
            );
        }
    }
}
