//! The delegated permissions that the tenant's APIs expose.

use super::applications::{MCP_SERVER, SCOPE};

/// An API for which tokens are issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// [`MCP_SERVER`].
    McpServer,
    /// Microsoft Graph.
    Graph,
}

/// A delegated permission: a right that a person can grant to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// `openid` of Graph: learn that the person has signed in.
    OpenId,
    /// `profile` of Graph: learn the person's name.
    Profile,
    /// `email` of Graph: learn the person's address.
    Email,
    /// `offline_access` of Graph: get a refresh token.
    OfflineAccess,
    /// `User.Read` of Graph: read the person's profile.
    UserRead,
    /// `Mail.Read` of Graph: read the person's mail. The sandbox's Graph has no mail.
    MailRead,
    /// `user_impersonation` of [`MCP_SERVER`]: call its tools.
    UserImpersonation,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 7] = [
        Self::OpenId,
        Self::Profile,
        Self::Email,
        Self::OfflineAccess,
        Self::UserRead,
        Self::MailRead,
        Self::UserImpersonation,
    ];

    /// The permissions for sign-in: part of every consent.
    pub(super) const FOR_SIGN_IN: [Self; 4] = [
        Self::OpenId,
        Self::Profile,
        Self::Email,
        Self::OfflineAccess,
    ];

    /// The API that exposes the permission.
    pub fn api(self) -> Api {
        match self {
            Self::UserImpersonation => Api::McpServer,
            _ => Api::Graph,
        }
    }

    /// Its name in scopes and in the `scp` of tokens.
    pub fn value(self) -> &'static str {
        match self {
            Self::OpenId => "openid",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::OfflineAccess => "offline_access",
            Self::UserRead => "User.Read",
            Self::MailRead => "Mail.Read",
            Self::UserImpersonation => SCOPE,
        }
    }

    /// The permission of this name, if the API exposes one.
    pub(crate) fn find(api: Api, value: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.api() == api && permission.value() == value)
    }

    /// The permission that `.default` stands for: the one of the API in the clients' registrations.
    pub(crate) fn default_of(api: Api) -> Self {
        match api {
            Api::McpServer => Self::UserImpersonation,
            Api::Graph => Self::UserRead,
        }
    }

    pub(crate) fn is_for_sign_in(self) -> bool {
        Self::FOR_SIGN_IN.contains(&self)
    }

    /// The title on consent pages.
    pub(crate) fn title(self) -> String {
        match self {
            Self::OpenId => "Sign you in".to_owned(),
            Self::Profile => "See your name".to_owned(),
            Self::Email => "See your email address".to_owned(),
            Self::OfflineAccess => "Stay signed in as you".to_owned(),
            Self::UserRead => "Read your profile".to_owned(),
            Self::MailRead => "Read your mail".to_owned(),
            Self::UserImpersonation => format!("Use {} as you", MCP_SERVER.display_name),
        }
    }

    /// The explanation on consent pages.
    pub(crate) fn explanation(self) -> &'static str {
        match self {
            Self::OpenId => "The app learns that you have signed in.",
            Self::Profile => "The app learns your name and your sign-in name.",
            Self::Email => "The app learns the address of your mailbox.",
            Self::OfflineAccess => {
                "The app keeps the permissions that you grant now, even while you are away, until you revoke them."
            }
            Self::UserRead => "The app reads your profile in Microsoft Graph.",
            Self::MailRead => "The app reads the messages in your mailbox through Microsoft Graph.",
            Self::UserImpersonation => "The app calls the server's tools in your name.",
        }
    }
}
