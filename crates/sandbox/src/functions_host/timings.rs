//! The host's waiting times.

use std::time::Duration;

/// The host's waiting times. The defaults are those of the real host (`recordings/functions-host`); tests shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostTimings {
    /// How long after `functionTimeout` the client gets the failure of a call.
    pub grace: Duration,
    /// How long a call waits for a handler that is being started, or that cannot be started.
    pub wait_for_handler: Duration,
    /// How long the host lives on, unreachable, after it has given the handler up.
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
