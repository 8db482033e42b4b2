//! A bounded cache of values that expire, are renewed before they do, and are fetched once for all waiting calls.
//!
//! - Concurrent callers of one key share one fetch; a caller that goes away does not end it. So a fetch must not
//!   spend what its caller has left: [`Http::for_shared_fetch`](crate::http::Http::for_shared_fetch).
//! - Times are those of the wall clock: a value that expires while the machine sleeps is not served afterwards.
//! - From `refresh_on` a value is renewed in the background while it is still served, also when renewing fails.
//! - A refusal that [`Error::remembered_for`] names is remembered that long; other errors are not.
//! - No lock is held while a fetch is under way, so one key never waits for another.

use std::{
    fmt,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use moka::{Expiry, future::Cache, ops::compute::Op};

use super::error::Error;

/// How long before its end a token is no longer served; half of its life, if that is shorter.
const EXPIRY_MARGIN: Duration = Duration::from_secs(300);
/// The pause between a failed renewal and the next.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

/// A value with the times at which it should be renewed and must no longer be served.
#[derive(Clone, Debug)]
pub struct Expiring<V> {
    /// The value.
    pub value: V,
    /// When to renew it; `None` for never.
    pub refresh_on: Option<SystemTime>,
    /// When it must no longer be served.
    pub expires_on: SystemTime,
}

impl<V> Expiring<V> {
    /// A token that lives for `lifetime` from `issued_on`. It is renewed at half its life, or after `refresh_in`; and
    /// it is not served in its last minutes, so that it does not expire on its way.
    pub fn token(
        value: V,
        issued_on: SystemTime,
        lifetime: Duration,
        refresh_in: Option<Duration>,
    ) -> Self {
        let half = lifetime / 2;
        let refresh_in = refresh_in.filter(|refresh_in| *refresh_in < lifetime);
        Self {
            value,
            refresh_on: Some(issued_on + refresh_in.unwrap_or(half)),
            expires_on: issued_on + (lifetime - EXPIRY_MARGIN.min(half)),
        }
    }

    /// A value that is served until `end` and never renewed.
    pub fn until(value: V, end: SystemTime) -> Self {
        Self {
            value,
            refresh_on: None,
            expires_on: end,
        }
    }
}

#[derive(Debug)]
struct Entry<V> {
    outcome: Result<V, Error>,
    /// Seconds since the epoch; moved ahead by whoever starts a renewal, so that only one does.
    refresh_on: AtomicU64,
    expires_on: SystemTime,
}

impl<V> Entry<V> {
    fn new(outcome: Result<Expiring<V>, Error>) -> Result<Arc<Self>, Error> {
        let entry = match outcome {
            Ok(fetched) => Self {
                outcome: Ok(fetched.value),
                refresh_on: AtomicU64::new(fetched.refresh_on.map_or(u64::MAX, epoch_seconds)),
                expires_on: fetched.expires_on,
            },
            Err(error) => match error.remembered_for() {
                Some(duration) => Self {
                    outcome: Err(error),
                    refresh_on: AtomicU64::new(u64::MAX),
                    expires_on: SystemTime::now() + duration,
                },
                None => return Err(error),
            },
        };
        Ok(Arc::new(entry))
    }

    fn is_current(&self) -> bool {
        SystemTime::now() < self.expires_on
    }

    /// Whether a renewal is due and no other caller has claimed it.
    fn claim_renewal(&self) -> bool {
        let now = epoch_seconds(SystemTime::now());
        let due = self.refresh_on.load(Ordering::Relaxed);
        now >= due
            && self
                .refresh_on
                .compare_exchange(
                    due,
                    now + RENEWAL_PAUSE.as_secs(),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }
}

fn epoch_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

struct EntryExpiry;

impl EntryExpiry {
    fn remaining<V>(entry: &Entry<V>) -> Option<Duration> {
        Some(
            entry
                .expires_on
                .duration_since(SystemTime::now())
                .unwrap_or_default(),
        )
    }
}

impl<K, V> Expiry<K, Arc<Entry<V>>> for EntryExpiry {
    fn expire_after_create(&self, _: &K, entry: &Arc<Entry<V>>, _: Instant) -> Option<Duration> {
        Self::remaining(entry)
    }

    fn expire_after_update(
        &self,
        _: &K,
        entry: &Arc<Entry<V>>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Self::remaining(entry)
    }
}

/// A cache that renews its values before they expire.
pub struct RefreshingCache<K, V> {
    entries: Cache<K, Arc<Entry<V>>>,
}

impl<K, V> Clone for RefreshingCache<K, V> {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
        }
    }
}

impl<K, V> fmt::Debug for RefreshingCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshingCache").finish_non_exhaustive()
    }
}

impl<K, V> RefreshingCache<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A cache of at most `capacity` values; the least used make room.
    pub fn new(capacity: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(capacity)
            .expire_after(EntryExpiry)
            .build();
        Self { entries }
    }

    /// The value of `key`, from `fetch` when there is none.
    pub async fn get<F>(&self, key: K, fetch: impl FnOnce() -> F) -> Result<V, Error>
    where
        F: Future<Output = Result<Expiring<V>, Error>> + Send + 'static,
    {
        if let Some(entry) = self
            .entries
            .get(&key)
            .await
            .filter(|entry| entry.is_current())
        {
            if entry.claim_renewal() {
                self.renew(key, fetch());
            }
            return entry.outcome.clone();
        }
        self.fetch_once(key, fetch()).await
    }

    /// The value of `key` if it is there.
    pub async fn peek(&self, key: &K) -> Option<V> {
        let entry = self
            .entries
            .get(key)
            .await
            .filter(|entry| entry.is_current())?;
        entry.outcome.as_ref().ok().cloned()
    }

    /// Replaces the value of `key`.
    pub async fn insert(&self, key: K, value: Expiring<V>) {
        if let Ok(entry) = Entry::new(Ok(value)) {
            self.entries.insert(key, entry).await;
        }
    }

    /// Forgets the value of `key`.
    pub async fn forget(&self, key: &K) {
        self.entries.invalidate(key).await;
    }

    /// Forgets the value of `key` if it is one that `is_unwanted`; another call may have replaced it already.
    pub async fn forget_if(&self, key: &K, is_unwanted: impl FnOnce(&V) -> bool) {
        self.remove_if(key, |entry| entry.outcome.as_ref().is_ok_and(is_unwanted))
            .await;
    }

    async fn remove_if(&self, key: &K, condition: impl FnOnce(&Entry<V>) -> bool) {
        self.entries
            .entry_by_ref(key)
            .and_compute_with(|entry| {
                let remove = entry.is_some_and(|entry| condition(entry.value()));
                std::future::ready(if remove { Op::Remove } else { Op::Nop })
            })
            .await;
    }

    async fn fetch_once<F>(&self, key: K, fetch: F) -> Result<V, Error>
    where
        F: Future<Output = Result<Expiring<V>, Error>> + Send + 'static,
    {
        let cache = self.clone();
        // The cache's own futures hold it several times over. Unboxed, it makes the task so large that the entries
        // which outlive the task fragment the heap: more than a quarter of the memory of 10,000 users.
        let fetch = Box::pin(fetch);
        // A task of its own, so that the fetch outlives a caller that goes away.
        let flight = tokio::spawn(async move {
            // The cache expires entries by a clock that stands still while the machine sleeps, and would give this one.
            cache.remove_if(&key, |entry| !entry.is_current()).await;
            let entry = cache
                .entries
                .try_get_with(key, async { Entry::new(fetch.await) })
                .await;
            entry.map_err(|error| Error::clone(&error))
        });
        match flight.await {
            Ok(entry) => entry?.outcome.clone(),
            Err(_) => Err(Error::unexpected("the fetch panicked")),
        }
    }

    fn renew<F>(&self, key: K, fetch: F)
    where
        F: Future<Output = Result<Expiring<V>, Error>> + Send + 'static,
    {
        let cache = self.clone();
        tokio::spawn(async move {
            match fetch.await {
                Ok(value) => cache.insert(key, value).await,
                Err(error) => tracing::warn!(
                    outcome = error.class(),
                    detail = error.detail(),
                    "a renewal failed; the present value serves until it expires"
                ),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn fresh(value: u32) -> Expiring<u32> {
        let now = SystemTime::now();
        Expiring {
            value,
            refresh_on: Some(now + HOUR),
            expires_on: now + 2 * HOUR,
        }
    }

    #[derive(Clone, Default)]
    struct Source {
        fetches: Arc<AtomicU32>,
    }

    impl Source {
        fn fetches(&self) -> u32 {
            self.fetches.load(Ordering::SeqCst)
        }

        /// A fetch that takes a moment and then gives `outcome`.
        fn giving(
            &self,
            outcome: Result<Expiring<u32>, Error>,
        ) -> impl Future<Output = Result<Expiring<u32>, Error>> + Send + 'static {
            let fetches = self.fetches.clone();
            async move {
                fetches.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                outcome
            }
        }
    }

    async fn until(condition: impl AsyncFn() -> bool) {
        for _ in 0..500 {
            if condition().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it did not happen within five seconds");
    }

    #[test]
    fn a_token_is_renewed_at_half_its_life_and_not_served_in_its_last_minutes() {
        let issued_on = UNIX_EPOCH + HOUR;
        let after = |time: SystemTime| time.duration_since(issued_on).unwrap().as_secs();
        for (lifetime, refresh_in, refresh, end) in [
            (3600, None, 1800, 3300),
            (86_400, Some(43_200), 43_200, 86_100),
            // No hint: it would come too late.
            (3600, Some(3600), 1800, 3300),
            // A short life ends at half of it.
            (400, None, 200, 200),
            (0, None, 0, 0),
        ] {
            let lifetime = Duration::from_secs(lifetime);
            let refresh_in = refresh_in.map(Duration::from_secs);
            let token = Expiring::token((), issued_on, lifetime, refresh_in);
            assert_eq!(token.refresh_on.map(after), Some(refresh), "{lifetime:?}");
            assert_eq!(after(token.expires_on), end, "{lifetime:?}");
        }
    }

    #[tokio::test]
    async fn a_value_that_is_not_to_be_renewed_is_served_to_its_end() {
        let cache = RefreshingCache::new(10);
        let end = SystemTime::now() + Duration::from_millis(1500);
        cache.insert("key", Expiring::until(1, end)).await;
        let fetches = Arc::new(AtomicU32::new(0));
        while SystemTime::now() < end {
            let fetches = fetches.clone();
            let fetch = || async move {
                fetches.fetch_add(1, Ordering::Relaxed);
                Ok(fresh(2))
            };
            let before = SystemTime::now();
            let value = cache.get("key", fetch).await.unwrap();
            assert!(
                value == 1 || SystemTime::now() >= end,
                "at {before:?} of {end:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(fetches.load(Ordering::Relaxed) <= 1);
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_fetch() {
        let (cache, source) = (RefreshingCache::new(10), Source::default());
        let calls = (0..200).map(|_| cache.get("ada", || source.giving(Ok(fresh(7)))));
        for value in futures_util::future::join_all(calls).await {
            assert_eq!(value.unwrap(), 7);
        }
        assert_eq!(source.fetches(), 1);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_neither_ends_nor_repeats_the_fetch() {
        let (cache, source) = (RefreshingCache::new(10), Source::default());
        for _ in 0..1000 {
            let call = cache.get("ada", || source.giving(Ok(fresh(7))));
            let _ = tokio::time::timeout(Duration::ZERO, call).await;
        }
        assert_eq!(
            cache
                .get("ada", || source.giving(Ok(fresh(8))))
                .await
                .unwrap(),
            7
        );
        assert_eq!(source.fetches(), 1);
    }

    #[tokio::test]
    async fn a_value_due_for_renewal_is_served_and_renewed_once() {
        let (cache, source) = (RefreshingCache::new(10), Source::default());
        let due = Expiring {
            refresh_on: Some(SystemTime::now()),
            ..fresh(1)
        };
        cache.insert("ada", due).await;
        for _ in 0..20 {
            assert_eq!(
                cache
                    .get("ada", || source.giving(Ok(fresh(2))))
                    .await
                    .unwrap(),
                1
            );
        }
        until(async || cache.peek(&"ada").await == Some(2)).await;
        assert_eq!(source.fetches(), 1);
    }

    #[tokio::test]
    async fn a_valid_value_outlives_a_failed_renewal() {
        let (cache, source) = (RefreshingCache::new(10), Source::default());
        let due = Expiring {
            refresh_on: Some(SystemTime::now()),
            ..fresh(1)
        };
        cache.insert("ada", due).await;
        let down = || source.giving(Err(Error::unavailable("Entra ID", None)));
        assert_eq!(cache.get("ada", down).await.unwrap(), 1);
        until(async || source.fetches() == 1).await;
        assert_eq!(cache.get("ada", down).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn an_expired_value_is_not_served() {
        let (cache, source) = (RefreshingCache::new(10), Source::default());
        let expired = Expiring {
            expires_on: SystemTime::now(),
            ..fresh(1)
        };
        cache.insert("ada", expired).await;
        assert_eq!(
            cache
                .get("ada", || source.giving(Ok(fresh(2))))
                .await
                .unwrap(),
            2
        );
    }

    #[tokio::test]
    async fn a_value_that_expired_while_the_caches_clock_stood_still_is_not_served() {
        let entries = Cache::builder().max_capacity(10).build();
        let (cache, source) = (RefreshingCache { entries }, Source::default());
        let expired = Expiring {
            expires_on: SystemTime::now() - HOUR,
            ..fresh(1)
        };
        cache.insert("ada", expired).await;
        let calls = (0..20).map(|_| cache.get("ada", || source.giving(Ok(fresh(2)))));
        for value in futures_util::future::join_all(calls).await {
            assert_eq!(value.unwrap(), 2);
        }
        assert_eq!(source.fetches(), 1);
    }

    #[tokio::test]
    async fn a_value_is_forgotten_unless_it_was_replaced() {
        let cache = RefreshingCache::new(10);
        cache.insert("ada", fresh(2)).await;
        cache.forget_if(&"ada", |value| *value == 1).await;
        assert_eq!(cache.peek(&"ada").await, Some(2));
        cache.forget_if(&"ada", |value| *value == 2).await;
        assert_eq!(cache.peek(&"ada").await, None);
    }

    #[tokio::test]
    async fn a_refusal_is_remembered_and_an_outage_is_not() {
        let (cache, source) = (RefreshingCache::new(10), Source::default());
        let refused = || source.giving(Err(Error::interaction_required("AADSTS50076")));
        cache.get("ada", refused).await.unwrap_err();
        cache.get("ada", refused).await.unwrap_err();
        assert_eq!(source.fetches(), 1);

        let down = || source.giving(Err(Error::unavailable("Entra ID", None)));
        cache.get("grace", down).await.unwrap_err();
        cache.get("grace", down).await.unwrap_err();
        assert_eq!(source.fetches(), 3);
    }

    #[tokio::test]
    async fn a_panicking_fetch_is_an_error_and_the_next_caller_fetches_again() {
        let cache = RefreshingCache::new(10);
        let source = Source::default();
        let panicking = async { panic!("a fetch of the test") };
        cache
            .get("ada", || panicking)
            .await
            .map(|_: u32| ())
            .unwrap_err();
        assert_eq!(
            cache
                .get("ada", || source.giving(Ok(fresh(3))))
                .await
                .unwrap(),
            3
        );
    }
}
