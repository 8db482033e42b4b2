//! The caller's token, verified: the user assertion of the on-behalf-of exchange.
//!
//! Checks that need no request come first: form, algorithm, audience, issuer, tenant, times,
//! user and scope. Then `openidconnect` checks the signature with the tenant's published keys, and issuer,
//! audience and expiry once more. A token that passed is not verified again until it expires, or for an hour.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens>.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use azure_core::credentials::Secret;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use openidconnect::{
    AdditionalClaims, ClaimsVerificationError, ClientId, IdToken, IdTokenVerifier, IssuerUrl,
    Nonce, SignatureVerificationError,
    core::{
        CoreGenderClaim, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    },
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    app_service_auth::{Principal, TokenSource},
    error::{Error, Kind},
    refreshing_cache::{Expiring, RefreshingCache},
    signing_keys::SigningKeys,
};
use crate::{
    failure::sanitized,
    http::Http,
    identity::{CallerIdentity, TenantId},
};

/// The largest token that is read, in bytes: Kestrel accepts no more in all headers together.
const MAX_TOKEN: usize = 32 * 1024;
/// The most that clocks may differ.
const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// How long a verified token is remembered: its key may be withdrawn before it expires.
const LONGEST_MEMORY: Duration = Duration::from_secs(3600);
/// How many verified tokens are remembered.
const CAPACITY: u64 = 20_000;

/// The SHA-256 digest that stands for a token wherever the token itself is not needed.
pub type TokenDigest = [u8; 32];

/// A user's key, the same for all their tokens: a digest of the tenant and the user's id in it.
pub type UserKey = [u8; 16];

/// A verified token of a user for this app.
pub struct UserAssertion {
    /// The token.
    pub token: Secret,
    /// Its digest.
    pub digest: TokenDigest,
    /// The tenant that issued it.
    pub tenant: TenantId,
    /// The key of its user.
    pub user: UserKey,
}

impl fmt::Debug for UserAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserAssertion")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// Verifies callers' tokens.
#[derive(Debug)]
pub struct Verifier {
    checks: Arc<Checks>,
    accepts_id_tokens: bool,
    /// The source is part of the key, since an id token need not have all claims of an access token.
    verified: RefreshingCache<(TokenSource, TokenDigest), Caller>,
}

/// The caller that a verified token names.
#[derive(Clone, Debug)]
struct Caller {
    tenant: TenantId,
    user: UserKey,
}

/// The requirements that a caller's token must meet.
#[derive(Debug)]
struct Checks {
    audiences: Vec<String>,
    scope: String,
    /// Client ids; if it is empty, any client may call.
    allowed_clients: Vec<String>,
    keys: SigningKeys,
}

/// The claims of a token that are checked.
#[derive(Clone, Debug, Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    tid: String,
    oid: Option<String>,
    sub: Option<String>,
    exp: u64,
    #[serde(default)]
    nbf: u64,
    scp: Option<String>,
    idtyp: Option<String>,
    azp: Option<String>,
    appid: Option<String>,
}

#[derive(Deserialize)]
struct JoseHeader {
    alg: String,
    kid: String,
    typ: Option<String>,
}

/// A token that is well-formed and names this app as its audience. Nothing else of it has been checked.
struct Unverified<'a> {
    token: &'a str,
    source: TokenSource,
    claims: Claims,
}

impl Verifier {
    /// A verifier of tokens for the app that `identity` describes.
    pub fn new(identity: &CallerIdentity) -> Self {
        Self {
            checks: Arc::new(Checks {
                audiences: identity.audiences.clone(),
                scope: identity.scope.clone(),
                allowed_clients: identity.allowed_clients.clone(),
                keys: SigningKeys::new(&identity.authority, &identity.allowed_tenants),
            }),
            accepts_id_tokens: identity.accepts_id_tokens,
            verified: RefreshingCache::new(CAPACITY),
        }
    }

    /// The user assertion among the caller's tokens: the first whose audience is this app.
    pub async fn verify(
        &self,
        principal: &Principal<'_>,
        http: &Http,
    ) -> Result<UserAssertion, Error> {
        let mut refusal = None;
        for &(source, token) in &principal.tokens {
            if source == TokenSource::IdToken && !self.accepts_id_tokens {
                continue;
            }
            let digest: TokenDigest = Sha256::digest(token).into();
            let caller = match self.verified.peek(&(source, digest)).await {
                Some(caller) => caller,
                None => match self.checks.parse(source, token) {
                    Ok(unverified) => self.verify_once(unverified, digest, http).await?,
                    Err(error) => {
                        refusal.get_or_insert(error);
                        continue;
                    }
                },
            };
            if caller.tenant != principal.tenant {
                return Err(refused("the token is another tenant's than the principal"));
            }
            return Ok(UserAssertion {
                token: Secret::new(token.to_owned()),
                digest,
                tenant: caller.tenant,
                user: caller.user,
            });
        }
        let id_token_only = || Error::new(Kind::NotSignedIn, "no access token, only an id token");
        Err(refusal.unwrap_or_else(id_token_only))
    }

    async fn verify_once(
        &self,
        unverified: Unverified<'_>,
        digest: TokenDigest,
        http: &Http,
    ) -> Result<Caller, Error> {
        let tenant = self.checks.check_claims(&unverified)?;
        let key_id = read_jose_header(unverified.token)?.kid;
        let checks = self.checks.clone();
        let token = Secret::new(unverified.token.to_owned());
        let claims = unverified.claims;
        let http = http.clone();
        self.verified
            .get((unverified.source, digest), || async move {
                let keys = checks.keys.get(&tenant, &key_id, &http).await?;
                verify_signature(token.secret(), &claims, &keys)?;
                let caller = Caller {
                    user: user_key(&claims),
                    tenant,
                };
                let end = remembered_until(claims.exp, SystemTime::now());
                Ok(Expiring::until(caller, end))
            })
            .await
    }
}

impl Checks {
    /// Reads a token's claims, which are not verified yet. It is an error when the audience is not this app.
    fn parse<'a>(&self, source: TokenSource, token: &'a str) -> Result<Unverified<'a>, Error> {
        if token.len() > MAX_TOKEN {
            return Err(refused("the token is too large"));
        }
        let claims: Claims =
            decode_part(token, 1).ok_or_else(|| refused("the token is not a JWT"))?;
        if !self.audiences.contains(&claims.aud) {
            return Err(Error::new(
                Kind::WrongAudience,
                "the token's audience is not this app",
            ));
        }
        Ok(Unverified {
            token,
            source,
            claims,
        })
    }

    /// Checks everything but the signature, and returns the token's tenant.
    fn check_claims(
        &self,
        Unverified {
            token,
            source,
            claims,
        }: &Unverified<'_>,
    ) -> Result<TenantId, Error> {
        let header = read_jose_header(token)?;
        if header.alg != "RS256" {
            return Err(refused("the token's algorithm is not RS256"));
        }
        if header
            .typ
            .is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT"))
        {
            return Err(refused("the token's type is not JWT"));
        }
        let tenant: TenantId = claims
            .tid
            .parse()
            .map_err(|_| refused("the token's tenant is not a GUID"))?;
        let issuer = self
            .keys
            .issuer(&tenant)
            .ok_or_else(|| Error::new(Kind::TenantNotAllowed, format!("tenant {tenant}")))?;
        if claims.iss != issuer.as_str() {
            return Err(refused(
                "the token's issuer is not its tenant's v2.0 issuer",
            ));
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        if Duration::from_secs(claims.exp) <= now.saturating_sub(CLOCK_SKEW) {
            return Err(Error::new(Kind::TokenExpired, "the token has expired"));
        }
        if Duration::from_secs(claims.nbf) > now + CLOCK_SKEW {
            return Err(refused("the token is not valid yet"));
        }
        self.check_user(*source, claims)?;
        self.check_client(*source, claims)?;
        Ok(tenant)
    }

    /// Checks the client that requested the token: `azp` in tokens of version 2, `appid` before. An id token names its
    /// client as the audience.
    fn check_client(&self, source: TokenSource, claims: &Claims) -> Result<(), Error> {
        let itself = (source == TokenSource::IdToken).then_some(&claims.aud);
        let client = claims.azp.as_ref().or(claims.appid.as_ref()).or(itself);
        let is_allowed = |client: &String| {
            let mut allowed = self.allowed_clients.iter();
            allowed.any(|allowed| allowed.eq_ignore_ascii_case(client))
        };
        if self.allowed_clients.is_empty() || client.is_some_and(is_allowed) {
            return Ok(());
        }
        let client = client.map(|client| sanitized(client)).unwrap_or_default();
        Err(Error::new(
            Kind::ClientNotAllowed,
            format!("client {client}"),
        ))
    }

    /// Checks that the token is a user's. A user's access token has a scope; an id token has none, and names no client.
    fn check_user(&self, source: TokenSource, claims: &Claims) -> Result<(), Error> {
        if claims.idtyp.as_deref() == Some("app") {
            return Err(Error::new(Kind::AppOnlyCaller, "the token's idtyp is app"));
        }
        match &claims.scp {
            Some(scopes) if scopes.split(' ').any(|scope| scope == self.scope) => Ok(()),
            Some(_) => Err(refused("the token lacks the app's scope")),
            None if source == TokenSource::IdToken
                && claims.azp.is_none()
                && claims.appid.is_none() =>
            {
                Ok(())
            }
            None => Err(Error::new(Kind::AppOnlyCaller, "the token has no scope")),
        }
    }
}

/// Entra ID's own claims, beyond those of OpenID Connect: none is read by `openidconnect`.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct NoAdditionalClaims {}

impl AdditionalClaims for NoAdditionalClaims {}

type Jwt = IdToken<
    NoAdditionalClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

fn verify_signature(token: &str, claims: &Claims, keys: &CoreJsonWebKeySet) -> Result<(), Error> {
    let jwt: Jwt = token
        .parse()
        .map_err(|_| refused("the token's claims are unreadable"))?;
    let issuer = IssuerUrl::new(claims.iss.clone())
        .map_err(|_| refused("the token's issuer is not a URL"))?;
    let verifier =
        IdTokenVerifier::new_public_client(ClientId::new(claims.aud.clone()), issuer, keys.clone())
            .set_allowed_algs([CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256])
            .allow_all_jose_types()
            .set_time_fn(|| (SystemTime::now() - CLOCK_SKEW).into());
    // An access token does not answer a sign-in request of this app, so there is no nonce to compare.
    let no_nonce = |_: Option<&Nonce>| Ok(());
    jwt.claims(&verifier, no_nonce)
        .map_err(|error| match error {
            ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            ) => refused("the token is signed with a key that its tenant does not publish"),
            ClaimsVerificationError::SignatureVerification(_) => {
                refused("the token's signature is wrong")
            }
            ClaimsVerificationError::Expired(_) => {
                Error::new(Kind::TokenExpired, "the token has expired")
            }
            _ => refused("the token's claims do not hold"),
        })?;
    Ok(())
}

fn user_key(claims: &Claims) -> UserKey {
    let id = claims.oid.as_ref().or(claims.sub.as_ref());
    let digest = Sha256::digest(format!("{} {}", claims.tid, id.map_or("", String::as_str)));
    let mut key = UserKey::default();
    key.copy_from_slice(&digest[..16]);
    key
}

/// How long a token that expires at `exp` need not be verified again.
fn remembered_until(exp: u64, now: SystemTime) -> SystemTime {
    let longest = now + LONGEST_MEMORY;
    let expiry = UNIX_EPOCH.checked_add(Duration::from_secs(exp).saturating_add(CLOCK_SKEW));
    expiry.map_or(longest, |expiry| expiry.min(longest))
}

fn read_jose_header(token: &str) -> Result<JoseHeader, Error> {
    decode_part(token, 0)
        .ok_or_else(|| refused("the token's header lacks an algorithm or a key id"))
}

/// Decodes one of the three parts of a JWT.
fn decode_part<T: for<'de> Deserialize<'de>>(token: &str, index: usize) -> Option<T> {
    let mut parts = token.split('.');
    let part = parts.clone().nth(index)?;
    if parts.by_ref().count() != 3 {
        return None;
    }
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn refused(detail: &str) -> Error {
    Error::new(Kind::TokenRefused, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        identity::Identity,
        settings::{Settings, names},
    };

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";

    fn checks(settings: &[(&str, &str)]) -> Checks {
        let base = [
            (names::PORT, "1"),
            (names::IDENTITY_ENDPOINT, "http://127.0.0.1:1/"),
            (names::CLIENT_ID, "app"),
            (names::MANAGED_IDENTITY_CLIENT_ID, "identity"),
            (names::ALLOWED_TENANTS, TENANT),
            (names::HOSTNAME, "app.azurewebsites.net"),
        ];
        let settings = Settings::from_lookup(|name| {
            let given = settings.iter().chain(&base).find(|(key, _)| *key == name);
            given.map(|(_, value)| (*value).to_owned())
        });
        let Identity::Caller(identity) = settings.unwrap().identity else {
            panic!("developer credentials in Azure");
        };
        let Ok(checks) = Arc::try_unwrap(Verifier::new(&identity).checks) else {
            panic!("the checks are shared");
        };
        checks
    }

    fn refusal(checks: &Checks, source: TokenSource, changes: serde_json::Value) -> Option<Kind> {
        let mut claims = serde_json::json!({
            "aud": "app", "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "tid": TENANT,
            "exp": 4_000_000_000_u64, "scp": "user_impersonation", "azp": "Client",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let part = |json: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let header = serde_json::json!({ "alg": "RS256", "kid": "k" });
        let token = format!("{}.{}.", part(header), part(claims));
        let outcome = checks
            .parse(source, &token)
            .and_then(|token| checks.check_claims(&token));
        outcome.err().map(|error| error.kind().clone())
    }

    fn refusal_of_an_access_token(checks: &Checks, changes: serde_json::Value) -> Option<Kind> {
        refusal(checks, TokenSource::Authorization, changes)
    }

    #[test]
    fn a_token_for_any_name_of_this_app_is_for_this_app() {
        let scopes = "https://app.azurewebsites.net/runtime/webhooks/mcp/user_impersonation, \
                      api://contoso/mcp/user_impersonation";
        let checks = checks(&[(names::DEFAULT_SCOPES, scopes)]);
        for audience in [
            "app",
            "api://app",
            "api://contoso/mcp",
            "https://app.azurewebsites.net/runtime/webhooks/mcp",
            "https://app.azurewebsites.net",
        ] {
            let aud = serde_json::json!({ "aud": audience });
            assert_eq!(refusal_of_an_access_token(&checks, aud), None, "{audience}");
        }
        for audience in [
            "https://graph.microsoft.com",
            "https://app.azurewebsites.net/",
            "APP",
        ] {
            let aud = serde_json::json!({ "aud": audience });
            assert_eq!(
                refusal_of_an_access_token(&checks, aud),
                Some(Kind::WrongAudience),
                "{audience}"
            );
        }
    }

    #[test]
    fn a_client_is_held_against_the_list_where_there_is_one() {
        let azp = |client: serde_json::Value| serde_json::json!({ "azp": client });
        let any = checks(&[]);
        assert_eq!(refusal_of_an_access_token(&any, azp("other".into())), None);

        let listed = checks(&[(names::ALLOWED_CLIENTS, "editor, client")]);
        assert_eq!(
            refusal_of_an_access_token(&listed, azp("CLIENT".into())),
            None
        );
        for client in ["other".into(), serde_json::Value::Null] {
            let refusal = refusal_of_an_access_token(&listed, azp(client));
            assert_eq!(refusal, Some(Kind::ClientNotAllowed));
        }
        let v1 = serde_json::json!({ "azp": null, "appid": "editor" });
        assert_eq!(refusal_of_an_access_token(&listed, v1), None);
    }

    #[test]
    fn an_id_token_is_of_the_client_that_it_is_for() {
        let id_token = || serde_json::json!({ "azp": null, "scp": null });
        let others = checks(&[(names::ALLOWED_CLIENTS, "editor")]);
        let refused = refusal(&others, TokenSource::IdToken, id_token());
        assert_eq!(refused, Some(Kind::ClientNotAllowed));
        let itself = checks(&[(names::ALLOWED_CLIENTS, "editor,app")]);
        assert_eq!(refusal(&itself, TokenSource::IdToken, id_token()), None);
    }

    #[test]
    fn a_verified_token_is_remembered_until_it_expires_and_for_an_hour_at_most() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let soon = remembered_until(1_800_000_100, now);
        assert_eq!(soon, now + Duration::from_secs(100) + CLOCK_SKEW);
        for exp in [1_800_090_000, 7_889_238_000_000, u64::MAX] {
            assert_eq!(remembered_until(exp, now), now + LONGEST_MEMORY, "{exp}");
        }
    }
}
