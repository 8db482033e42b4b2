//! Entra's errors: the OAuth error of each `AADSTS` code, and the body of the response.
//!
//! Source: "Microsoft identity platform: AADSTS error codes", and bodies quoted in public issue threads. The sentences
//! are the sandbox's own; programs must not depend on Entra's either.

use std::borrow::Cow;

use serde_json::{Value, json};
use uuid::Uuid;

use super::clock::Clock;

/// An error of Entra.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    // Errors that the user can resolve.
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

    pub(crate) const MFA_EXPIRED: Self = Self::invalid_grant(
        50078,
        "The multi-factor authentication is older than the tenant's administrator allows.",
    )
    .suberror("basic_action");
    pub(crate) const PASSWORD_EXPIRED: Self =
        Self::invalid_grant(50055, "The user's password has expired.")
            .suberror("user_password_expired");
    pub(crate) const SESSION_OF_OLD_PASSWORD: Self = Self::invalid_grant(
        50133,
        "The session is not valid, because the password has expired or was changed recently.",
    );
    pub(crate) const SESSIONS_REVOKED: Self = Self::invalid_grant(
        50173,
        "The grant was revoked: the user signed out everywhere or got a new password.",
    )
    .suberror("bad_token");

    // Errors that an administrator has to resolve.
    pub(crate) const ACCOUNT_DISABLED: Self =
        Self::invalid_grant(50057, "The user's account is disabled.");
    pub(crate) const ACCOUNT_UNKNOWN: Self =
        Self::invalid_grant(50034, "The user's account is not in the directory.");
    pub(crate) const NOT_ASSIGNED: Self = Self::invalid_grant(
        50105,
        "The application is for assigned users, and the user is not assigned to a role of it.",
    );
    pub(crate) const DEVICE_NOT_COMPLIANT: Self =
        Self::invalid_grant(53000, "The device must be compliant, and is not.")
            .suberror("message_only")
            .asking_for_claims();
    pub(crate) const DEVICE_NOT_JOINED: Self = Self::invalid_grant(
        53001,
        "The device must be joined to the domain, and is not.",
    )
    .suberror("message_only")
    .asking_for_claims();
    pub(crate) const APPLICATION_NOT_APPROVED: Self = Self::invalid_grant(
        53002,
        "The application must be an approved one by Conditional Access, and is not.",
    )
    .suberror("message_only");
    pub(crate) const ENROLLMENT_BLOCKED: Self = Self::invalid_grant(
        53004,
        "The user has to set up multi-factor authentication, but is blocked from doing so because of risk.",
    )
    .suberror("message_only");
    pub(crate) const DEVICE_NOT_MANAGED: Self =
        Self::invalid_grant(530003, "The device must be managed, and is not.")
            .suberror("message_only");
    pub(crate) const BLOCKED_BY_SECURITY_POLICY: Self =
        Self::invalid_grant(530032, "A security policy of the tenant blocks access.")
            .suberror("message_only");

    pub(crate) const LOGIN_REQUIRED: Self = Self::new(
        50058,
        BAD_REQUEST,
        "login_required",
        "A silent sign-in was asked for, but the user is not signed in.",
    );
    pub(crate) const CONSENT_DECLINED: Self = Self::new(
        65004,
        BAD_REQUEST,
        "access_denied",
        "The user declined to consent to the permissions that the application asks for.",
    );
    pub(crate) const SIGN_IN_EXPIRED: Self = Self::invalid_grant(
        50089,
        "The sign-in is no longer under way. Go back to the application and start again.",
    );

    // What is wrong with the user's assertion.
    pub(crate) const ASSERTION_EXPIRED: Self =
        Self::invalid_grant(500133, "The assertion is not within its valid time range.");
    pub(crate) const ASSERTION_AUDIENCE: Self = Self::invalid_grant(
        500131,
        "The audience of the assertion is not the application that presents it.",
    );
    pub(crate) const ASSERTION_SIGNATURE: Self =
        Self::invalid_grant(50013, "The assertion failed signature validation.");
    pub(crate) const ASSERTION_MALFORMED: Self =
        Self::invalid_request(50027, "The assertion is not a well-formed JWT.");
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
    pub(crate) const NO_FEDERATED_CREDENTIAL: Self = Self::invalid_request(
        70021,
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

    pub(crate) const CLIENT_IS_PUBLIC: Self = Self::invalid_client(
        700025,
        "The client is public: it must present neither `client_assertion` nor `client_secret`.",
    );

    // What is wrong with the code or the refresh token.
    pub(crate) const GRANT_INVALID: Self =
        Self::invalid_grant(70000, "The code or refresh token is not valid.");
    pub(crate) const CODE_EXPIRED: Self =
        Self::invalid_grant(70008, "The authorization code has expired.");
    pub(crate) const CODE_REDEEMED: Self =
        Self::invalid_grant(54005, "The authorization code was already redeemed.");
    pub(crate) const CODE_REDIRECT_URI: Self = Self::invalid_client(
        500112,
        "The redirect URI is not the one that the authorization code was asked for with.",
    );
    pub(crate) const CODE_VERIFIER_MISSING: Self = Self::invalid_grant(
        50148,
        "The authorization request had a `code_challenge`, but there is no `code_verifier`.",
    );
    pub(crate) const CODE_VERIFIER: Self = Self::invalid_grant(
        501481,
        "The `code_verifier` does not match the `code_challenge` of the authorization request.",
    );
    pub(crate) const REFRESH_TOKEN_EXPIRED: Self = Self::invalid_grant(
        700082,
        "The refresh token has expired: it was not used for too long.",
    );

    // What is wrong with the authorization request.
    pub(crate) const REDIRECT_URI: Self = Self::invalid_request(
        50011,
        "The redirect URI is not one of those registered for the application.",
    );
    pub(crate) const REDIRECT_URI_MISSING: Self =
        Self::invalid_request(900971, "The request has no redirect URI.");
    pub(crate) const RESPONSE_TYPE: Self = Self::new(
        70005,
        BAD_REQUEST,
        "unsupported_response_type",
        "The response type is not supported.",
    );
    pub(crate) const ID_TOKEN_DISABLED: Self = Self::new(
        700054,
        BAD_REQUEST,
        "unsupported_response_type",
        "The response type `id_token` is not enabled for the application.",
    );
    pub(crate) const RESPONSE_MODE: Self =
        Self::invalid_request(70007, "The response mode is not supported.");
    pub(crate) const PROMPT: Self = Self::invalid_request(90023, "The `prompt` is not supported.");
    pub(crate) const CODE_CHALLENGE_MISSING: Self = Self::invalid_request(
        50147,
        "There is a `code_challenge_method`, but no `code_challenge`.",
    );
    pub(crate) const CODE_CHALLENGE_METHOD: Self =
        Self::invalid_request(50149, "The `code_challenge_method` is not supported.");
    pub(crate) const CODE_CHALLENGE_SIZE: Self = Self::invalid_request(
        501491,
        "The `code_challenge` must have between 43 and 128 characters.",
    );

    // What is wrong with the request.
    pub(crate) const TENANT_NOT_FOUND: Self = Self::new(
        90002,
        BAD_REQUEST,
        "invalid_tenant",
        "There is no such tenant.",
    );
    pub(crate) const MALFORMED_REQUEST: Self =
        Self::invalid_request(9002313, "The request is malformed.");
    pub(crate) const PARAMETER_MISSING: Self =
        Self::invalid_request(900144, "The request lacks a parameter.");
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
    pub(crate) const SCOPE_OF_SEVERAL_RESOURCES: Self = Self::invalid_request(
        28000,
        "The scope is not valid, because it names more than one resource.",
    );
    pub(crate) const SCOPE_REQUIRED: Self = Self::invalid_request(
        28003,
        "The authorization code is good for more than one resource: the request must have a scope.",
    );
    pub(crate) const SCOPE_UNKNOWN: Self = Self::new(
        650053,
        BAD_REQUEST,
        "invalid_client",
        "The application asked for a permission that the resource does not have.",
    );
    pub(crate) const RESOURCE_MISMATCH: Self = Self::new(
        9010010,
        BAD_REQUEST,
        "invalid_target",
        "The `resource` of the request is not the API of the scope that it asks for.",
    );
    pub(crate) const RESOURCE_NOT_FOUND: Self = Self::new(
        500011,
        BAD_REQUEST,
        "invalid_resource",
        "The resource was not found in the tenant.",
    );

    // Errors that pass with time.
    pub(crate) const REQUEST_LOOP: Self = Self::invalid_grant(
        50196,
        "The same request was repeated too often: a loop in the client.",
    );

    /// Every error that the stand-in for Entra can answer with.
    pub const ALL: &[Self] = &[
        Self::CONSENT_REQUIRED,
        Self::MFA_REQUIRED,
        Self::MFA_ENROLLMENT_REQUIRED,
        Self::EXTERNAL_CHALLENGE,
        Self::BLOCKED_BY_POLICY,
        Self::SIGN_IN_FREQUENCY,
        Self::MFA_EXPIRED,
        Self::PASSWORD_EXPIRED,
        Self::SESSION_OF_OLD_PASSWORD,
        Self::SESSIONS_REVOKED,
        Self::ACCOUNT_DISABLED,
        Self::ACCOUNT_UNKNOWN,
        Self::NOT_ASSIGNED,
        Self::DEVICE_NOT_COMPLIANT,
        Self::DEVICE_NOT_JOINED,
        Self::APPLICATION_NOT_APPROVED,
        Self::ENROLLMENT_BLOCKED,
        Self::DEVICE_NOT_MANAGED,
        Self::BLOCKED_BY_SECURITY_POLICY,
        Self::LOGIN_REQUIRED,
        Self::CONSENT_DECLINED,
        Self::SIGN_IN_EXPIRED,
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
        Self::CLIENT_IS_PUBLIC,
        Self::GRANT_INVALID,
        Self::CODE_EXPIRED,
        Self::CODE_REDEEMED,
        Self::CODE_REDIRECT_URI,
        Self::CODE_VERIFIER_MISSING,
        Self::CODE_VERIFIER,
        Self::REFRESH_TOKEN_EXPIRED,
        Self::REDIRECT_URI,
        Self::REDIRECT_URI_MISSING,
        Self::RESPONSE_TYPE,
        Self::ID_TOKEN_DISABLED,
        Self::RESPONSE_MODE,
        Self::PROMPT,
        Self::CODE_CHALLENGE_MISSING,
        Self::CODE_CHALLENGE_METHOD,
        Self::CODE_CHALLENGE_SIZE,
        Self::TENANT_NOT_FOUND,
        Self::MALFORMED_REQUEST,
        Self::PARAMETER_MISSING,
        Self::UNSUPPORTED_GRANT,
        Self::INVALID_SCOPE,
        Self::SCOPE_OF_SEVERAL_RESOURCES,
        Self::SCOPE_REQUIRED,
        Self::SCOPE_UNKNOWN,
        Self::RESOURCE_MISMATCH,
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

    const fn invalid_request(code: u32, description: &'static str) -> Self {
        Self::new(code, BAD_REQUEST, "invalid_request", description)
    }

    const fn suberror(mut self, suberror: &'static str) -> Self {
        self.suberror = Some(suberror);
        self
    }

    const fn asking_for_claims(mut self) -> Self {
        self.asks_for_claims = true;
        self
    }

    /// Adds the exact reason, which must not contain a token.
    pub(crate) fn because(mut self, detail: impl AsRef<str>) -> Self {
        self.description = format!("{} {}", self.description, detail.as_ref()).into();
        self
    }

    /// The error of this code, if the stand-in knows it.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.iter().find(|error| error.code == code).cloned()
    }

    /// The code: the number after `AADSTS`.
    pub fn code(&self) -> u32 {
        self.code
    }

    /// The description, without the code.
    pub(crate) fn description(&self) -> &str {
        &self.description
    }

    /// The same error under the OAuth error of another endpoint.
    pub(crate) fn with_oauth_error(mut self, error: &'static str) -> Self {
        self.error = error;
        self.suberror = None;
        self
    }

    /// The HTTP status of the token endpoint's answer.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// What the authorization endpoint sends back to the client (RFC 6749, section 4.1.2.1).
    pub(crate) fn parameters(&self, clock: &Clock) -> Vec<(&'static str, String)> {
        vec![
            ("error", self.error.to_owned()),
            (
                "error_description",
                self.message(&Occurrence::new(clock, None)),
            ),
            ("error_uri", self.uri()),
        ]
    }

    fn message(&self, occurrence: &Occurrence) -> String {
        let Self {
            code, description, ..
        } = self;
        let Occurrence {
            timestamp,
            trace_id,
            correlation_id,
        } = occurrence;
        format!(
            "AADSTS{code}: {description}\r\nTrace ID: {trace_id}\r\nCorrelation ID: {correlation_id}\r\nTimestamp: {timestamp}"
        )
    }

    fn uri(&self) -> String {
        format!("https://login.microsoftonline.com/error?code={}", self.code)
    }

    /// The body of the token endpoint's answer.
    pub(crate) fn body(&self, occurrence: &Occurrence) -> Value {
        let mut body = json!({
            "error": self.error,
            "error_description": self.message(occurrence),
            "error_codes": [self.code],
            "timestamp": occurrence.timestamp,
            "trace_id": occurrence.trace_id.to_string(),
            "correlation_id": occurrence.correlation_id.to_string(),
            "error_uri": self.uri(),
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

/// One occurrence of an error: its ids, by which an operator finds it in the logs.
pub(crate) struct Occurrence {
    pub(crate) timestamp: String,
    pub(crate) trace_id: Uuid,
    pub(crate) correlation_id: Uuid,
}

impl Occurrence {
    /// The correlation id is the caller's `client-request-id`, if it sent one.
    pub(crate) fn new(clock: &Clock, correlation_id: Option<Uuid>) -> Self {
        Self {
            timestamp: clock.timestamp(),
            trace_id: Uuid::new_v4(),
            correlation_id: correlation_id.unwrap_or_else(Uuid::new_v4),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn occurrence() -> Occurrence {
        Occurrence {
            timestamp: "2026-01-02 03:04:05Z".to_owned(),
            trace_id: Uuid::nil(),
            correlation_id: Uuid::max(),
        }
    }

    fn body(code: u32) -> Value {
        EntraError::from_code(code).unwrap().body(&occurrence())
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
    fn missing_consent_is_identified_by_the_suberror() {
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
        let body = error.body(&occurrence());
        assert!(
            body["error_description"]
                .as_str()
                .unwrap()
                .contains("not supported. It was `password`.\r\n")
        );
    }
}
