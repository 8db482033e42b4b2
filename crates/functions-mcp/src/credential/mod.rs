//! The identity that tools act as: the user who called, or the developer on a local run.

mod app_service_auth;
mod client_assertion;
mod developer;
mod entra_error;
mod error;
mod on_behalf_of;
mod refreshing_cache;
mod signing_keys;
mod throttle;
mod user_assertion;

use std::{sync::Arc, time::Duration};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};

use self::{app_service_auth::Principal, throttle::Throttle, user_assertion::UserKey};
pub use self::{
    developer::DeveloperCredential,
    error::{Error, Kind},
    on_behalf_of::{OnBehalfOf, OnBehalfOfCredential},
    refreshing_cache::{Expiring, RefreshingCache},
    user_assertion::Verifier,
};
use crate::{headers::Headers, http::Http, identity::Identity};

/// Makes a credential for each tool call.
#[derive(Debug)]
pub enum CredentialSource {
    /// Credentials of the calling user.
    Caller {
        /// Verifies the caller's token.
        verifier: Verifier,
        /// Exchanges it.
        on_behalf_of: Arc<OnBehalfOf>,
    },
    /// The developer's credential.
    Developer(Arc<DeveloperCredential>),
}

impl CredentialSource {
    /// Credentials of `identity`.
    pub fn new(identity: &Identity) -> Self {
        match identity {
            Identity::Caller(identity) => Self::Caller {
                verifier: Verifier::new(identity),
                on_behalf_of: Arc::new(OnBehalfOf::new(identity)),
            },
            Identity::Developer { tenant, .. } => {
                Self::Developer(Arc::new(DeveloperCredential::new(tenant.clone())))
            }
        }
    }

    /// The credential for a call that came with `headers`. It verifies the caller, whether or not the tool uses it.
    pub async fn for_call(
        &self,
        headers: &Headers<'_>,
        http: &Http,
    ) -> Result<CallCredential, Error> {
        match self {
            Self::Caller {
                verifier,
                on_behalf_of,
            } => {
                let caller = verifier
                    .verify(&Principal::from_headers(headers)?, http)
                    .await?;
                let credential =
                    OnBehalfOfCredential::new(on_behalf_of.clone(), caller, http.clone());
                Ok(CallCredential::OnBehalfOf(credential))
            }
            Self::Developer(developer) => Ok(CallCredential::Developer(developer.clone())),
        }
    }
}

/// The credential of one tool call.
#[derive(Debug)]
pub enum CallCredential {
    /// The credential of the calling user.
    OnBehalfOf(OnBehalfOfCredential),
    /// The developer's credential.
    Developer(Arc<DeveloperCredential>),
}

impl CallCredential {
    /// A token for `scopes`.
    pub async fn token(&self, scopes: &[&str]) -> Result<AccessToken, Error> {
        match self {
            Self::OnBehalfOf(credential) => credential.token(scopes).await,
            Self::Developer(credential) => credential.token(&scopes.join(" ")).await,
        }
    }

    /// Forgets the token for `scopes`: the next one may have a permission that it lacks.
    pub async fn forget(&self, scopes: &[&str]) {
        match self {
            Self::OnBehalfOf(credential) => credential.forget(scopes).await,
            Self::Developer(credential) => credential.forget(&scopes.join(" ")).await,
        }
    }

    /// A token for `scopes` in place of `refused`, which a service did not accept; the new one meets `claims`, if the
    /// service demands any.
    pub async fn token_in_place_of(
        &self,
        refused: &AccessToken,
        scopes: &[&str],
        claims: Option<&str>,
    ) -> Result<AccessToken, Error> {
        match (self, claims) {
            (Self::OnBehalfOf(credential), Some(claims)) => {
                credential.token_with_claims(scopes, refused, claims).await
            }
            (Self::OnBehalfOf(credential), None) => {
                credential.token_in_place_of(refused, scopes).await
            }
            (Self::Developer(_), Some(_)) => {
                Err(Error::new(Kind::DeveloperSignIn, "a claims challenge"))
            }
            (Self::Developer(credential), None) => {
                let scope = scopes.join(" ");
                credential.token_in_place_of(refused, &scope).await
            }
        }
    }

    /// How long this user must still wait before the app calls `service` for them.
    pub async fn remaining_wait(&self, service: &'static str) -> Option<Duration> {
        let (throttle, user) = self.throttle();
        throttle.remaining(user, service).await
    }

    /// Notes that `service` has asked this user to wait.
    pub async fn note_wait(&self, service: &'static str, wait: Duration) {
        let (throttle, user) = self.throttle();
        throttle.note(user, service, wait).await;
    }

    fn throttle(&self) -> (&Throttle, &UserKey) {
        match self {
            Self::OnBehalfOf(credential) => credential.throttle(),
            Self::Developer(credential) => credential.throttle(),
        }
    }
}

#[async_trait::async_trait]
impl TokenCredential for CallCredential {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        self.token(scopes).await.map_err(|error| {
            azure_core::Error::new(azure_core::error::ErrorKind::Credential, error)
        })
    }
}
