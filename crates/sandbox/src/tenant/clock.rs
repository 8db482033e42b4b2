//! The cloud's clock, which may be ahead of this machine's, or behind it.

use std::sync::atomic::{AtomicI64, Ordering};

use time::OffsetDateTime;

/// The clock of the cloud.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    skew_seconds: AtomicI64,
}

impl Clock {
    /// Sets how many seconds the cloud is ahead of this machine.
    pub(crate) fn set_skew(&self, seconds: i64) {
        self.skew_seconds.store(seconds, Ordering::Relaxed);
    }

    /// Seconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        OffsetDateTime::now_utc()
            .unix_timestamp()
            .saturating_add(self.skew_seconds.load(Ordering::Relaxed))
    }

    /// Now, as error bodies write it: `2026-01-31 23:59:59Z`.
    pub(crate) fn timestamp(&self) -> String {
        let now =
            OffsetDateTime::from_unix_timestamp(self.now()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (hour, minute, second) = now.to_hms();
        format!("{} {hour:02}:{minute:02}:{second:02}Z", now.date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skew_moves_the_time() {
        let clock = Clock::default();
        let before = clock.now();
        clock.set_skew(-3600);
        assert!((before - clock.now() - 3600).abs() <= 1);
    }

    #[test]
    fn a_timestamp_has_the_form_of_entras() {
        let clock = Clock::default();
        clock.set_skew(1_700_000_000 - clock.now());
        assert_eq!(&clock.timestamp()[..16], "2023-11-14 22:13");
        assert_eq!(clock.timestamp().len(), "2023-11-14 22:13:20Z".len());
    }
}
