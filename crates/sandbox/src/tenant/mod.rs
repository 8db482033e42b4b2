//! The tenant: its state, the tokens that it has issued, and those that it accepts. It has neither servers nor ports;
//! the services that speak HTTP are built on it.

mod addresses;
mod authority;
mod clock;
mod error;
mod grants;
mod pkce;
mod requested_claims;
mod scope;
mod signing_keys;
mod tokens;

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::RwLock;
use serde::Serialize;
use uuid::Uuid;

pub(crate) use self::{
    addresses::{Addresses, GraphOrigins},
    authority::Authority,
    clock::Clock,
    error::Occurrence,
    grants::{AuthorizationCode, Grant, Grants, Redemption},
    pkce::CodeChallenge,
    requested_claims::RequestedClaims,
    scope::{ApiNames, Scopes},
    signing_keys::SigningKeys,
    tokens::{CHALLENGE_CLAIM, Tokens, unverified_claims},
};
pub use self::{
    error::EntraError,
    tokens::{AccessTokenClaims, Signer, TokenRefusal, TokenSpec},
};
use crate::{
    directory::{
        AZURE_CLI, Directory, Person, SCOPE, TENANT_ID, UnknownPerson, VISUAL_STUDIO_CODE,
    },
    ledger::Ledger,
};

/// The tenant's options.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// How long tokens for Graph live. Whole seconds.
    pub(crate) graph_token_lifetime: Duration,
    /// The time after which Entra suggests refreshing a Graph token (`refresh_in`). Whole seconds.
    pub(crate) refresh_in: Option<Duration>,
    /// How long the tokens of MCP clients live. Whole seconds.
    pub(crate) user_token_lifetime: Duration,
    /// Whether Entra ignores `resource`.
    pub(crate) lenient_resource: bool,
}

/// A token for Graph, as a developer tool hands it out.
#[derive(Clone, Serialize)]
pub struct GraphToken {
    /// The token.
    pub access_token: String,
    /// When it expires, in seconds since the epoch.
    pub expires_on: i64,
    /// The tenant that issued it.
    pub tenant: &'static str,
    /// `Bearer`.
    pub token_type: &'static str,
}

impl fmt::Debug for GraphToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphToken")
            .field("expires_on", &self.expires_on)
            .finish_non_exhaustive()
    }
}

/// One tenant of Entra, with the secrets that it has given out.
pub struct Tenant {
    pub(crate) policy: Policy,
    pub(crate) addresses: Addresses,
    pub(crate) directory: Directory,
    pub(crate) tokens: Tokens,
    pub(crate) grants: Grants,
    pub(crate) ledger: Ledger,
    identity_header: RwLock<String>,
}

impl Tenant {
    pub(crate) fn new(
        policy: Policy,
        addresses: Addresses,
        directory: Directory,
        tokens: Tokens,
        ledger: Ledger,
    ) -> Self {
        Self {
            policy,
            addresses,
            directory,
            tokens,
            grants: Grants::default(),
            ledger,
            identity_header: RwLock::new(new_identity_header()),
        }
    }

    /// The token that an MCP client holds for a person.
    pub(crate) fn access_token(&self, person: &str) -> Result<String, UnknownPerson> {
        Ok(self.issue(self.access_token_spec(person)?))
    }

    /// The same token before it is signed.
    pub(crate) fn access_token_spec(&self, person: &str) -> Result<TokenSpec, UnknownPerson> {
        let person = self.directory.person(person)?;
        let lifetime = self.policy.user_token_lifetime;
        Ok(self
            .tokens
            .user_token(&person, &VISUAL_STUDIO_CODE, SCOPE, lifetime))
    }

    /// The token for Graph that a developer's Azure CLI holds for a person.
    pub(crate) fn graph_token(&self, person: &str) -> Result<GraphToken, UnknownPerson> {
        let person = self.directory.person(person)?;
        let token = self.tokens.graph_token(
            &person,
            &AZURE_CLI,
            self.addresses.graph.audience(),
            "User.Read email openid profile",
            self.policy.graph_token_lifetime,
        );
        Ok(GraphToken {
            expires_on: token.expires_on(),
            access_token: self.issue(token),
            tenant: TENANT_ID,
            token_type: "Bearer",
        })
    }

    /// Verifies a token for the MCP server as App Service Authentication does: signature, issuer, times, and as
    /// audience the server's client id or one of its identifier URIs.
    pub(crate) fn verify_access_token(
        &self,
        token: &str,
    ) -> Result<AccessTokenClaims, TokenRefusal> {
        self.tokens
            .verify(token, &self.directory.server_audiences())
    }

    /// Signs a token and records it as a secret.
    pub(crate) fn issue(&self, token: TokenSpec) -> String {
        let token = self.tokens.sign(token);
        self.ledger.record_secret(&token);
        token
    }

    /// Makes an unguessable code, refresh token or id, and records it as a secret.
    pub(crate) fn new_secret(&self) -> String {
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        self.ledger.record_secret(&secret);
        secret
    }

    /// The value of `IDENTITY_HEADER` that the managed identity endpoint accepts.
    pub(crate) fn identity_header(&self) -> String {
        self.identity_header.read().clone()
    }

    /// Makes a new value for `IDENTITY_HEADER`; the previous one is no longer accepted.
    pub(crate) fn rotate_identity_header(&self) -> String {
        let header = new_identity_header();
        self.ledger.record_secret(&header);
        self.identity_header.write().clone_from(&header);
        header
    }

    /// The names of the tenant's APIs.
    pub(crate) fn api_names(&self) -> ApiNames<'_> {
        ApiNames {
            graph: &self.addresses.graph,
            directory: &self.directory,
        }
    }

    /// The person of an unverified token.
    pub(crate) fn person_of(&self, token: &str) -> Option<Person> {
        self.directory
            .person_by_object_id(unverified_claims(token)?.object_id()?)
    }
}

fn new_identity_header() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A tenant without services, for unit tests. They share it, because its key takes time to make.
#[cfg(test)]
pub(crate) static TEST_TENANT: std::sync::LazyLock<Tenant> = std::sync::LazyLock::new(|| {
    let addresses = Addresses {
        authority: "http://login.example".to_owned(),
        graph: GraphOrigins {
            http: "http://graph.example".to_owned(),
            https: None,
        },
        identity_endpoint: "http://identity.example/msi/token".to_owned(),
    };
    let authority = Authority {
        origin: addresses.authority.clone(),
    };
    let policy = Policy {
        graph_token_lifetime: Duration::from_secs(3600),
        refresh_in: Some(Duration::from_secs(1800)),
        user_token_lifetime: Duration::from_secs(4500),
        lenient_resource: false,
    };
    let tokens = Tokens {
        issuers: vec![authority.issuer()],
        keys: SigningKeys::generate(),
        clock: Clock::default(),
    };
    Tenant::new(
        policy,
        addresses,
        Directory::default(),
        tokens,
        Ledger::new(false),
    )
});
