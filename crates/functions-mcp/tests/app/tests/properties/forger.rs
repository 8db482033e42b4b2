//! An attacker who reaches the handler past App Service Authentication, and knows everything about a valid token except
//! the key that signs it.

use std::time::Duration;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use functions_mcp::{
    Failure, Settings,
    internals::{CredentialSource, Error, Headers, HttpClients, Kind},
    names,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::openid_provider::{self, KEY_ID, TENANT};

const CLIENT_ID: &str = "33333333-2222-3333-4444-555555555555";

/// An attacker, and the handler's verification of callers.
pub struct Forger {
    runtime: Runtime,
    credentials: CredentialSource,
    issuer: String,
}

impl Forger {
    /// Starts a handler that has fetched its tenant's key.
    pub fn start() -> Self {
        let forger = Self::before(openid_provider::start());
        let (error, _) = forger.refusal(&forger.headers(&forger.token()));
        assert_eq!(error.detail(), "the token's signature is wrong");
        forger
    }

    /// Starts a handler that has yet to fetch the key from `authority`.
    pub fn before(authority: String) -> Self {
        let settings = Settings::from_lookup(|name| match name {
            names::PORT => Some("1".into()),
            names::IDENTITY_ENDPOINT => Some("http://127.0.0.1:1/".into()),
            names::CLIENT_ID => Some(CLIENT_ID.into()),
            names::MANAGED_IDENTITY_CLIENT_ID => Some("identity".into()),
            names::ALLOWED_TENANTS => Some(TENANT.into()),
            names::AUTHORITY_HOST => Some(authority.clone()),
            _ => None,
        })
        .unwrap();
        Self {
            runtime: Runtime::new().unwrap(),
            credentials: CredentialSource::new(&settings.identity),
            issuer: openid_provider::issuer(&authority),
        }
    }

    /// The JOSE header of a token that would be accepted with a signature.
    pub fn jose_header(&self) -> Value {
        json!({ "alg": "RS256", "kid": KEY_ID, "typ": "JWT" })
    }

    /// The claims of a token that would be accepted with a signature.
    pub fn claims(&self) -> Value {
        json!({
            "aud": CLIENT_ID, "iss": self.issuer, "tid": TENANT, "scp": "user_impersonation",
            "exp": 4_000_000_000_u64, "nbf": 1_000_000_000, "iat": 1_000_000_000,
            "sub": "ada", "oid": "66666666-2222-3333-4444-555555555555", "ver": "2.0",
        })
    }

    /// A token that would be accepted with a signature.
    pub fn token(&self) -> String {
        jwt(&self.jose_header().to_string(), &self.claims().to_string())
    }

    /// The headers of a call with `token` that would be accepted with a signature.
    pub fn headers(&self, token: &str) -> [(&'static str, String); 2] {
        let tenant = json!({ "claims": [{ "typ": "tid", "val": TENANT }] });
        [
            ("Authorization", format!("Bearer {token}")),
            ("X-MS-CLIENT-PRINCIPAL", principal(&tenant.to_string())),
        ]
    }

    /// Calls with `headers`. Returns the reason of the refusal, and the number of requests that it took.
    ///
    /// Panics if the call is accepted, or if the handler panics.
    pub fn refusal<N: AsRef<str>>(&self, headers: &[(N, String)]) -> (Error, u32) {
        let http = HttpClients::lazy().for_call(Duration::from_secs(10));
        let sent = headers
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_str()));
        let sent = Headers::from_iter(sent);
        let outcome = self
            .runtime
            .block_on(self.credentials.for_call(&sent, &http));
        let error = outcome.unwrap_err();
        // A panic in a task is caught, and becomes an error of this kind.
        assert_ne!(error.kind(), &Kind::Unexpected, "{error}");
        (error, http.requests())
    }

    /// Like [`Self::refusal`], and panics if the refusal quotes a header.
    pub fn discreet_refusal<N: AsRef<str>>(&self, headers: &[(N, String)]) -> (Error, u32) {
        let (error, requests) = self.refusal(headers);
        let failure = Failure::from(error.clone());
        let told = format!("{failure} {}", failure.detail().unwrap_or_default());
        for (_, value) in headers {
            assert!(!quotes(&told, value), "{told}");
        }
        (error, requests)
    }
}

/// A token with this header and these claims, and a signature of zeros.
pub fn jwt(header: &str, claims: &str) -> String {
    let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    [
        part(header.as_bytes()),
        part(claims.as_bytes()),
        part(&[0; 256]),
    ]
    .join(".")
}

/// The value of `X-MS-CLIENT-PRINCIPAL` for this JSON.
pub fn principal(json: &str) -> String {
    BASE64_STANDARD.encode(json)
}

/// Whether `message` quotes more of `input` than a word.
pub fn quotes(message: &str, input: &str) -> bool {
    const WORD: usize = 12;
    let message: Vec<char> = message.chars().collect();
    message
        .windows(WORD)
        .any(|window| input.contains(&String::from_iter(window)))
}
