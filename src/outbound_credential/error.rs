//! Why no token can be had for a call: one kind per thing that somebody must do.
//!
//! Source of the codes: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>. Entra ID asks
//! to decide by `error`, `suberror` and `claims`; the codes only choose the words.

use std::{fmt, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Failure, Remedy, word};

/// Longer than a model takes to repeat a refused call, shorter than a person takes to sign in.
const REFUSAL_MEMORY: Duration = Duration::from_secs(5);

/// Why no token can be had.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    detail: Arc<str>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request carries no user's token.
    NotSignedIn,
    /// The user's token is forged, damaged, or not meant for this use.
    TokenRefused,
    /// The user's token was issued for another app, or this app expects another audience.
    WrongAudience,
    /// The user's token has expired.
    TokenExpired,
    /// The caller's tenant may not call.
    TenantNotAllowed,
    /// The caller is an application without a user.
    AppOnlyCaller,
    /// The user has not consented to what the tool needs.
    ConsentRequired {
        /// Where the user can consent.
        link: Option<String>,
    },
    /// The user must sign in again, for example with a second factor.
    InteractionRequired,
    /// A Conditional Access policy forbids it.
    BlockedByPolicy,
    /// Entra ID does not accept the managed identity as the app's proof.
    FederatedCredential,
    /// The managed identity endpoint does not give a token.
    ManagedIdentity,
    /// The app is not in the tenant, or the user is not.
    WrongTenant,
    /// Something is down or busy.
    Unavailable {
        /// What.
        service: &'static str,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// No developer tool is signed in (local runs only).
    DeveloperSignIn,
    /// None of the above.
    Unexpected,
}

impl Error {
    /// An error of that kind; `detail` is for the log and never holds a secret.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into().into(),
        }
    }

    /// The user must sign in again.
    pub fn interaction_required(detail: impl Into<String>) -> Self {
        Self::new(Kind::InteractionRequired, detail)
    }

    /// Something is down or busy.
    pub fn unavailable(service: &'static str, retry_after: Option<Duration>) -> Self {
        Self::new(
            Kind::Unavailable {
                service,
                retry_after,
            },
            service,
        )
    }

    /// Something that should not happen.
    pub fn unexpected(detail: impl Into<String>) -> Self {
        Self::new(Kind::Unexpected, detail)
    }

    /// What is wrong.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Particulars for the log.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// How long the same question would get the same answer, if that is known.
    pub fn remembered_for(&self) -> Option<Duration> {
        matches!(
            self.kind,
            Kind::ConsentRequired { .. } | Kind::InteractionRequired | Kind::BlockedByPolicy
        )
        .then_some(REFUSAL_MEMORY)
    }

    /// The kind's name in the log.
    pub fn class(&self) -> &'static str {
        match self.kind {
            Kind::NotSignedIn => "not_signed_in",
            Kind::TokenRefused => "token_refused",
            Kind::WrongAudience => "wrong_audience",
            Kind::TokenExpired => "token_expired",
            Kind::TenantNotAllowed => "tenant_not_allowed",
            Kind::AppOnlyCaller => "app_only_caller",
            Kind::ConsentRequired { .. } => "consent_required",
            Kind::InteractionRequired => "interaction_required",
            Kind::BlockedByPolicy => "blocked_by_policy",
            Kind::FederatedCredential => "federated_credential",
            Kind::ManagedIdentity => "managed_identity",
            Kind::WrongTenant => "wrong_tenant",
            Kind::Unavailable { .. } => "unavailable",
            Kind::DeveloperSignIn => "developer_sign_in",
            Kind::Unexpected => "unexpected",
        }
    }

    fn remedy(&self) -> Remedy {
        match self.kind {
            Kind::NotSignedIn
            | Kind::TokenRefused
            | Kind::TokenExpired
            | Kind::TenantNotAllowed
            | Kind::AppOnlyCaller
            | Kind::ConsentRequired { .. }
            | Kind::InteractionRequired
            | Kind::BlockedByPolicy
            | Kind::DeveloperSignIn => Remedy::User,
            Kind::WrongAudience
            | Kind::FederatedCredential
            | Kind::ManagedIdentity
            | Kind::WrongTenant
            | Kind::Unexpected => Remedy::Operator,
            Kind::Unavailable { .. } => Remedy::Wait,
        }
    }

    fn message(&self) -> String {
        match &self.kind {
            Kind::NotSignedIn => "This tool needs a signed-in user. Sign in to this MCP server in your client, then run the tool again.".into(),
            Kind::TokenRefused => "Your sign-in could not be verified. Disconnect this MCP server in your client, connect it again and sign in.".into(),
            Kind::WrongAudience => "Your sign-in was made for another app than this MCP server. Please tell whoever runs this server.".into(),
            Kind::TokenExpired => "Your sign-in has expired. Reconnect this MCP server in your client, then run the tool again.".into(),
            Kind::TenantNotAllowed => "Your organisation's accounts may not use this MCP server. Sign in with another account, or ask whoever runs this server to admit your organisation.".into(),
            Kind::AppOnlyCaller => "This tool acts as a signed-in user, and your client called it as an application. Sign in as a user.".into(),
            Kind::ConsentRequired { link: Some(link) } => format!("This tool needs your permission to use Microsoft Graph for you. Open {link} once, sign in and accept, then run the tool again. Where it asks for an administrator's approval, an administrator must consent for the app."),
            Kind::ConsentRequired { link: None } => "This tool needs your permission to use Microsoft Graph for you. Ask whoever runs this server for its sign-in page, or an administrator to consent for the app.".into(),
            Kind::InteractionRequired => "Your organisation asks you to sign in again, perhaps with a second factor, before this tool may act for you. Disconnect this MCP server in your client, connect it again and sign in.".into(),
            Kind::BlockedByPolicy => "A policy of your organisation does not let this tool act for you from here. Ask your administrator about Conditional Access for this app.".into(),
            Kind::FederatedCredential => "This server could not prove its identity to Entra ID. Right after a deployment that can take some minutes; otherwise please tell whoever runs this server.".into(),
            Kind::ManagedIdentity => "This server has no working identity of its own. Please tell whoever runs this server.".into(),
            Kind::WrongTenant => "This server or your account is not set up in your organisation's directory. Please tell whoever runs this server.".into(),
            Kind::Unavailable { service, retry_after } => busy_message(service, *retry_after),
            Kind::DeveloperSignIn => "No developer tool is signed in. Run `az login` (or `azd auth login`, or `Connect-AzAccount`) in a terminal, then run the tool again.".into(),
            Kind::Unexpected => "Signing in to Microsoft Graph for you failed in an unexpected way. Please tell whoever runs this server.".into(),
        }
    }

    fn action(&self) -> Option<&'static str> {
        Some(match self.kind {
            Kind::NotSignedIn => "check that App Service Authentication requires authentication",
            Kind::WrongAudience => {
                "make the registration issue v2 tokens for this app: requestedAccessTokenVersion 2, and the audience its client id or the identifier URI in WEBSITE_AUTH_PRM_DEFAULT_WITH_SCOPES"
            }
            Kind::TenantNotAllowed => {
                "add the tenant to WEBSITE_AUTH_AAD_ALLOWED_TENANTS if its users may call"
            }
            Kind::ConsentRequired { link: None } => {
                "set WEBSITE_HOSTNAME, so that users get a consent link"
            }
            Kind::FederatedCredential => {
                "compare the registration's federated credential with the managed identity: issuer, subject (its principal id), audience (TokenExchangeAudience)"
            }
            Kind::ManagedIdentity => {
                "assign the user-assigned identity that OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID names to the function app"
            }
            Kind::WrongTenant => {
                "create the app's service principal in the user's tenant, or invite the user as a guest"
            }
            Kind::Unexpected => {
                "look up the AADSTS code at https://login.microsoftonline.com/error"
            }
            _ => return None,
        })
    }
}

/// What a user is told when `service` is down or busy.
pub fn busy_message(service: &str, retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!(
            "{service} is busy. Please try again in {} seconds.",
            wait.as_secs().max(1)
        ),
        None => format!("{service} is not answering. Please try again in a minute."),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class(), self.detail)
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure =
            Failure::new(error.class(), error.remedy(), error.message()).with_detail(&error.detail);
        match error.action() {
            Some(action) => failure.with_action(action),
            None => failure,
        }
    }
}

/// Credentials of the Azure SDK wrap ours.
impl From<azure_core::Error> for Failure {
    fn from(error: azure_core::Error) -> Self {
        match error.downcast_ref::<Error>() {
            Some(error) => error.clone().into(),
            None => Failure::new(
                "azure",
                Remedy::Operator,
                "An Azure service refused the request. Please tell whoever runs this server.",
            )
            .with_detail(error.kind()),
        }
    }
}

/// The body of a refusal by Entra ID's token endpoint. Every field may be missing or of another type.
///
/// Source: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow#error-response-example>.
#[derive(Debug, Default)]
pub struct EntraError {
    error: String,
    suberror: String,
    codes: Vec<u64>,
    has_claims: bool,
    trace_id: String,
    correlation_id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EntraErrorBody {
    error: Value,
    suberror: Value,
    error_codes: Value,
    claims: Value,
    trace_id: Value,
    correlation_id: Value,
}

impl EntraError {
    /// Reads `body` as far as it can be read.
    pub fn parse(body: &[u8]) -> Self {
        let body: EntraErrorBody = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| word(value.as_str().unwrap_or_default());
        Self {
            error: text(&body.error),
            suberror: text(&body.suberror),
            codes: match &body.error_codes {
                Value::Array(codes) => codes.iter().filter_map(Value::as_u64).take(8).collect(),
                _ => Vec::new(),
            },
            has_claims: !matches!(body.claims, Value::Null),
            trace_id: text(&body.trace_id),
            correlation_id: text(&body.correlation_id),
        }
    }

    /// What is wrong; `consent_link` is where this app's users can consent.
    pub fn kind(
        &self,
        is_unavailable: bool,
        retry_after: Option<Duration>,
        consent_link: Option<&str>,
    ) -> Kind {
        let has = |codes: &[u64]| self.codes.iter().any(|code| codes.contains(code));
        if is_unavailable || has(&[50196]) {
            Kind::Unavailable {
                service: "Entra ID",
                retry_after,
            }
        } else if self.suberror == "consent_required" || has(&[65001]) {
            Kind::ConsentRequired {
                link: consent_link.map(str::to_owned),
            }
        } else if has(&[53003]) {
            Kind::BlockedByPolicy
        } else if has(&[500133]) {
            Kind::TokenExpired
        } else if self.error == "interaction_required"
            || self.has_claims
            || has(&[50076, 50079, 50158, 70043])
        {
            Kind::InteractionRequired
        } else if has(&[500131, 50013]) {
            Kind::WrongAudience
        } else if has(&[7000114]) {
            Kind::AppOnlyCaller
        } else if has(&[70021, 700211, 700212, 700213, 7002138]) {
            Kind::FederatedCredential
        } else if has(&[700016, 50020, 90072]) {
            Kind::WrongTenant
        } else {
            Kind::Unexpected
        }
    }
}

impl fmt::Display for EntraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entra ID: {}", self.error)?;
        if !self.suberror.is_empty() {
            write!(f, ", {}", self.suberror)?;
        }
        for code in &self.codes {
            write!(f, ", AADSTS{code}")?;
        }
        write!(
            f,
            ", trace id {}, correlation id {}",
            self.trace_id, self.correlation_id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(body: &str) -> Kind {
        EntraError::parse(body.as_bytes()).kind(false, None, None)
    }

    #[test]
    fn suberror_and_claims_decide_before_codes() {
        assert_eq!(
            kind(r#"{"error":"invalid_grant","suberror":"consent_required"}"#),
            Kind::ConsentRequired { link: None }
        );
        assert_eq!(
            kind(r#"{"error":"invalid_grant","claims":"{\"access_token\":{}}","error_codes":[1]}"#),
            Kind::InteractionRequired
        );
    }

    #[test]
    fn a_body_of_any_shape_is_survived() {
        for body in [
            "",
            "<html>",
            "null",
            "[1]",
            r#"{"error":1,"error_codes":"x","claims":null}"#,
        ] {
            assert_eq!(kind(body), Kind::Unexpected, "{body}");
        }
    }

    #[test]
    fn text_of_others_cannot_add_lines_or_fields_to_the_log() {
        let error = EntraError::parse(br#"{"error":"a\r\nERROR forged","trace_id":"\u001b[31m","correlation_id":"\" outcome=\"ok"}"#);
        let line = error.to_string();
        assert!(!line.contains(['\r', '\n', '\u{1b}', '"']), "{line}");
    }
}

#[cfg(test)]
mod properties {
    use proptest::{collection::vec, prelude::*, sample::select};
    use serde_json::{Value, json};

    use super::EntraError;

    /// The longest text for the log, in bytes.
    const MAX_LINE: usize = 2048;

    const FIELDS: [&str; 6] = [
        "error",
        "suberror",
        "error_codes",
        "claims",
        "trace_id",
        "correlation_id",
    ];

    fn line(body: &[u8]) -> String {
        let error = EntraError::parse(body);
        error.kind(false, None, None);
        error.to_string()
    }

    /// A body whose fields are all `value`.
    fn body(value: &Value) -> String {
        let fields = FIELDS.map(|name| (name.to_owned(), value.clone()));
        Value::from_iter(fields).to_string()
    }

    fn is_one_short_line(line: &str) -> bool {
        line.len() < MAX_LINE && !line.contains(char::is_control)
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            vec(any::<char>(), 0..200).prop_map(|text| json!(String::from_iter(text))),
            vec(any::<u64>(), 0..20).prop_map(|codes| json!(codes)),
            any::<i64>().prop_map(|number| json!(number)),
            select(vec![
                json!(null),
                json!(true),
                json!({}),
                json!([[], "1", 1.5, -1])
            ]),
        ]
    }

    proptest! {
        #[test]
        fn a_body_of_any_bytes_gives_one_short_line(body in vec(any::<u8>(), 0..1000)) {
            prop_assert!(is_one_short_line(&line(&body)));
        }

        #[test]
        fn a_body_of_any_fields_gives_one_short_line(
            fields in vec((select(&FIELDS[..]), value()), 0..8),
        ) {
            let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
            let line = line(Value::from_iter(fields).to_string().as_bytes());
            prop_assert!(is_one_short_line(&line), "{}", line);
        }

        #[test]
        fn a_body_of_any_depth_gives_one_short_line(depth in 0..200_usize) {
            let nested = "[".repeat(depth) + &"]".repeat(depth);
            for body in [nested.clone(), format!("{{\"error\":{nested}}}"), format!("{{\"other\":{nested}}}")] {
                prop_assert!(is_one_short_line(&line(body.as_bytes())));
            }
        }
    }

    #[test]
    fn a_body_of_a_mebibyte_gives_one_short_line() {
        for character in ["a", "\n", "\"", "\u{1b}", "\u{10ffff}"] {
            let line = line(body(&json!(character.repeat(1 << 18))).as_bytes());
            assert!(is_one_short_line(&line), "{line}");
        }
        let line = line(body(&json!(vec![u64::MAX; 1 << 16])).as_bytes());
        assert!(is_one_short_line(&line), "{line}");
    }
}
