//! Redeems authorization codes for tokens. The app authenticates with a token of its managed identity, as the setting
//! `OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID` requires.
//!
//! Source: "Use a managed identity instead of a secret" of App Service Authentication; RFC 7523.

use std::time::Duration;

use reqwest::{Response, header::USER_AGENT};
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{AppServiceAuth, session::StoredTokens};
use crate::{
    directory::{FEDERATED_CREDENTIAL, MANAGED_IDENTITY, MCP_SERVER},
    events::Party,
};

/// The service that refused the redemption, with its reason.
pub(super) enum RedemptionError {
    ManagedIdentity(String),
    Entra(String),
}

#[derive(Deserialize)]
struct Assertion {
    access_token: String,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    id_token: String,
    /// Seconds.
    expires_in: u64,
}

impl AppServiceAuth {
    /// Redeems the code that was sent to `redirect_uri`.
    pub(super) async fn redeem(
        &self,
        code: &str,
        redirect_uri: &str,
    ) -> Result<StoredTokens, RedemptionError> {
        let assertion = self
            .request_client_assertion()
            .await
            .map_err(RedemptionError::ManagedIdentity)?;
        let tokens = self
            .request_tokens(code, redirect_uri, &assertion)
            .await
            .map_err(RedemptionError::Entra)?;
        let expires_on = OffsetDateTime::now_utc() + Duration::from_secs(tokens.expires_in);
        Ok(StoredTokens {
            access_token: tokens.access_token,
            id_token: tokens.id_token,
            expires_on: expires_on.format(&Rfc3339).unwrap_or_default(),
        })
    }

    async fn request_client_assertion(&self) -> Result<String, String> {
        let response = self
            .client
            .get(&self.tenant.addresses.identity_endpoint)
            .query(&[
                ("api-version", "2019-08-01"),
                ("resource", FEDERATED_CREDENTIAL.audience),
                ("client_id", MANAGED_IDENTITY.client_id),
            ])
            .header("X-IDENTITY-HEADER", self.tenant.identity_header())
            .header(USER_AGENT, Party::APP_SERVICE_AUTH_USER_AGENT)
            .send()
            .await;
        let Assertion { access_token } = read_body(response).await?;
        Ok(access_token)
    }

    async fn request_tokens(
        &self,
        code: &str,
        redirect_uri: &str,
        assertion: &str,
    ) -> Result<Tokens, String> {
        let response = self
            .client
            .post(self.entra("token"))
            .form(&[
                ("grant_type", "authorization_code"),
                ("client_id", MCP_SERVER.client_id),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ),
                ("client_assertion", assertion),
                ("code", code),
                ("redirect_uri", redirect_uri),
            ])
            .header(USER_AGENT, Party::APP_SERVICE_AUTH_USER_AGENT)
            .send()
            .await;
        read_body(response).await
    }
}

/// The error body of either service.
#[derive(Deserialize)]
struct Failure {
    #[serde(alias = "message")]
    error_description: String,
}

/// Reads the body of a successful response, or the reason of a failure.
async fn read_body<T: for<'a> Deserialize<'a>>(
    response: reqwest::Result<Response>,
) -> Result<T, String> {
    let broken = |error: reqwest::Error| error.to_string();
    let response = response.map_err(broken)?;
    let status = response.status();
    let text = response.bytes().await.map_err(broken)?;
    if status.is_success() {
        serde_json::from_slice(&text).map_err(|_| "its answer is not the expected JSON".to_owned())
    } else {
        Err(serde_json::from_slice(&text).map_or_else(
            |_| format!("status {status}"),
            |Failure { error_description }| error_description,
        ))
    }
}
