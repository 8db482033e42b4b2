//! The developer's own identity, for local runs: Azure CLI, Azure Developer CLI, then Azure PowerShell.
//!
//! Each of these starts a process per token, so tokens are remembered.

use std::{
    borrow::Cow,
    fmt,
    process::Stdio,
    time::{Duration, SystemTime},
};

use azure_core::{
    credentials::{AccessToken, Secret, TokenCredential},
    error::ErrorKind,
    time::OffsetDateTime,
};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential,
    AzureDeveloperCliCredentialOptions,
};
use serde::Deserialize;
use tokio::process::Command;

use super::{
    error::{Error, Kind},
    refreshing_cache::{Expiring, RefreshingCache},
    throttle::Throttle,
    user_assertion::UserKey,
};
use crate::identity::TenantId;

/// How many sets of scopes are remembered.
const CAPACITY: u64 = 100;
/// The time-out of one tool.
const TOOL_TIMEOUT: Duration = Duration::from_secs(15);

/// A credential of the developer who is signed in to a command-line tool.
#[derive(Debug)]
pub struct DeveloperCredential {
    tenant: Option<TenantId>,
    tokens: RefreshingCache<String, AccessToken>,
    throttle: Throttle,
}

impl DeveloperCredential {
    /// A credential in `tenant`, or in the tool's default tenant.
    pub fn new(tenant: Option<TenantId>) -> Self {
        Self {
            tenant,
            tokens: RefreshingCache::new(CAPACITY),
            throttle: Throttle::new(),
        }
    }

    /// The waits that services ask for. There is one developer, so one key.
    pub fn throttle(&self) -> (&Throttle, &UserKey) {
        (&self.throttle, &[0; 16])
    }

    /// Forgets the token for `scope`: the next call asks the tools again.
    pub async fn forget(&self, scope: &str) {
        self.tokens.forget(&scope.to_owned()).await;
    }

    /// A token for `scope` in place of `refused`, which a service did not accept.
    pub async fn token_in_place_of(
        &self,
        refused: &AccessToken,
        scope: &str,
    ) -> Result<AccessToken, Error> {
        self.tokens
            .forget_if(&scope.to_owned(), |token| token.token == refused.token)
            .await;
        self.token(scope).await
    }

    /// A token for `scope`.
    pub async fn token(&self, scope: &str) -> Result<AccessToken, Error> {
        self.tokens
            .get(scope.to_owned(), || {
                fetch(self.tenant.clone(), scope.to_owned())
            })
            .await
    }
}

async fn fetch(tenant: Option<TenantId>, scope: String) -> Result<Expiring<AccessToken>, Error> {
    let mut refusals = Vec::new();
    for tool in [
        AzureTool::Cli,
        AzureTool::DeveloperCli,
        AzureTool::PowerShell,
    ] {
        let attempt = tokio::time::timeout(TOOL_TIMEOUT, tool.token(tenant.as_ref(), &scope));
        match attempt.await {
            Ok(Ok(token)) => return Ok(until_it_ends(token)),
            Ok(Err(error)) => refusals.push(format!("{tool}: {}", first_line(&error.to_string()))),
            Err(_) => refusals.push(format!("{tool}: no answer in {} s", TOOL_TIMEOUT.as_secs())),
        }
    }
    Err(Error::new(Kind::DeveloperSignIn, refusals.join("; ")))
}

fn until_it_ends(token: AccessToken) -> Expiring<AccessToken> {
    let now = SystemTime::now();
    let end = SystemTime::from(token.expires_on);
    let lifetime = end.duration_since(now).unwrap_or_default();
    let token = Expiring::token(token, now, lifetime, None);
    // A tool returns the token that it has until that token expires, so there is no point in renewing it earlier.
    Expiring::until(token.value, token.expires_on)
}

fn first_line(text: &str) -> String {
    text.trim()
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}

#[derive(Clone, Copy)]
enum AzureTool {
    Cli,
    DeveloperCli,
    PowerShell,
}

impl fmt::Display for AzureTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cli => "Azure CLI",
            Self::DeveloperCli => "Azure Developer CLI",
            Self::PowerShell => "Azure PowerShell",
        })
    }
}

impl AzureTool {
    async fn token(
        self,
        tenant: Option<&TenantId>,
        scope: &str,
    ) -> azure_core::Result<AccessToken> {
        let tenant_id = tenant.map(ToString::to_string);
        match self {
            Self::Cli => {
                let options = AzureCliCredentialOptions {
                    tenant_id,
                    ..Default::default()
                };
                AzureCliCredential::new(Some(options))?
                    .get_token(&[scope], None)
                    .await
            }
            Self::DeveloperCli => {
                let options = AzureDeveloperCliCredentialOptions {
                    tenant_id,
                    ..Default::default()
                };
                AzureDeveloperCliCredential::new(Some(options))?
                    .get_token(&[scope], None)
                    .await
            }
            Self::PowerShell => powershell_token(tenant, scope).await,
        }
    }
}

#[derive(Deserialize)]
struct PowerShellToken {
    token: Secret,
    expires_on: i64,
}

/// Asks `Get-AzAccessToken`, whose token is a secure string from Az.Accounts 5 on.
///
/// Source: <https://learn.microsoft.com/powershell/module/az.accounts/get-azaccesstoken>.
const POWERSHELL_SCRIPT: &str = "\
$ErrorActionPreference = 'Stop'; \
$request = @{ ResourceUrl = $env:HANDLER_TOKEN_RESOURCE; WarningAction = 'SilentlyContinue' }; \
if ($env:HANDLER_TOKEN_TENANT) { $request.TenantId = $env:HANDLER_TOKEN_TENANT }; \
$t = Get-AzAccessToken @request; \
$s = $t.Token; \
if ($s -is [securestring]) { $s = [System.Net.NetworkCredential]::new('', $s).Password }; \
@{ token = $s; expires_on = $t.ExpiresOn.ToUnixTimeSeconds() } | ConvertTo-Json -Compress";

/// The script is constant, and its parameters are environment variables: PowerShell ends a string at several kinds of
/// quotation mark, and text after such a mark would be run.
fn powershell(tenant: Option<&TenantId>, scope: &str) -> Command {
    let resource = scope.strip_suffix("/.default").unwrap_or(scope);
    let mut command = Command::new("pwsh");
    command
        .args([
            "-NoProfile",
            "-NonInteractive",
            "-Command",
            POWERSHELL_SCRIPT,
        ])
        .env("HANDLER_TOKEN_RESOURCE", resource)
        .env("HANDLER_TOKEN_TENANT", tenant.map_or("", TenantId::as_str));
    command
}

async fn powershell_token(
    tenant: Option<&TenantId>,
    scope: &str,
) -> azure_core::Result<AccessToken> {
    let output = powershell(tenant, scope)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|_| credential_error("pwsh is not on the PATH"))?;
    if !output.status.success() {
        return Err(credential_error(first_line(&String::from_utf8_lossy(
            &output.stderr,
        ))));
    }
    let token: PowerShellToken = serde_json::from_slice(&output.stdout)
        .map_err(|_| credential_error("Get-AzAccessToken gave something unreadable"))?;
    let expires_on = OffsetDateTime::from_unix_timestamp(token.expires_on)
        .map_err(|_| credential_error("Get-AzAccessToken gave an impossible time"))?;
    Ok(AccessToken::new(token.token, expires_on))
}

fn credential_error(message: impl Into<Cow<'static, str>>) -> azure_core::Error {
    azure_core::Error::with_message(ErrorKind::Credential, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_scope_becomes_a_part_of_the_script() {
        // PowerShell ends a string at any of these.
        for quote in ["'", "\u{2018}", "\u{2019}", "\u{201a}", "\u{201b}"] {
            let scope = format!("api://a{quote}; Remove-Item *; {quote}/.default");
            let command = powershell(None, &scope);
            let command = command.as_std();
            let arguments: Vec<_> = command.get_args().collect();
            assert_eq!(
                arguments,
                [
                    "-NoProfile",
                    "-NonInteractive",
                    "-Command",
                    POWERSHELL_SCRIPT
                ]
            );
            let resource = command
                .get_envs()
                .find(|(name, _)| *name == "HANDLER_TOKEN_RESOURCE")
                .and_then(|(_, value)| value?.to_str());
            assert_eq!(resource, scope.strip_suffix("/.default"));
        }
    }
}
