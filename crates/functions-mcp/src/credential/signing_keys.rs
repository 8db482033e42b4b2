//! The keys with which tenants sign tokens, from OpenID Connect discovery.
//!
//! The keys of each allowed tenant are fetched once and renewed in the background. When a token names a key that is not
//! among them, they are fetched again, but at most once per [`REFETCH_PAUSE`], whether that succeeds or not.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use openidconnect::{
    DiscoveryError, HttpRequest, HttpResponse, IssuerUrl, JsonWebKey,
    core::{CoreJsonWebKeySet, CoreProviderMetadata},
};
use reqwest::{Request, Url};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    entra_error::ENTRA,
    error::Error,
    refreshing_cache::{Expiring, RefreshingCache},
};
use crate::{
    endpoint::Origin,
    http::{Http, SendError},
    identity::TenantId,
};

const REFRESH_AFTER: Duration = Duration::from_secs(12 * 3600);
const EXPIRE_AFTER: Duration = Duration::from_secs(48 * 3600);
/// The least time between two fetches because of an unknown key.
pub const REFETCH_PAUSE: Duration = Duration::from_secs(10);

/// The signing keys of the allowed tenants.
#[derive(Debug)]
pub struct SigningKeys {
    issuers: HashMap<TenantId, IssuerUrl>,
    keys: RefreshingCache<TenantId, Arc<CoreJsonWebKeySet>>,
    /// The outcome of the last fetch for an unknown key, kept for [`REFETCH_PAUSE`].
    refetched: RefreshingCache<TenantId, Result<Arc<CoreJsonWebKeySet>, Error>>,
}

impl SigningKeys {
    /// The keys of `tenants` at `authority`.
    pub fn new(authority: &Origin, tenants: &[TenantId]) -> Self {
        let issuers = tenants.iter().map(|tenant| {
            let issuer = IssuerUrl::from_url(issuer_url(authority, tenant));
            (tenant.clone(), issuer)
        });
        Self {
            issuers: issuers.collect(),
            keys: RefreshingCache::new(tenants.len() as u64),
            refetched: RefreshingCache::new(tenants.len() as u64),
        }
    }

    /// The issuer of `tenant`'s tokens; `None` for a tenant that is not allowed.
    pub fn issuer(&self, tenant: &TenantId) -> Option<&IssuerUrl> {
        self.issuers.get(tenant)
    }

    /// Keys of `tenant`, with the one named `key_id` among them if there is one.
    pub async fn get(
        &self,
        tenant: &TenantId,
        key_id: &str,
        http: &Http,
    ) -> Result<Arc<CoreJsonWebKeySet>, Error> {
        let issuer = self
            .issuers
            .get(tenant)
            .ok_or_else(|| Error::unexpected("the tenant is not among the allowed ones"))?;
        let fetch = || {
            fetch(Arc::new(Discovery {
                issuer: issuer.clone(),
                tenant: tenant.clone(),
                http: http.for_shared_fetch(),
            }))
        };
        let keys = self.keys.get(tenant.clone(), fetch).await?;
        if has_key(&keys, key_id) {
            return Ok(keys);
        }
        // A call that waits here waits for its own tenant's keys.
        let refetch = || {
            let (keys, tenant, fetch) = (self.keys.clone(), tenant.clone(), fetch());
            async move {
                let outcome = fetch.await;
                if let Ok(fetched) = &outcome {
                    keys.insert(tenant, fetched.clone()).await;
                }
                Ok(Expiring::until(
                    outcome.map(|fetched| fetched.value),
                    SystemTime::now() + REFETCH_PAUSE,
                ))
            }
        };
        self.refetched.get(tenant.clone(), refetch).await?
    }
}

/// `{authority}/{tenant}/v2.0`, as it stands in tokens.
fn issuer_url(authority: &Origin, tenant: &TenantId) -> Url {
    authority.url(&format!("{tenant}/v2.0"))
}

fn has_key(keys: &CoreJsonWebKeySet, key_id: &str) -> bool {
    keys.keys()
        .iter()
        .any(|key| key.key_id().is_some_and(|id| id.as_str() == key_id))
}

/// One fetch of an issuer's metadata and keys.
struct Discovery {
    issuer: IssuerUrl,
    tenant: TenantId,
    http: Http,
}

async fn fetch(discovery: Arc<Discovery>) -> Result<Expiring<Arc<CoreJsonWebKeySet>>, Error> {
    let http_client = |request: HttpRequest| discovery.clone().send(request);
    let metadata = CoreProviderMetadata::discover_async(discovery.issuer.clone(), &http_client)
        .await
        .map_err(|error| {
            tracing::warn!(
                detail = describe(&error),
                "the tenant's signing keys could not be fetched"
            );
            match error {
                DiscoveryError::Request(error) => Error::not_sent(ENTRA, error),
                _ => Error::unavailable(ENTRA, None),
            }
        })?;
    let now = SystemTime::now();
    Ok(Expiring {
        value: Arc::new(metadata.jwks().clone()),
        refresh_on: Some(now + REFRESH_AFTER),
        expires_on: now + EXPIRE_AFTER,
    })
}

impl Discovery {
    async fn send(self: Arc<Self>, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let request = Request::try_from(request).map_err(|_| SendError::Unreachable)?;
        let reply = self.http.send(request).await?;
        let body = without_keys_of_others(reply.body, &self.issuer, &self.tenant);
        let mut response = HttpResponse::new(body);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        Ok(response)
    }
}

/// A JSON Web Key Set with the members that `openidconnect` does not read.
#[derive(Deserialize, Serialize)]
struct KeySet {
    keys: Vec<Map<String, Value>>,
}

/// A key set without the keys that are marked as another issuer's. Entra ID marks each key with the issuer whose tokens
/// it may sign, or with `{tenantid}` in place of any tenant. Any other document stays as it is.
///
/// Source: <https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens>.
fn without_keys_of_others(document: Vec<u8>, issuer: &IssuerUrl, tenant: &TenantId) -> Vec<u8> {
    let Ok(mut set) = serde_json::from_slice::<KeySet>(&document) else {
        return document;
    };
    let is_own = |of: &str| of.replace("{tenantid}", tenant.as_str()) == issuer.as_str();
    set.keys.retain(|key| match key.get("issuer") {
        None | Some(Value::Null) => true,
        Some(of) => of.as_str().is_some_and(is_own),
    });
    serde_json::to_vec(&set).unwrap_or(document)
}

/// Describes an error without the answer's body.
fn describe(error: &DiscoveryError<SendError>) -> String {
    match error {
        DiscoveryError::Request(error) => error.to_string(),
        DiscoveryError::Response(status, _, _) => format!("status {}", status.as_u16()),
        DiscoveryError::Parse(_) => "unreadable metadata".into(),
        DiscoveryError::Validation(_) => "the metadata is another issuer's".into(),
        _ => "no usable metadata".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::{Instant, sleep, timeout},
    };

    use super::*;
    use crate::http::HttpClients;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";

    fn issuer(authority: &str) -> String {
        format!("{authority}/{TENANT}/v2.0")
    }

    fn key(id: &str, issuer: Option<&str>) -> Value {
        let mut key =
            serde_json::json!({ "kty": "RSA", "use": "sig", "kid": id, "n": "_w", "e": "AQAB" });
        if let Some(issuer) = issuer {
            key["issuer"] = issuer.into();
        }
        key
    }

    /// An issuer that publishes the key `known`, and counts requests.
    struct Provider {
        requests: Arc<AtomicU32>,
        is_down: Arc<AtomicBool>,
        keys: Arc<SigningKeys>,
        tenant: TenantId,
    }

    impl Provider {
        /// Starts it; each answer takes `delay`.
        async fn start(delay: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let authority = format!("http://{}", listener.local_addr().unwrap());
            let (requests, is_down) = (Arc::<AtomicU32>::default(), Arc::<AtomicBool>::default());
            let provider = Self {
                requests: requests.clone(),
                is_down: is_down.clone(),
                keys: Arc::new(SigningKeys::new(
                    &authority.parse().unwrap(),
                    &[TENANT.parse().unwrap()],
                )),
                tenant: TENANT.parse().unwrap(),
            };
            tokio::spawn(async move {
                while let Ok((mut connection, _)) = listener.accept().await {
                    let (authority, requests, is_down) =
                        (authority.clone(), requests.clone(), is_down.clone());
                    tokio::spawn(async move {
                        let mut head = vec![0; 4096];
                        let length = connection.read(&mut head).await.unwrap();
                        requests.fetch_add(1, Ordering::SeqCst);
                        sleep(delay).await;
                        let is_metadata = String::from_utf8_lossy(&head[..length])
                            .contains("/.well-known/openid-configuration");
                        let issuer = issuer(&authority);
                        let body = if is_metadata {
                            serde_json::json!({
                                "issuer": issuer, "authorization_endpoint": issuer, "jwks_uri": format!("{issuer}/keys"),
                                "response_types_supported": ["code"], "subject_types_supported": ["pairwise"],
                                "id_token_signing_alg_values_supported": ["RS256"],
                            })
                        } else {
                            let stranger = Some("https://login.example/other/v2.0");
                            serde_json::json!({ "keys": [key("known", Some(&issuer)), key("foreign", stranger)] })
                        };
                        let (status, body) = match is_down.load(Ordering::SeqCst) {
                            true => ("404 Not Found", String::new()),
                            false => ("200 OK", body.to_string()),
                        };
                        let answer = format!(
                            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                            body.len()
                        );
                        let _ = connection.write_all(answer.as_bytes()).await;
                    });
                }
            });
            provider
        }

        fn requests(&self) -> u32 {
            self.requests.load(Ordering::SeqCst)
        }

        async fn get(&self, key_id: &str, time: Duration) -> Result<bool, Error> {
            let http = HttpClients::lazy().for_call(time);
            let keys = self.keys.get(&self.tenant, key_id, &http).await?;
            Ok(has_key(&keys, key_id))
        }
    }

    const PLENTY: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_caller_with_little_time_does_not_make_the_fetch_fail_for_those_who_wait() {
        let provider = Provider::start(Duration::from_millis(300)).await;
        let little = Duration::from_millis(50);
        let hasty = timeout(little, provider.get("known", little));
        let started = Instant::now();
        let patient = async {
            sleep(little / 2).await;
            provider.get("known", PLENTY).await
        };
        let (hasty, patient) = tokio::join!(hasty, patient);
        assert!(hasty.is_err(), "it left by its own deadline");
        assert!(patient.unwrap(), "after {:?}", started.elapsed());
        assert_eq!(provider.requests(), 2);
    }

    #[tokio::test]
    async fn an_unknown_key_is_looked_up_once_also_while_discovery_fails() {
        let provider = Provider::start(Duration::ZERO).await;
        assert!(provider.get("known", PLENTY).await.unwrap());
        provider.is_down.store(true, Ordering::SeqCst);
        let before = provider.requests();
        for attempt in 0..20 {
            let refused = provider.get(&format!("unknown{attempt}"), PLENTY).await;
            assert_eq!(refused.unwrap_err().class(), "unavailable");
            assert!(provider.get("known", PLENTY).await.unwrap());
        }
        assert_eq!(provider.requests() - before, 1);
    }

    #[tokio::test]
    async fn a_key_of_another_issuer_is_none_of_the_tenants() {
        let provider = Provider::start(Duration::ZERO).await;
        assert!(!provider.get("foreign", PLENTY).await.unwrap());
        assert!(provider.get("known", PLENTY).await.unwrap());
    }

    #[test]
    fn a_key_counts_if_its_issuer_is_the_tenants_any_tenants_or_unknown() {
        let tenant = TENANT.parse().unwrap();
        let own = issuer("https://login.example");
        let kept = |issuer: Option<&str>| {
            let set = serde_json::json!({ "keys": [key("k", issuer)] }).to_string();
            let own = IssuerUrl::new(own.clone()).unwrap();
            let kept = without_keys_of_others(set.into_bytes(), &own, &tenant);
            !serde_json::from_slice::<KeySet>(&kept)
                .unwrap()
                .keys
                .is_empty()
        };
        assert!(kept(None) && kept(Some(&own)));
        assert!(kept(Some("https://login.example/{tenantid}/v2.0")));
        for other in [
            "https://login.example/99999999-2222-3333-4444-555555555555/v2.0",
            "https://login.other.example/{tenantid}/v2.0",
            "",
        ] {
            assert!(!kept(Some(other)), "{other}");
        }
    }
}
