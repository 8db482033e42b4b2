//! The keys with which tenants sign tokens, from OpenID Connect discovery.
//!
//! Each allowed tenant's are fetched once, renewed in the background and, when a token names a key that is not
//! among them, fetched again, but not more often than every [`REFETCH_PAUSE`].

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use openidconnect::{
    DiscoveryError, HttpRequest, HttpResponse, IssuerUrl, JsonWebKey,
    core::{CoreJsonWebKeySet, CoreProviderMetadata},
    http,
};
use reqwest::{Request, Url};
use tokio::sync::Mutex;

use super::{
    error::Error,
    refreshing_cache::{Perishable, RefreshingCache},
};
use crate::{
    outbound::{self, CallBudget, SendError},
    settings::TenantId,
};

const REFRESH_AFTER: Duration = Duration::from_secs(12 * 3600);
const EXPIRE_AFTER: Duration = Duration::from_secs(48 * 3600);
/// The least time between two fetches because of an unknown key.
pub const REFETCH_PAUSE: Duration = Duration::from_secs(10);

/// The signing keys of the allowed tenants.
#[derive(Debug)]
pub struct SigningKeys {
    issuers: HashMap<TenantId, Issuer>,
    keys: RefreshingCache<TenantId, Arc<CoreJsonWebKeySet>>,
}

#[derive(Debug)]
struct Issuer {
    url: IssuerUrl,
    last_refetch: Mutex<Option<Instant>>,
}

impl SigningKeys {
    /// The keys of `tenants` at `authority`.
    pub fn new(authority: &Url, tenants: &[TenantId]) -> Self {
        let issuers = tenants.iter().map(|tenant| {
            let issuer = Issuer {
                url: IssuerUrl::from_url(issuer_url(authority, tenant)),
                last_refetch: Mutex::new(None),
            };
            (tenant.clone(), issuer)
        });
        Self {
            issuers: issuers.collect(),
            keys: RefreshingCache::new(tenants.len() as u64),
        }
    }

    /// The issuer of `tenant`'s tokens; `None` for a tenant that is not allowed.
    pub fn issuer(&self, tenant: &TenantId) -> Option<&IssuerUrl> {
        self.issuers.get(tenant).map(|issuer| &issuer.url)
    }

    /// Keys of `tenant`, with the one named `key_id` among them if there is one.
    pub async fn get(
        &self,
        tenant: &TenantId,
        key_id: &str,
        budget: &Arc<CallBudget>,
    ) -> Result<Arc<CoreJsonWebKeySet>, Error> {
        let issuer = self
            .issuers
            .get(tenant)
            .ok_or_else(|| Error::unexpected("the tenant is not among the allowed ones"))?;
        let keys = self.current(tenant, issuer, budget).await?;
        if has_key(&keys, key_id) {
            return Ok(keys);
        }
        // Whoever waits here waits for the keys of its own tenant, for a key that nobody has seen yet.
        let mut last_refetch = issuer.last_refetch.lock().await;
        let keys = self.current(tenant, issuer, budget).await?;
        if has_key(&keys, key_id) || last_refetch.is_some_and(|at| at.elapsed() < REFETCH_PAUSE) {
            return Ok(keys);
        }
        let fetched = fetch(issuer.url.clone(), budget.clone()).await?;
        *last_refetch = Some(Instant::now());
        let keys = fetched.value.clone();
        self.keys.insert(tenant.clone(), fetched).await;
        Ok(keys)
    }

    async fn current(
        &self,
        tenant: &TenantId,
        issuer: &Issuer,
        budget: &Arc<CallBudget>,
    ) -> Result<Arc<CoreJsonWebKeySet>, Error> {
        self.keys
            .get(tenant.clone(), || fetch(issuer.url.clone(), budget.clone()))
            .await
    }
}

/// `{authority}/{tenant}/v2.0`, as it stands in tokens.
fn issuer_url(authority: &Url, tenant: &TenantId) -> Url {
    let mut url = authority.clone();
    url.set_path(&format!("{tenant}/v2.0"));
    url
}

fn has_key(keys: &CoreJsonWebKeySet, key_id: &str) -> bool {
    keys.keys()
        .iter()
        .any(|key| key.key_id().is_some_and(|id| id.as_str() == key_id))
}

async fn fetch(
    issuer: IssuerUrl,
    budget: Arc<CallBudget>,
) -> Result<Perishable<Arc<CoreJsonWebKeySet>>, Error> {
    let http_client = |request: HttpRequest| send(request, budget.clone());
    let metadata = CoreProviderMetadata::discover_async(issuer, &http_client)
        .await
        .map_err(|error| {
            tracing::warn!(
                detail = describe(&error),
                "the tenant's signing keys could not be fetched"
            );
            Error::unavailable("Entra ID", None)
        })?;
    let now = SystemTime::now();
    Ok(Perishable {
        value: Arc::new(metadata.jwks().clone()),
        refresh_on: now + REFRESH_AFTER,
        expires_on: now + EXPIRE_AFTER,
    })
}

async fn send(request: HttpRequest, budget: Arc<CallBudget>) -> Result<HttpResponse, SendError> {
    let request = Request::try_from(request).map_err(|_| SendError::Unreachable)?;
    let reply = outbound::send(request, &budget).await?;
    let mut response = http::Response::new(reply.body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    Ok(response)
}

/// What went wrong, without the body that came.
fn describe(error: &DiscoveryError<SendError>) -> String {
    match error {
        DiscoveryError::Request(error) => error.to_string(),
        DiscoveryError::Response(status, _, _) => format!("status {}", status.as_u16()),
        DiscoveryError::Parse(_) => "unreadable metadata".into(),
        DiscoveryError::Validation(_) => "the metadata is another issuer's".into(),
        _ => "no usable metadata".into(),
    }
}
