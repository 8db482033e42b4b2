//! The refusals of Entra ID's token endpoint, and the kind of error that each means.
//!
//! Source of the codes: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>. Entra ID asks
//! to decide by `error`, `suberror` and `claims`, since codes are added and change; so these decide where no code is
//! known. A known code tells more exactly who must act.

use std::{fmt, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::error::Kind;
use crate::failure::sanitized;

/// Entra ID's name in messages to users.
pub const ENTRA: &str = "Entra ID";

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
        let text = |value: &Value| sanitized(value.as_str().unwrap_or_default());
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

    /// The kind of error; `consent_link` is the page where this app's users can consent.
    pub fn kind(
        &self,
        is_unavailable: bool,
        retry_after: Option<Duration>,
        consent_link: Option<&str>,
    ) -> Kind {
        let consent_required = || Kind::ConsentRequired {
            link: consent_link.map(str::to_owned),
        };
        let unavailable = || Kind::Unavailable {
            service: ENTRA,
            retry_after,
        };
        if is_unavailable {
            unavailable()
        } else if self.suberror == "consent_required" {
            consent_required()
        } else if let Some(kind) = self.codes.iter().find_map(|code| kind_of_code(*code)) {
            match kind {
                Kind::ConsentRequired { .. } => consent_required(),
                Kind::Unavailable { .. } => unavailable(),
                kind => kind,
            }
        } else if self.has_claims || self.error == "interaction_required" {
            Kind::InteractionRequired
        } else if self.error == "invalid_client" {
            Kind::FederatedCredential
        } else {
            Kind::Unexpected
        }
    }
}

/// The meaning of the codes that an on-behalf-of exchange can return.
fn kind_of_code(code: u64) -> Option<Kind> {
    Some(match code {
        // Neither the user nor an administrator has consented to the permissions.
        65001 => Kind::ConsentRequired { link: None },
        // A second factor: to be given, to be set up, at another provider.
        50076 | 50079 | 50158 => Kind::InteractionRequired,
        // Too old: the second factor, the sign-in of a session that may last so long, a refresh token, a grant.
        50078 | 50089 | 70000 | 70008 | 70043 | 700082 => Kind::InteractionRequired,
        // The password has expired or changed, or sessions were revoked.
        50055 | 50133 | 50173 => Kind::InteractionRequired,
        // The user's token has expired, is for another app, or is an application's.
        500133 => Kind::TokenExpired,
        50013 | 500131 => Kind::WrongAudience,
        7000114 => Kind::AppOnlyCaller,
        // The account is disabled; unknown, or a guest who was not invited; not assigned.
        50057 => Kind::AccountDisabled,
        50020 | 50034 | 90072 => Kind::UnknownAccount,
        50105 => Kind::NotAssigned,
        // The device is not compliant, not joined, not managed. Then all that a policy may forbid besides: the client,
        // the place, the risk, setting up a second factor there. 53003 and most of 530xxx say no more.
        53000 | 53001 | 530_002 | 530_003 => Kind::DeviceNotAllowed,
        53002..=53004 | 530_000..=530_999 => Kind::BlockedByPolicy,
        // The app's proof: its times, its signature; the federated credential's issuer, audience, subject.
        700024 | 700027 => Kind::FederatedCredential,
        70021 | 700211 | 700212 | 700213 | 7002138 => Kind::FederatedCredential,
        // The app is not in the tenant.
        700016 => Kind::WrongTenant,
        // A permission that does not exist. It comes as `invalid_client`, and no other proof would help.
        650053 => Kind::Unexpected,
        // The same request too often.
        50196 => Kind::Unavailable {
            service: ENTRA,
            retry_after: None,
        },
        _ => return None,
    })
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
mod properties;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        credential::Error,
        failure::{Failure, Remedy},
    };

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
    fn an_unknown_code_is_judged_by_its_error() {
        let unknown = |error: &str| kind(&format!(r#"{{"error":"{error}","error_codes":[1]}}"#));
        assert_eq!(unknown("interaction_required"), Kind::InteractionRequired);
        assert_eq!(unknown("invalid_client"), Kind::FederatedCredential);
        assert_eq!(unknown("invalid_grant"), Kind::Unexpected);
    }

    #[test]
    fn a_policy_without_a_word_of_its_own_is_still_a_policy() {
        for code in [53002, 53004, 530_001, 530_031, 530_032, 530_035] {
            let body =
                format!(r#"{{"error":"invalid_grant","claims":"{{}}","error_codes":[{code}]}}"#);
            assert_eq!(kind(&body), Kind::BlockedByPolicy, "{code}");
        }
    }

    /// What MSAL makes of a refusal.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Msal {
        /// `MsalUiRequiredException`: the user must do something.
        UiRequired,
        /// `MsalClaimsChallengeException`: the user must sign in with more.
        ClaimsChallenge,
        /// `MsalServiceException`: a fault of the app or of its set-up.
        Service,
    }

    /// The classes of MSAL.NET 4.92, as it was run against the sandbox's Entra.
    const MSAL: [(&str, Msal, &[u64]); 4] = [
        (
            "invalid_grant",
            Msal::UiRequired,
            &[
                65001, 70043, 700082, 70000, 70008, 54005, 50013, 500131, 500133, 50020, 90072,
                50089, 50148, 501481, 50196,
            ],
        ),
        (
            "invalid_grant",
            Msal::ClaimsChallenge,
            &[50076, 50079, 50158, 53003],
        ),
        (
            "invalid_request",
            Msal::Service,
            &[50058, 65004, 50027, 7000114, 700016, 70021, 9010010, 500011],
        ),
        (
            "invalid_client",
            Msal::Service,
            &[7000218, 700024, 700027, 700211, 700212, 700213, 650053],
        ),
    ];

    /// The codes that are classified otherwise than by MSAL, and why.
    const EXCEPTIONS: [(u64, &str); 8] = [
        (
            54005,
            "a code's second redemption: the handler redeems no codes",
        ),
        (50148, "a code's PKCE: the handler redeems no codes"),
        (501481, "a code's PKCE: the handler redeems no codes"),
        (
            50013,
            "a new sign-in gives a token of the same audience and issuer",
        ),
        (500131, "a new sign-in gives a token of the same audience"),
        (50196, "a loop ends by waiting"),
        (
            53003,
            "a policy that blocks asks for nothing that the user could add",
        ),
        (
            7000114,
            "the user's client signed in as an application, so the user signs in as a user",
        ),
    ];

    #[test]
    fn each_code_is_for_whom_msal_says_or_a_reason_is_given() {
        let mut differing = Vec::new();
        for (error, class, codes) in MSAL {
            for code in codes {
                let claims = if class == Msal::ClaimsChallenge {
                    r#""{}""#
                } else {
                    "null"
                };
                let body =
                    format!(r#"{{"error":"{error}","claims":{claims},"error_codes":[{code}]}}"#);
                let kind = kind(&body);
                let agrees = match class {
                    Msal::UiRequired => {
                        Failure::from(Error::new(kind, "")).remedy() == Remedy::User
                    }
                    Msal::ClaimsChallenge => kind == Kind::InteractionRequired,
                    Msal::Service => {
                        Failure::from(Error::new(kind, "")).remedy() == Remedy::Operator
                    }
                };
                if !agrees {
                    differing.push(*code);
                }
            }
        }
        differing.sort_unstable();
        let mut excepted = EXCEPTIONS.map(|(code, _)| code);
        excepted.sort_unstable();
        assert_eq!(differing, excepted);
    }

    #[test]
    fn a_lasting_refusal_is_remembered_and_what_may_pass_is_not() {
        for code in [
            65001, 50173, 50057, 50034, 50105, 53000, 53003, 700213, 700016, 1,
        ] {
            let kind = kind(&format!(
                r#"{{"error":"invalid_grant","error_codes":[{code}]}}"#
            ));
            assert!(Error::new(kind, "").remembered_for().is_some(), "{code}");
        }
        assert_eq!(Error::unavailable("Entra ID", None).remembered_for(), None);
        assert_eq!(Error::new(Kind::TokenRefused, "").remembered_for(), None);
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
