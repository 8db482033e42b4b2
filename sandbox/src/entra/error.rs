//! Entra's errors: which number goes with which OAuth error, and the body they are sent in.
//!
//! Source: "Microsoft identity platform: AADSTS error codes", and bodies quoted in public issue threads. The sentences
//! are the sandbox's own; programs must not depend on Entra's either.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::clock::Clock;

/// An error of Entra.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntraError {
    code: u32,
    status: u16,
    error: &'static str,
    suberror: Option<&'static str>,
    asks_for_claims: bool,
    description: Cow<'static, str>,
}

const UNAUTHORIZED: u16 = 401;
const BAD_REQUEST: u16 = 400;

impl EntraError {
    // What the user has to do.
    pub(crate) const CONSENT_REQUIRED: Self = Self::invalid_grant(
        65001,
        "The user has not consented to the permissions that the application asks for.",
    )
    .suberror("consent_required");
    pub(crate) const MFA_REQUIRED: Self = Self::invalid_grant(
        50076,
        "The user has to pass multi-factor authentication to access the resource.",
    )
    .suberror("basic_action")
    .asking_for_claims();
    pub(crate) const MFA_ENROLLMENT_REQUIRED: Self = Self::new(
        50079,
        BAD_REQUEST,
        "interaction_required",
        "The user has to enroll for multi-factor authentication to access the resource.",
    )
    .suberror("basic_action")
    .asking_for_claims();
    pub(crate) const EXTERNAL_CHALLENGE: Self = Self::new(
        50158,
        BAD_REQUEST,
        "interaction_required",
        "The user has to satisfy an external security challenge.",
    )
    .asking_for_claims();
    pub(crate) const BLOCKED_BY_POLICY: Self =
        Self::invalid_grant(53003, "A Conditional Access policy blocks access.")
            .suberror("message_only")
            .asking_for_claims();
    pub(crate) const SIGN_IN_FREQUENCY: Self = Self::invalid_grant(
        70043,
        "The sign-in is older than the sign-in frequency of Conditional Access allows.",
    )
    .suberror("token_expired");

    // What is wrong with the user's assertion.
    pub(crate) const ASSERTION_EXPIRED: Self =
        Self::invalid_grant(500133, "The assertion is not within its valid time range.");
    pub(crate) const ASSERTION_AUDIENCE: Self = Self::invalid_grant(
        500131,
        "The audience of the assertion is not the application that presents it.",
    );
    pub(crate) const ASSERTION_SIGNATURE: Self =
        Self::invalid_grant(50013, "The assertion failed signature validation.");
    pub(crate) const ASSERTION_MALFORMED: Self = Self::new(
        50027,
        BAD_REQUEST,
        "invalid_request",
        "The assertion is not a well-formed JWT.",
    );
    pub(crate) const ASSERTION_APP_ONLY: Self = Self::new(
        7000114,
        BAD_REQUEST,
        "unauthorized_client",
        "An application must not make on-behalf-of calls for an application.",
    );
    pub(crate) const FOREIGN_USER: Self =
        Self::invalid_grant(50020, "The user's account does not exist in the tenant.");
    pub(crate) const EXTERNAL_USER: Self = Self::invalid_grant(
        90072,
        "The user's account has to be added to the tenant as an external user first.",
    );

    // What is wrong with the application's proof.
    pub(crate) const CLIENT_UNKNOWN: Self = Self::new(
        700016,
        BAD_REQUEST,
        "unauthorized_client",
        "The application was not found in the tenant.",
    );
    pub(crate) const CLIENT_ASSERTION_MISSING: Self = Self::invalid_client(
        7000218,
        "The request must carry `client_assertion` or `client_secret`.",
    );
    pub(crate) const CLIENT_ASSERTION_SIGNATURE: Self =
        Self::invalid_client(700027, "The client assertion failed signature validation.");
    pub(crate) const CLIENT_ASSERTION_EXPIRED: Self = Self::invalid_client(
        700024,
        "The client assertion is not within its valid time range.",
    );
    pub(crate) const NO_FEDERATED_CREDENTIAL: Self = Self::new(
        70021,
        BAD_REQUEST,
        "invalid_request",
        "No federated credential matches the issuer, subject and audience of the client assertion.",
    );
    pub(crate) const FEDERATED_ISSUER: Self = Self::invalid_client(
        700211,
        "No federated credential matches the issuer of the client assertion.",
    );
    pub(crate) const FEDERATED_AUDIENCE: Self = Self::invalid_client(
        700212,
        "No federated credential matches the audience of the client assertion.",
    );
    pub(crate) const FEDERATED_SUBJECT: Self = Self::invalid_client(
        700213,
        "No federated credential matches the subject of the client assertion.",
    );
    pub(crate) const FEDERATED_SUBJECT_CASE: Self = Self::invalid_client(
        7002138,
        "A federated credential matches the subject of the client assertion but for upper and lower case.",
    );

    // What is wrong with the request.
    pub(crate) const TENANT_NOT_FOUND: Self = Self::new(
        90002,
        BAD_REQUEST,
        "invalid_tenant",
        "There is no such tenant.",
    );
    pub(crate) const MALFORMED_REQUEST: Self = Self::new(
        9002313,
        BAD_REQUEST,
        "invalid_request",
        "The request is malformed.",
    );
    pub(crate) const PARAMETER_MISSING: Self = Self::new(
        900144,
        BAD_REQUEST,
        "invalid_request",
        "The request body lacks a parameter.",
    );
    pub(crate) const UNSUPPORTED_GRANT: Self = Self::new(
        70003,
        BAD_REQUEST,
        "unsupported_grant_type",
        "The grant type is not supported.",
    );
    pub(crate) const INVALID_SCOPE: Self = Self::new(
        70011,
        BAD_REQUEST,
        "invalid_scope",
        "The scope is not valid.",
    );
    pub(crate) const RESOURCE_NOT_FOUND: Self = Self::new(
        500011,
        BAD_REQUEST,
        "invalid_resource",
        "The resource was not found in the tenant.",
    );

    // What the caller can only wait for.
    pub(crate) const REQUEST_LOOP: Self = Self::invalid_grant(
        50196,
        "The same request was repeated too often: a loop in the client.",
    );

    /// Every error the stand-in can answer with.
    pub const ALL: &[Self] = &[
        Self::CONSENT_REQUIRED,
        Self::MFA_REQUIRED,
        Self::MFA_ENROLLMENT_REQUIRED,
        Self::EXTERNAL_CHALLENGE,
        Self::BLOCKED_BY_POLICY,
        Self::SIGN_IN_FREQUENCY,
        Self::ASSERTION_EXPIRED,
        Self::ASSERTION_AUDIENCE,
        Self::ASSERTION_SIGNATURE,
        Self::ASSERTION_MALFORMED,
        Self::ASSERTION_APP_ONLY,
        Self::FOREIGN_USER,
        Self::EXTERNAL_USER,
        Self::CLIENT_UNKNOWN,
        Self::CLIENT_ASSERTION_MISSING,
        Self::CLIENT_ASSERTION_SIGNATURE,
        Self::CLIENT_ASSERTION_EXPIRED,
        Self::NO_FEDERATED_CREDENTIAL,
        Self::FEDERATED_ISSUER,
        Self::FEDERATED_AUDIENCE,
        Self::FEDERATED_SUBJECT,
        Self::FEDERATED_SUBJECT_CASE,
        Self::TENANT_NOT_FOUND,
        Self::MALFORMED_REQUEST,
        Self::PARAMETER_MISSING,
        Self::UNSUPPORTED_GRANT,
        Self::INVALID_SCOPE,
        Self::RESOURCE_NOT_FOUND,
        Self::REQUEST_LOOP,
    ];

    const fn new(code: u32, status: u16, error: &'static str, description: &'static str) -> Self {
        Self {
            code,
            status,
            error,
            suberror: None,
            asks_for_claims: false,
            description: Cow::Borrowed(description),
        }
    }

    const fn invalid_grant(code: u32, description: &'static str) -> Self {
        Self::new(code, BAD_REQUEST, "invalid_grant", description)
    }

    const fn invalid_client(code: u32, description: &'static str) -> Self {
        Self::new(code, UNAUTHORIZED, "invalid_client", description)
    }

    const fn suberror(mut self, suberror: &'static str) -> Self {
        self.suberror = Some(suberror);
        self
    }

    const fn asking_for_claims(mut self) -> Self {
        self.asks_for_claims = true;
        self
    }

    /// Adds what exactly is wrong. Must not hold a token.
    pub(crate) fn because(mut self, detail: impl AsRef<str>) -> Self {
        self.description = format!("{} {}", self.description, detail.as_ref()).into();
        self
    }

    /// The error of this number, if the stand-in knows it.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.iter().find(|error| error.code == code).cloned()
    }

    /// The number after `AADSTS`.
    pub fn code(&self) -> u32 {
        self.code
    }

    /// The response. The correlation id is the caller's `client-request-id`, if it sent one.
    pub(crate) fn respond(&self, clock: &Clock, correlation_id: Option<Uuid>) -> HttpResponse {
        let trace_id = Uuid::new_v4();
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        HttpResponse::build(status)
            .insert_header(("x-ms-request-id", trace_id.to_string()))
            .insert_header(("Cache-Control", "no-store, no-cache"))
            .json(self.body(
                &clock.timestamp(),
                trace_id,
                correlation_id.unwrap_or_else(Uuid::new_v4),
            ))
    }

    fn body(&self, timestamp: &str, trace_id: Uuid, correlation_id: Uuid) -> Value {
        let Self {
            code, description, ..
        } = self;
        let mut body = json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{code}: {description}\r\nTrace ID: {trace_id}\r\nCorrelation ID: {correlation_id}\r\nTimestamp: {timestamp}"
            ),
            "error_codes": [code],
            "timestamp": timestamp,
            "trace_id": trace_id.to_string(),
            "correlation_id": correlation_id.to_string(),
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        });
        if let Some(suberror) = self.suberror {
            body["suberror"] = suberror.into();
        }
        if self.asks_for_claims {
            let claims = json!({"access_token": {"capolids": {"essential": true, "values": [Uuid::new_v4().to_string()]}}});
            body["claims"] = claims.to_string().into();
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn body(code: u32) -> Value {
        EntraError::from_code(code)
            .unwrap()
            .body("2026-01-02 03:04:05Z", Uuid::nil(), Uuid::max())
    }

    #[test]
    fn every_code_is_in_the_table_once() {
        let codes: HashSet<u32> = EntraError::ALL.iter().map(EntraError::code).collect();
        assert_eq!(codes.len(), EntraError::ALL.len());
    }

    #[test]
    fn the_body_carries_what_entra_sends() {
        let body = body(500133);
        assert_eq!(body["error"], "invalid_grant");
        assert_eq!(body["error_codes"], json!([500133]));
        assert_eq!(body["timestamp"], "2026-01-02 03:04:05Z");
        assert_eq!(body["trace_id"], Uuid::nil().to_string());
        assert_eq!(body["correlation_id"], Uuid::max().to_string());
        assert!(body.get("suberror").is_none() && body.get("claims").is_none());
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with("AADSTS500133: "), "{description}");
        assert!(
            description.ends_with("\r\nTimestamp: 2026-01-02 03:04:05Z"),
            "{description}"
        );
        assert!(
            description.contains(&format!(
                "\r\nTrace ID: {}\r\nCorrelation ID: ",
                Uuid::nil()
            )),
            "{description}"
        );
    }

    #[test]
    fn consent_is_told_by_the_suberror() {
        assert_eq!(body(65001)["error"], "invalid_grant");
        assert_eq!(body(65001)["suberror"], "consent_required");
    }

    #[test]
    fn claims_are_json_inside_a_string() {
        for code in [50076, 50079, 50158, 53003] {
            let body = body(code);
            let claims: Value = serde_json::from_str(body["claims"].as_str().unwrap()).unwrap();
            assert_eq!(
                claims["access_token"]["capolids"]["essential"], true,
                "{code}"
            );
        }
    }

    #[test]
    fn a_wrong_federated_credential_is_unauthorized() {
        for code in [700211, 700212, 700213, 7002138] {
            let error = EntraError::from_code(code).unwrap();
            assert_eq!(
                (error.status, error.error),
                (401, "invalid_client"),
                "{code}"
            );
        }
        assert_eq!(EntraError::from_code(70021).unwrap().status, 400);
    }

    #[test]
    fn a_reason_is_part_of_the_description() {
        let error = EntraError::UNSUPPORTED_GRANT.because("It was `password`.");
        let body = error.body("", Uuid::nil(), Uuid::nil());
        assert!(
            body["error_description"]
                .as_str()
                .unwrap()
                .contains("not supported. It was `password`.\r\n")
        );
    }
}
