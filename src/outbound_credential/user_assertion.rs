//! The caller's token, verified: the user assertion of the on-behalf-of exchange.
//!
//! What can be refused without a request is refused first: form, algorithm, audience, issuer, tenant, times,
//! user and scope. Then `openidconnect` checks the signature with the tenant's published keys, and issuer,
//! audience and expiry once more. A token that passed is not verified again until it expires.
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
    refreshing_cache::{Perishable, RefreshingCache},
    signing_keys::SigningKeys,
};
use crate::{
    outbound::CallBudget,
    settings::{CallerIdentity, TenantId},
};

/// The largest token that is read, in bytes: what Kestrel accepts as headers altogether.
const MAX_TOKEN: usize = 32 * 1024;
/// How far clocks may differ.
const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// How many verified tokens are remembered.
const CAPACITY: u64 = 20_000;

/// SHA-256 of a token, which stands for it wherever the token itself is not needed.
pub type TokenDigest = [u8; 32];

/// A verified token of a user for this app.
pub struct UserAssertion {
    /// The token.
    pub token: Secret,
    /// Its digest.
    pub digest: TokenDigest,
    /// The tenant that issued it.
    pub tenant: TenantId,
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
    /// By source too: what an id token need not have, an access token must.
    verified: RefreshingCache<(TokenSource, TokenDigest), TenantId>,
}

/// What a caller's token is held against.
#[derive(Debug)]
struct Checks {
    audiences: Vec<String>,
    scope: String,
    keys: SigningKeys,
}

/// A token's claims, as far as they matter here.
#[derive(Clone, Debug, Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    tid: String,
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

/// A token that is in form and says that it is for this app, and nothing more.
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
                keys: SigningKeys::new(&identity.authority, &identity.allowed_tenants),
            }),
            verified: RefreshingCache::new(CAPACITY),
        }
    }

    /// The user assertion among the caller's tokens: the first whose audience is this app.
    pub async fn verify(
        &self,
        principal: &Principal<'_>,
        budget: &Arc<CallBudget>,
    ) -> Result<UserAssertion, Error> {
        let mut refusal = None;
        for &(source, token) in &principal.tokens {
            let digest: TokenDigest = Sha256::digest(token).into();
            let tenant = match self.verified.peek(&(source, digest)).await {
                Some(tenant) => tenant,
                None => match self.checks.read(source, token) {
                    Ok(unverified) => self.check(unverified, digest, budget).await?,
                    Err(error) => {
                        refusal.get_or_insert(error);
                        continue;
                    }
                },
            };
            if tenant != principal.tenant {
                return Err(refused("the token is another tenant's than the principal"));
            }
            return Ok(UserAssertion {
                token: Secret::new(token.to_owned()),
                digest,
                tenant,
            });
        }
        Err(refusal.unwrap_or_else(|| Error::new(Kind::NotSignedIn, "no token")))
    }

    async fn check(
        &self,
        unverified: Unverified<'_>,
        digest: TokenDigest,
        budget: &Arc<CallBudget>,
    ) -> Result<TenantId, Error> {
        let tenant = self.checks.claims(&unverified)?;
        let key_id = jose_header(unverified.token)?.kid;
        let checks = self.checks.clone();
        let token = Secret::new(unverified.token.to_owned());
        let claims = unverified.claims;
        let budget = budget.clone();
        self.verified
            .get((unverified.source, digest), || async move {
                let keys = checks.keys.get(&tenant, &key_id, &budget).await?;
                verify_signature(token.secret(), &claims, &keys)?;
                let expires_on = UNIX_EPOCH + Duration::from_secs(claims.exp) + CLOCK_SKEW;
                Ok(Perishable {
                    value: tenant,
                    refresh_on: expires_on,
                    expires_on,
                })
            })
            .await
    }
}

impl Checks {
    /// Reads a token's claims without believing them; an error when it is not for this app.
    fn read<'a>(&self, source: TokenSource, token: &'a str) -> Result<Unverified<'a>, Error> {
        if token.len() > MAX_TOKEN {
            return Err(refused("the token is too large"));
        }
        let claims: Claims = part(token, 1).ok_or_else(|| refused("the token is not a JWT"))?;
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

    /// Checks everything but the signature; gives the token's tenant.
    fn claims(
        &self,
        Unverified {
            token,
            source,
            claims,
        }: &Unverified<'_>,
    ) -> Result<TenantId, Error> {
        let header = jose_header(token)?;
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
        self.user(*source, claims)?;
        Ok(tenant)
    }

    /// A user's access token has a scope. An id token has none, and no client but this app either.
    fn user(&self, source: TokenSource, claims: &Claims) -> Result<(), Error> {
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

/// Claims of Entra ID beyond those of OpenID Connect; none of them is read from here.
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
    // An access token answers no sign-in request of ours, so there is no nonce to compare.
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

fn jose_header(token: &str) -> Result<JoseHeader, Error> {
    part(token, 0).ok_or_else(|| refused("the token's header lacks an algorithm or a key id"))
}

/// Decodes one of the three parts of a JWT.
fn part<T: for<'de> Deserialize<'de>>(token: &str, index: usize) -> Option<T> {
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
