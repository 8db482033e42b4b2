//! The waits that services ask of users (`Retry-After`). Until a wait ends, the app does not call the service for that
//! user.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    refreshing_cache::{Expiring, RefreshingCache},
    user_assertion::UserKey,
};

/// How many waits are remembered.
const CAPACITY: u64 = 20_000;
/// The longest wait that is kept: after it, the service is called once more.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The waits of all users.
#[derive(Debug)]
pub struct Throttle {
    waits: RefreshingCache<(UserKey, &'static str), SystemTime>,
    /// When the last wait ends, in seconds since the epoch: after that, there is nothing to look up.
    last_end: AtomicU64,
}

impl Throttle {
    /// No user waits.
    pub fn new() -> Self {
        Self {
            waits: RefreshingCache::new(CAPACITY),
            last_end: AtomicU64::new(0),
        }
    }

    /// How long `user` must still wait for `service`, in seconds rounded up.
    pub async fn remaining(&self, user: &UserKey, service: &'static str) -> Option<Duration> {
        let last_end = self.last_end.load(Ordering::Relaxed);
        if last_end == 0 || UNIX_EPOCH + Duration::from_secs(last_end) < SystemTime::now() {
            return None;
        }
        let end = self.waits.peek(&(*user, service)).await?;
        let left = end.duration_since(SystemTime::now()).ok()?;
        Some(Duration::from_secs(
            left.as_secs() + u64::from(left.subsec_nanos() > 0),
        ))
    }

    /// Notes that `service` has asked `user` to wait.
    pub async fn note(&self, user: &UserKey, service: &'static str, wait: Duration) {
        let end = SystemTime::now() + wait.min(LONGEST_WAIT);
        self.waits
            .insert((*user, service), Expiring::until(end, end))
            .await;
        let seconds = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.last_end.fetch_max(seconds + 1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: UserKey = [1; 16];
    const GRACE: UserKey = [2; 16];

    #[tokio::test]
    async fn a_wait_holds_for_one_user_and_one_service() {
        let throttle = Throttle::new();
        let wait = Duration::from_secs(60);
        throttle.note(&ADA, "Entra ID", wait).await;
        let remaining = throttle.remaining(&ADA, "Entra ID").await;
        assert!(remaining.is_some_and(|remaining| remaining <= wait && remaining > wait / 2));
        assert_eq!(throttle.remaining(&ADA, "Microsoft Graph").await, None);
        assert_eq!(throttle.remaining(&GRACE, "Entra ID").await, None);
    }

    #[tokio::test]
    async fn a_wait_ends_by_itself_however_long_it_was_meant_to_be() {
        let throttle = Throttle::new();
        throttle.note(&ADA, "Entra ID", Duration::ZERO).await;
        assert_eq!(throttle.remaining(&ADA, "Entra ID").await, None);
        throttle.note(&GRACE, "Entra ID", Duration::MAX).await;
        let remaining = throttle.remaining(&GRACE, "Entra ID").await;
        assert!(remaining.is_some_and(|remaining| remaining <= LONGEST_WAIT));
    }
}
