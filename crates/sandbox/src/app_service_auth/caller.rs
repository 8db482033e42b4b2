//! The caller of a request, and the headers that tell the app about the caller.
//!
//! Source: "Work with user identities in Azure App Service authentication".

use std::fmt;

use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{AppServiceAuth, session};
use crate::{
    directory::{MCP_SERVER, PRE_AUTHORIZED_CLIENTS},
    tenant::{AccessTokenClaims, Tenant, TokenRefusal},
};

const PRINCIPAL: HeaderName = HeaderName::from_static("x-ms-client-principal");
const PRINCIPAL_ID: HeaderName = HeaderName::from_static("x-ms-client-principal-id");
const PRINCIPAL_NAME: HeaderName = HeaderName::from_static("x-ms-client-principal-name");
const PRINCIPAL_PROVIDER: HeaderName = HeaderName::from_static("x-ms-client-principal-idp");
const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-ms-token-aad-access-token");
const ID_TOKEN: HeaderName = HeaderName::from_static("x-ms-token-aad-id-token");
const EXPIRES_ON: HeaderName = HeaderName::from_static("x-ms-token-aad-expires-on");

/// A caller who is allowed to call the app.
pub(super) struct Caller {
    claims: AccessTokenClaims,
    tokens: Vec<(HeaderName, String)>,
}

/// Why a request is refused.
pub(super) enum Refusal {
    NotSignedIn,
    SessionUnknown,
    Token(TokenRefusal),
    /// The token was issued to an application that is not allowed: its client id, if the token has one.
    Application(Option<String>),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSignedIn => f.write_str("no bearer token"),
            Self::SessionUnknown => f.write_str("no bearer token, and the session is not known"),
            Self::Token(TokenRefusal::Audience) => {
                f.write_str("the token's audience is not one of allowedAudiences")
            }
            Self::Token(refusal) => refusal.fmt(f),
            Self::Application(client) => write!(
                f,
                "the token was issued to {}, which is not one of allowedApplications",
                client.as_deref().unwrap_or("an unnamed application")
            ),
        }
    }
}

impl AppServiceAuth {
    /// Identifies the caller by the bearer token or, without one, by the browser's session.
    pub(super) fn identify_caller(&self, request: &HttpRequest) -> Result<Caller, Refusal> {
        if let Some(token) = bearer_token(request) {
            return self.verify_caller(token);
        }
        let cookie = request
            .cookie(session::COOKIE)
            .ok_or(Refusal::NotSignedIn)?;
        let session = self
            .sessions
            .find(cookie.value())
            .ok_or(Refusal::SessionUnknown)?;
        Ok(Caller {
            claims: session.claims,
            tokens: vec![
                (ACCESS_TOKEN, session.tokens.access_token),
                (ID_TOKEN, session.tokens.id_token),
                (EXPIRES_ON, session.tokens.expires_on),
            ],
        })
    }

    fn verify_caller(&self, token: &str) -> Result<Caller, Refusal> {
        let claims = self
            .tenant
            .verify_access_token(token)
            .map_err(Refusal::Token)?;
        let client = claims.authorized_party();
        let is_allowed = std::iter::once(&MCP_SERVER)
            .chain(&PRE_AUTHORIZED_CLIENTS)
            .any(|allowed| Some(allowed.client_id) == client);
        if !is_allowed {
            return Err(Refusal::Application(client.map(str::to_owned)));
        }
        Ok(Caller::with_token(claims, token))
    }
}

fn bearer_token(request: &HttpRequest) -> Option<&str> {
    let (scheme, token) = request
        .headers()
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

impl Caller {
    fn with_token(claims: AccessTokenClaims, token: &str) -> Self {
        Self {
            claims,
            tokens: vec![(ACCESS_TOKEN, token.to_owned())],
        }
    }

    /// Sets the headers that tell the app about the caller, and removes any that the client sent itself.
    pub(super) fn set_headers(self, headers: &mut HeaderMap) {
        let forged: Vec<_> = headers
            .keys()
            .filter(|name| name.as_str().starts_with("x-ms-"))
            .cloned()
            .collect();
        for name in forged {
            headers.remove(name);
        }
        for (name, value) in self.headers() {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }

    fn headers(self) -> impl Iterator<Item = (HeaderName, String)> {
        let claim = |name| self.claims.get(name).unwrap_or_default().to_owned();
        let identity = [
            (PRINCIPAL, client_principal(&self.claims)),
            (PRINCIPAL_ID, claim("oid")),
            (PRINCIPAL_NAME, claim("preferred_username")),
            (PRINCIPAL_PROVIDER, "aad".to_owned()),
        ];
        identity.into_iter().chain(self.tokens)
    }
}

/// The headers that tell the app who sent this access token.
///
/// # Errors
/// Why the token is not accepted.
pub fn caller_headers(
    tenant: &Tenant,
    token: &str,
) -> Result<impl Iterator<Item = (HeaderName, String)>, TokenRefusal> {
    let claims = tenant.verify_access_token(token)?;
    Ok(Caller::with_token(claims, token).headers())
}

/// The value of `X-MS-CLIENT-PRINCIPAL`.
fn client_principal(claims: &AccessTokenClaims) -> String {
    let principal = json!({
        "auth_typ": "aad",
        "claims": user_claims(claims),
        "name_typ": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
        "role_typ": "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
    });
    BASE64_STANDARD.encode(principal.to_string())
}

/// The claims as the app sees them: under .NET's long names, where .NET has one.
pub(super) fn user_claims(claims: &AccessTokenClaims) -> Vec<Value> {
    claims
        .iter()
        .map(|(name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            json!({ "typ": long_name(name), "val": value })
        })
        .collect()
}

fn long_name(claim: &str) -> &str {
    match claim {
        "email" => "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
        "oid" => "http://schemas.microsoft.com/identity/claims/objectidentifier",
        "tid" => "http://schemas.microsoft.com/identity/claims/tenantid",
        "scp" => "http://schemas.microsoft.com/identity/claims/scope",
        "sub" => "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier",
        "roles" => "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
        other => other,
    }
}
