//! The tenant's tokens: their claims, their signatures and their verification.
//!
//! Source: "Access token claims reference" of the Microsoft identity platform; RFC 7519 (JWT), RFC 7515 (JWS).

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Validation, errors::ErrorKind};
use rsa::sha2::{Digest, Sha256};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    clock::Clock, requested_claims::RequestedClaims, scope::Scopes, signing_keys::SigningKeys,
};
use crate::directory::{
    Application, ClientType, MANAGED_IDENTITY, MCP_SERVER, Permission, Person, TENANT_ID,
    audience_of,
};

/// Entra backdates its tokens by five minutes, to allow for slow clocks.
const BACKDATING: i64 = 300;

const IDENTITY_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

const ID_TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// In a Graph token: the claims challenge that the token was issued for. Entra's tokens have no such claim, since Entra
/// and Graph exchange critical events in other ways.
pub(crate) const CHALLENGE_CLAIM: &str = "sandbox_challenge";

/// The signer of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The tenant, with its newest key.
    Tenant,
    /// Another party, with its own key under the tenant's key id.
    Stranger,
    /// None: `alg` is `none` and the signature is empty.
    Nobody,
    /// A party that uses the tenant's public key in PEM as a secret: `alg` is `HS256`.
    PublicKeyAsSecret,
}

/// A token before it is signed. Tests start from a valid one and tamper with it.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenSpec {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signer: Signer,
}

impl TokenSpec {
    fn new(claims: Value) -> Self {
        let claims = match claims {
            Value::Object(claims) => claims,
            _ => Map::new(),
        };
        let header = Map::from_iter([("typ".to_owned(), "JWT".into())]);
        Self {
            header,
            claims,
            signer: Signer::Tenant,
        }
    }

    /// Sets a claim: `aud`, `iss`, `tid`, `nbf` or any other.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a claim.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets a member of the header: `typ`, `kid`, `alg` or any other. `kid` and `alg` are otherwise the signer's.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the expiry, in seconds from now; a negative number makes an expired token.
    pub fn expires_in(self, seconds: i64) -> Self {
        let issued_at = self
            .claims
            .get("iat")
            .and_then(Value::as_i64)
            .unwrap_or_default();
        self.claim("exp", issued_at + BACKDATING + seconds)
    }

    /// Turns it into the token of an application that acts for itself, without a user.
    pub fn app_only(self) -> Self {
        let service_principal = "b0f3c6d1-58e7-4a92-9d04-7c1e6a25f83b";
        self.without("scp")
            .without("name")
            .without("preferred_username")
            .claim("idtyp", "app")
            .claim("roles", json!(["Tools.Call"]))
            .claim("oid", service_principal)
            .claim("sub", service_principal)
    }

    /// Sets the signer.
    pub fn signed_by(self, signer: Signer) -> Self {
        Self { signer, ..self }
    }

    /// Ties an id token to the code that is sent with it, if one is (OpenID Connect Core, section 3.3.2.11).
    pub(crate) fn with_code(self, code: Option<&str>) -> Self {
        self.claim_if_some("c_hash", code.map(code_hash))
    }

    /// Adds the requested claims.
    pub(crate) fn requested(self, requested: RequestedClaims) -> Self {
        self.claim_if_some("xms_cc", requested.client_capabilities)
            .claim_if_some(CHALLENGE_CLAIM, requested.challenge)
    }

    fn claim_if_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.claim(name, value),
            None => self,
        }
    }

    /// When the token expires, in seconds since the epoch.
    pub(crate) fn expires_on(&self) -> i64 {
        self.claims
            .get("exp")
            .and_then(Value::as_i64)
            .unwrap_or_default()
    }
}

/// The claims of a token whose signature was verified.
#[derive(Clone, PartialEq)]
pub struct AccessTokenClaims(Map<String, Value>);

impl AccessTokenClaims {
    /// The claim, if it is there and a string.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// `oid`: the user's or service principal's id.
    pub fn object_id(&self) -> Option<&str> {
        self.get("oid")
    }

    /// `tid`: the tenant that issued the token.
    pub fn tenant_id(&self) -> Option<&str> {
        self.get("tid")
    }

    /// `azp`: the client id of the application that asked for the token.
    pub fn authorized_party(&self) -> Option<&str> {
        self.get("azp")
    }

    /// Whether an application acts for itself, without a user.
    pub fn is_app_only(&self) -> bool {
        self.get("idtyp") == Some("app") || self.get("scp").is_none()
    }

    /// Whether `scp` holds the delegated permission.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.get("scp")
            .is_some_and(|scopes| scopes.split(' ').any(|granted| granted == scope))
    }

    /// All claims.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    fn time(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }
}

impl fmt::Debug for AccessTokenClaims {
    /// Shows only the user and the audience, since logs should not contain more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokenClaims")
            .field("oid", &self.object_id())
            .field("aud", &self.get("aud"))
            .finish_non_exhaustive()
    }
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// Not a JWT with claims in it, or of an unknown algorithm.
    Malformed,
    /// Not signed with RS256.
    Algorithm,
    /// Signed with a key that the tenant has not published.
    UnknownKey,
    /// The signature is not the key's.
    Signature,
    /// From another issuer than the tenant.
    Issuer,
    /// For another audience.
    Audience,
    /// No longer valid.
    Expired,
    /// Not yet valid.
    NotYetValid,
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the token is malformed",
            Self::Algorithm => "the token is not signed with RS256",
            Self::UnknownKey => "the token is signed with an unknown key",
            Self::Signature => "the token's signature is wrong",
            Self::Issuer => "the token comes from another issuer",
            Self::Audience => "the token is meant for another audience",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not yet valid",
        })
    }
}

impl std::error::Error for TokenRefusal {}

/// Issues and verifies the tenant's tokens.
pub(crate) struct Tokens {
    /// The issuers whose tokens are accepted. The first is the `iss` of tokens, whatever address of Entra issues them;
    /// of id tokens, it is the address's own.
    pub(crate) issuers: Vec<String>,
    pub(crate) keys: SigningKeys,
    pub(crate) clock: Clock,
}

impl Tokens {
    /// A client's token for a person: a v2 token for the MCP server.
    pub(crate) fn user_token(
        &self,
        person: &Person,
        client: &Application,
        scope: &str,
        lifetime: Duration,
    ) -> TokenSpec {
        TokenSpec::new(self.claims(
            lifetime,
            json!({
                "aud": MCP_SERVER.client_id,
                "azp": client.client_id,
                "azpacr": authentication_class(client),
                "name": person.display_name,
                "oid": person.object_id,
                "preferred_username": person.user_principal_name,
                "scp": scope,
                "sub": pairwise_subject(person, MCP_SERVER.client_id),
            }),
        ))
    }

    /// A client's token for a person to call Graph.
    pub(crate) fn graph_token(
        &self,
        person: &Person,
        client: &Application,
        graph: &str,
        scope: &str,
        lifetime: Duration,
    ) -> TokenSpec {
        TokenSpec::new(self.claims(
            lifetime,
            json!({
                "aud": graph,
                "azp": client.client_id,
                "azpacr": authentication_class(client),
                "name": person.display_name,
                "oid": person.object_id,
                "scp": scope,
                "sub": pairwise_subject(person, graph),
                "upn": person.user_principal_name,
            }),
        ))
    }

    /// An id token: it tells a client who has signed in, as far as the scopes allow.
    pub(crate) fn id_token(
        &self,
        person: &Person,
        client: &Application,
        scopes: &Scopes,
        nonce: Option<&str>,
    ) -> TokenSpec {
        let knows_name = scopes.contains(Permission::Profile);
        let knows_mail = scopes.contains(Permission::Email);
        TokenSpec::new(self.claims(
            ID_TOKEN_LIFETIME,
            json!({
                "aud": client.client_id,
                "oid": person.object_id,
                "sub": pairwise_subject(person, client.client_id),
            }),
        ))
        .claim_if_some("name", knows_name.then_some(&*person.display_name))
        .claim_if_some(
            "preferred_username",
            knows_name.then_some(&*person.user_principal_name),
        )
        .claim_if_some("email", person.mail.as_deref().filter(|_| knows_mail))
        .claim_if_some("nonce", nonce)
    }

    /// The managed identity's token for a resource.
    pub(crate) fn identity_token(&self, resource: &str) -> TokenSpec {
        TokenSpec::new(self.claims(
            IDENTITY_TOKEN_LIFETIME,
            json!({
                "aud": audience_of(resource),
                "azp": MANAGED_IDENTITY.client_id,
                "azpacr": "2",
                "idtyp": "app",
                "oid": MANAGED_IDENTITY.principal_id,
                "sub": MANAGED_IDENTITY.principal_id,
            }),
        ))
    }

    /// Adds the claims that all tokens have.
    fn claims(&self, lifetime: Duration, mut claims: Value) -> Value {
        let now = self.clock.now();
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        claims["iss"] = self.issuers.first().map(String::as_str).into();
        claims["iat"] = (now - BACKDATING).into();
        claims["nbf"] = (now - BACKDATING).into();
        claims["exp"] = now.saturating_add(lifetime).into();
        claims["tid"] = TENANT_ID.into();
        claims["ver"] = "2.0".into();
        claims["uti"] = unique_id().into();
        claims["rh"] = format!("1.{}", unique_id()).into();
        claims
    }

    /// The token in its compact form.
    pub(crate) fn sign(&self, spec: TokenSpec) -> String {
        let TokenSpec {
            mut header,
            claims,
            signer,
        } = spec;
        let key = self.keys.newest();
        let algorithm = match signer {
            Signer::Tenant | Signer::Stranger => "RS256",
            Signer::PublicKeyAsSecret => "HS256",
            Signer::Nobody => "none",
        };
        header.entry("alg").or_insert_with(|| algorithm.into());
        header
            .entry("kid")
            .or_insert_with(|| key.id.as_str().into());

        let mut token = format!(
            "{}.{}",
            encode(&Value::Object(header)),
            encode(&Value::Object(claims))
        );
        let signature = match signer {
            Signer::Tenant => URL_SAFE_NO_PAD.encode(key.sign(token.as_bytes())),
            Signer::Stranger => URL_SAFE_NO_PAD.encode(self.keys.stranger().sign(token.as_bytes())),
            Signer::PublicKeyAsSecret => hmac(key.public_pem().as_bytes(), token.as_bytes()),
            Signer::Nobody => String::new(),
        };
        token.push('.');
        token.push_str(&signature);
        token
    }

    /// Accepts a token of the tenant for one of the audiences.
    pub(crate) fn verify(
        &self,
        token: &str,
        audiences: &[&str],
    ) -> Result<AccessTokenClaims, TokenRefusal> {
        let claims = self.verify_signature_and_time(token)?;
        if !self.is_issuer_of(&claims) {
            return Err(TokenRefusal::Issuer);
        }
        if !claims
            .get("aud")
            .is_some_and(|audience| audiences.contains(&audience))
        {
            return Err(TokenRefusal::Audience);
        }
        Ok(claims)
    }

    /// Whether the token claims to come from the tenant.
    pub(crate) fn is_issuer_of(&self, claims: &AccessTokenClaims) -> bool {
        claims
            .get("iss")
            .is_some_and(|issuer| self.issuers.iter().any(|ours| ours == issuer))
    }

    /// Accepts a token that one of the tenant's keys signed, whatever issuer and audience it claims.
    ///
    /// Time is checked to the second, unlike in Azure, which grants some minutes: so a test need not wait.
    pub(crate) fn verify_signature_and_time(
        &self,
        token: &str,
    ) -> Result<AccessTokenClaims, TokenRefusal> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenRefusal::Malformed)?;
        if header.alg != Algorithm::RS256 {
            return Err(TokenRefusal::Algorithm);
        }
        let key = header
            .kid
            .and_then(|id| self.keys.find(&id))
            .ok_or(TokenRefusal::UnknownKey)?;

        // Time is compared with the cloud's clock, which the library does not know.
        let mut signature_only = Validation::new(Algorithm::RS256);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        let claims = jsonwebtoken::decode(token, &key.verifying, &signature_only)
            .map(|data| AccessTokenClaims(data.claims))
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => TokenRefusal::Signature,
                _ => TokenRefusal::Malformed,
            })?;

        let now = self.clock.now();
        if claims.time("exp").is_none_or(|expiry| expiry <= now) {
            return Err(TokenRefusal::Expired);
        }
        if claims.time("nbf").is_some_and(|start| start > now) {
            return Err(TokenRefusal::NotYetValid);
        }
        Ok(claims)
    }
}

/// The unverified claims of a token: enough to name the person of a request that is going to fail.
pub(crate) fn unverified_claims(token: &str) -> Option<AccessTokenClaims> {
    jsonwebtoken::dangerous::insecure_decode_claims(token)
        .ok()
        .map(AccessTokenClaims)
}

/// An id of a user that differs from application to application (OpenID Connect Core, section 8.1).
fn pairwise_subject(person: &Person, audience: &str) -> String {
    URL_SAFE_NO_PAD.encode(
        Sha256::new()
            .chain_update(&person.object_id)
            .chain_update(audience)
            .finalize(),
    )
}

/// `azpacr`: how the client authenticated, not at all or with an assertion.
fn authentication_class(client: &Application) -> &'static str {
    match client.client_type {
        ClientType::Public => "0",
        ClientType::Confidential => "2",
    }
}

/// The left half of the code's SHA-256.
fn code_hash(code: &str) -> String {
    let hash = Sha256::digest(code);
    URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2])
}

fn unique_id() -> String {
    URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes())
}

fn encode(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

#[allow(
    clippy::expect_used,
    reason = "any secret will do for HMAC; only tests forge tokens this way"
)]
fn hmac(secret: &[u8], message: &[u8]) -> String {
    jsonwebtoken::crypto::sign(message, &EncodingKey::from_secret(secret), Algorithm::HS256)
        .expect("HMAC takes a secret of any length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Directory, IDENTIFIER_URI, OTHER_API, SCOPE, VISUAL_STUDIO_CODE};

    const HOUR: Duration = Duration::from_secs(3600);
    const AUDIENCES: [&str; 2] = [MCP_SERVER.client_id, IDENTIFIER_URI];

    fn tokens() -> Tokens {
        Tokens {
            issuers: vec![
                "https://login.example/tenant/v2.0".to_owned(),
                "https://other.example/tenant/v2.0".to_owned(),
            ],
            keys: SigningKeys::generate(),
            clock: Clock::default(),
        }
    }

    fn adas(tokens: &Tokens) -> TokenSpec {
        let ada = Directory::default().person("ada").unwrap();
        tokens.user_token(&ada, &VISUAL_STUDIO_CODE, SCOPE, HOUR)
    }

    fn refusal(tokens: &Tokens, spec: TokenSpec) -> TokenRefusal {
        tokens.verify(&tokens.sign(spec), &AUDIENCES).unwrap_err()
    }

    #[test]
    fn a_users_token_has_the_claims_of_entras() {
        let tokens = tokens();
        let claims = tokens
            .verify(&tokens.sign(adas(&tokens)), &AUDIENCES)
            .unwrap();
        let ada = Directory::default().person("ada").unwrap();
        assert_eq!(claims.get("ver"), Some("2.0"));
        assert_eq!(claims.get("iss"), Some(tokens.issuers[0].as_str()));
        assert_eq!(claims.get("aud"), Some(MCP_SERVER.client_id));
        assert_eq!(claims.tenant_id(), Some(TENANT_ID));
        assert_eq!(claims.object_id(), Some(ada.object_id.as_str()));
        assert_eq!(
            claims.authorized_party(),
            Some(VISUAL_STUDIO_CODE.client_id)
        );
        assert_eq!(
            claims.get("preferred_username"),
            Some("ada@contoso.example")
        );
        assert!(claims.has_scope(SCOPE) && !claims.is_app_only());
        assert_ne!(claims.get("sub"), claims.object_id());
        assert_eq!(
            claims.time("exp").unwrap() - claims.time("iat").unwrap(),
            3600 + BACKDATING
        );
    }

    #[test]
    fn the_identifier_uri_is_an_audience_too() {
        let tokens = tokens();
        let token = tokens.sign(adas(&tokens).claim("aud", IDENTIFIER_URI));
        assert!(tokens.verify(&token, &AUDIENCES).is_ok());
    }

    #[test]
    fn a_token_of_each_issuer_is_accepted() {
        let tokens = tokens();
        let token = tokens.sign(adas(&tokens).claim("iss", tokens.issuers[1].as_str()));
        assert!(tokens.verify(&token, &AUDIENCES).is_ok());
    }

    #[test]
    fn a_code_is_hashed_to_half_a_digest() {
        // The example of OpenID Connect Core, appendix A.6.
        assert_eq!(
            code_hash("Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"),
            "LDktKdoQak3Pk0cnXxCltA"
        );
    }

    #[test]
    fn a_tampered_token_is_refused_for_the_right_reason() {
        let tokens = tokens();
        let ada = || adas(&tokens);
        for (spec, expected) in [
            (
                ada().claim("aud", OTHER_API.client_id),
                TokenRefusal::Audience,
            ),
            (ada().without("aud"), TokenRefusal::Audience),
            (
                ada().claim("iss", "https://login.example/tenant/v2.0/"),
                TokenRefusal::Issuer,
            ),
            (ada().expires_in(-1), TokenRefusal::Expired),
            (ada().without("exp"), TokenRefusal::Expired),
            (
                ada().claim("nbf", tokens.clock.now() + 60),
                TokenRefusal::NotYetValid,
            ),
            (ada().header("kid", "unknown"), TokenRefusal::UnknownKey),
            (ada().signed_by(Signer::Stranger), TokenRefusal::Signature),
            (
                ada().signed_by(Signer::PublicKeyAsSecret),
                TokenRefusal::Algorithm,
            ),
            (
                ada()
                    .signed_by(Signer::PublicKeyAsSecret)
                    .header("alg", "RS256"),
                TokenRefusal::Signature,
            ),
            (ada().signed_by(Signer::Nobody), TokenRefusal::Malformed),
        ] {
            assert_eq!(refusal(&tokens, spec.clone()), expected, "{spec:?}");
        }
    }

    #[test]
    fn an_altered_claim_breaks_the_signature() {
        let tokens = tokens();
        let token = tokens.sign(adas(&tokens));
        let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            panic!("three parts")
        };
        let altered = adas(&tokens).claim("oid", "somebody else");
        let forged = format!(
            "{header}.{}.{signature}",
            encode(&Value::Object(altered.claims))
        );
        assert_eq!(
            tokens.verify(&forged, &AUDIENCES),
            Err(TokenRefusal::Signature)
        );
    }

    #[test]
    fn what_is_not_a_token_is_malformed() {
        let tokens = tokens();
        for garbage in [
            "",
            "a",
            "a.b.c",
            "..",
            "....",
            "eyJhbGciOiJSUzI1NiJ9.bm8.bm8",
        ] {
            let refusal = tokens.verify(garbage, &AUDIENCES).unwrap_err();
            assert!(
                matches!(refusal, TokenRefusal::Malformed | TokenRefusal::UnknownKey),
                "{garbage}: {refusal}"
            );
        }
    }

    #[test]
    fn a_token_of_a_former_key_is_still_accepted() {
        let tokens = tokens();
        let token = tokens.sign(adas(&tokens));
        tokens.keys.rotate();
        assert!(tokens.verify(&token, &AUDIENCES).is_ok());
        assert!(
            tokens
                .verify(&tokens.sign(adas(&tokens)), &AUDIENCES)
                .is_ok()
        );
    }

    #[test]
    fn the_cloud_uses_its_own_clock() {
        let tokens = tokens();
        let token = tokens.sign(adas(&tokens));
        tokens.clock.set_skew(7200);
        assert_eq!(
            tokens.verify(&token, &AUDIENCES),
            Err(TokenRefusal::Expired)
        );
        assert!(
            tokens
                .verify(&tokens.sign(adas(&tokens)), &AUDIENCES)
                .is_ok()
        );
    }

    #[test]
    fn an_app_only_token_is_genuine_but_has_no_user() {
        let tokens = tokens();
        let claims = tokens
            .verify(&tokens.sign(adas(&tokens).app_only()), &AUDIENCES)
            .unwrap();
        assert!(claims.is_app_only() && claims.get("preferred_username").is_none());
    }

    #[test]
    fn claims_are_not_shown_in_full() {
        let tokens = tokens();
        let claims = tokens
            .verify(&tokens.sign(adas(&tokens)), &AUDIENCES)
            .unwrap();
        assert!(!format!("{claims:?}").contains("uti"));
    }
}
