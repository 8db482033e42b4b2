//! How long the host takes its time.

use std::time::Duration;

/// How long the host takes its time. The default is what the real host was seen to do
/// (`recordings/functions-host`); tests that wait for it want less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostTimings {
    /// What a call gets on top of `functionTimeout` before the client hears of it.
    pub grace: Duration,
    /// How long a call waits for a handler that is being started, or that cannot be.
    pub wait_for_handler: Duration,
    /// How long the host lives on after it has given the handler up. It is not reachable then.
    pub farewell: Duration,
    /// How long calls in flight may take to finish when the host is told to stop.
    pub drain: Duration,
}

impl Default for HostTimings {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(2),
            wait_for_handler: Duration::from_secs(136),
            farewell: Duration::from_secs(10),
            drain: Duration::from_secs(30),
        }
    }
}
