//! Why a call gets no token: one kind of error per action that resolves it.

use std::{sync::Arc, time::Duration};

use crate::{
    failure::{Failure, busy_message},
    http::SendError,
};

/// How long a refusal is remembered: longer than a model takes to repeat a refused call, shorter than a person takes to
/// sign in.
const REFUSAL_MEMORY: Duration = Duration::from_secs(5);

/// The reason why a call gets no token.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {detail}", self.class())]
pub struct Error {
    kind: Kind,
    detail: Arc<str>,
}

/// The kind of error.
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
    /// The caller's MCP client may not call.
    ClientNotAllowed,
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
    /// A Conditional Access policy forbids it from the user's device.
    DeviceNotAllowed,
    /// The user's account is disabled.
    AccountDisabled,
    /// The user's account is not in the tenant.
    UnknownAccount,
    /// The app is for assigned users, and this user is not.
    NotAssigned,
    /// Entra ID does not accept the managed identity as the app's proof.
    FederatedCredential,
    /// The managed identity endpoint does not give a token.
    ManagedIdentity,
    /// The app is not in the tenant.
    WrongTenant,
    /// Something is down or busy.
    Unavailable {
        /// The service.
        service: &'static str,
        /// The wait that it asks for.
        retry_after: Option<Duration>,
    },
    /// A token would have to go over plain http to another machine.
    Insecure,
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

    /// No answer came from `service`.
    pub fn not_sent(service: &'static str, error: SendError) -> Self {
        let kind = match error {
            SendError::Insecure => Kind::Insecure,
            _ => Kind::Unavailable {
                service,
                retry_after: None,
            },
        };
        Self::new(kind, format!("{service}: {error}"))
    }

    /// Something that should not happen.
    pub fn unexpected(detail: impl Into<String>) -> Self {
        Self::new(Kind::Unexpected, detail)
    }

    /// The kind of error.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Particulars for the log.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// How long the error is remembered, if it is.
    pub fn remembered_for(&self) -> Option<Duration> {
        match self.kind {
            Kind::WrongAudience
            | Kind::TokenExpired
            | Kind::AppOnlyCaller
            | Kind::ConsentRequired { .. }
            | Kind::InteractionRequired
            | Kind::BlockedByPolicy
            | Kind::DeviceNotAllowed
            | Kind::AccountDisabled
            | Kind::UnknownAccount
            | Kind::NotAssigned
            | Kind::FederatedCredential
            | Kind::ManagedIdentity
            | Kind::WrongTenant
            | Kind::Insecure
            | Kind::Unexpected => Some(REFUSAL_MEMORY),
            // A service may recover, and a developer may sign in, at any time. The rest costs no request to find out
            // again, and forged tokens must not fill a cache.
            Kind::Unavailable { .. }
            | Kind::DeveloperSignIn
            | Kind::NotSignedIn
            | Kind::TokenRefused
            | Kind::TenantNotAllowed
            | Kind::ClientNotAllowed => None,
        }
    }

    /// The kind's name in the log.
    pub fn class(&self) -> &'static str {
        self.kind.failure().class()
    }
}

impl Kind {
    /// The kind's class, who must act, what the user is told, and what the operator should do.
    #[rustfmt::skip]
    fn failure(&self) -> Failure {
        match self {
            Self::NotSignedIn => Failure::user("not_signed_in",
                "This tool needs a signed-in user. Sign in to this MCP server in your client, then run the tool again.")
                .with_action("check that App Service Authentication requires authentication"),
            Self::TokenRefused => Failure::user("token_refused",
                "Your sign-in could not be verified. Disconnect this MCP server in your client, connect it again and sign in."),
            Self::WrongAudience => Failure::operator("wrong_audience",
                "Your sign-in was made for another app than this MCP server. Please tell whoever runs this server.")
                .with_action("make the registration issue v2 tokens for this app: requestedAccessTokenVersion 2, and the audience its client id or an identifier URI in WEBSITE_AUTH_PRM_DEFAULT_WITH_SCOPES"),
            Self::TokenExpired => Failure::user("token_expired",
                "Your sign-in has expired. Reconnect this MCP server in your client, then run the tool again."),
            Self::TenantNotAllowed => Failure::user("tenant_not_allowed",
                "Your organisation's accounts may not use this MCP server. Sign in with another account, or ask whoever runs this server to admit your organisation.")
                .with_action("add the tenant to WEBSITE_AUTH_AAD_ALLOWED_TENANTS if its users may call"),
            Self::ClientNotAllowed => Failure::user("client_not_allowed",
                "Your MCP client may not use this server. Use another client, or ask whoever runs this server to admit it.")
                .with_action("add the client's id to ALLOWED_CLIENT_APPLICATIONS if it may call"),
            Self::AppOnlyCaller => Failure::user("app_only_caller",
                "This tool acts as a signed-in user, and your client called it as an application. Sign in as a user."),
            Self::ConsentRequired { link: Some(link) } => Failure::user("consent_required",
                format!("This tool needs your permission to use Microsoft Graph for you. Open {link} once, sign in and accept, then run the tool again. Where it asks for an administrator's approval, an administrator must consent for the app.")),
            Self::ConsentRequired { link: None } => Failure::user("consent_required",
                "This tool needs your permission to use Microsoft Graph for you. Ask whoever runs this server for its sign-in page, or an administrator to consent for the app.")
                .with_action("set WEBSITE_HOSTNAME, so that users get a consent link"),
            Self::InteractionRequired => Failure::user("interaction_required",
                "Your organisation asks you to sign in again, perhaps with a second factor, before this tool may act for you. Disconnect this MCP server in your client, connect it again and sign in."),
            Self::BlockedByPolicy => Failure::user("blocked_by_policy",
                "A policy of your organisation does not let this tool act for you from here. Ask your administrator about Conditional Access for this app."),
            Self::DeviceNotAllowed => Failure::user("device_not_allowed",
                "Your organisation lets this tool act for you only from a device that it manages. Sign in to this MCP server on such a device, or ask your administrator."),
            Self::AccountDisabled => Failure::user("account_disabled",
                "Your account is disabled. Ask your administrator to enable it, or sign in to this MCP server with another account."),
            Self::UnknownAccount => Failure::user("unknown_account",
                "Your account is not in the directory of this MCP server. Sign in with another account, or ask whoever runs this server to invite yours.")
                .with_action("invite the user as a guest if they may call"),
            Self::NotAssigned => Failure::user("not_assigned",
                "This MCP server is for assigned users only, and you are not one of them. Ask your administrator to assign you to it.")
                .with_action("assign the user, or a group of theirs, to the app under Enterprise applications"),
            Self::FederatedCredential => Failure::operator("federated_credential",
                "This server could not prove its identity to Entra ID. Right after a deployment that can take some minutes; otherwise please tell whoever runs this server.")
                .with_action("compare the registration's federated credential with the managed identity: issuer, subject (its principal id), audience (TokenExchangeAudience)"),
            Self::ManagedIdentity => Failure::operator("managed_identity",
                "This server has no working identity of its own. Please tell whoever runs this server.")
                .with_action("assign the user-assigned identity that OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID names to the function app"),
            Self::WrongTenant => Failure::operator("wrong_tenant",
                "This server is not set up in your organisation's directory. Please tell whoever runs this server.")
                .with_action("create the app's service principal in the user's tenant"),
            Self::Unavailable { service, retry_after } => Failure::wait("unavailable",
                busy_message(service, *retry_after)),
            Self::Insecure => Failure::operator("insecure_endpoint",
                "This server refused to send a sign-in over an unprotected connection. Please tell whoever runs this server.")
                .with_action("make AZURE_AUTHORITY_HOST and every address in its metadata https; plain http is for loopback addresses only, and for a link-local IDENTITY_ENDPOINT"),
            Self::DeveloperSignIn => Failure::user("developer_sign_in",
                "No developer tool is signed in. Run `az login` (or `azd auth login`, or `Connect-AzAccount`) in a terminal, then run the tool again."),
            Self::Unexpected => Failure::operator("unexpected",
                "Signing in to Microsoft Graph for you failed in an unexpected way. Please tell whoever runs this server.")
                .with_action("look up the AADSTS code at https://login.microsoftonline.com/error"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        error.kind.failure().with_detail(&error.detail)
    }
}

/// Clients of the Azure SDK wrap errors of the credential that they are given.
impl From<azure_core::Error> for Failure {
    fn from(error: azure_core::Error) -> Self {
        match error.downcast_ref::<Error>() {
            Some(error) => error.clone().into(),
            None => Failure::operator(
                "azure",
                "An Azure service refused the request. Please tell whoever runs this server.",
            )
            .with_detail(error.kind()),
        }
    }
}
