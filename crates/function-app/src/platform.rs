//! Where the host runs.

/// Where the host runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// In Azure: the bodies of invocations are chunked, and clients cannot read their session ids.
    Azure,
    /// On a developer's machine, started by Core Tools: bodies come with their length, and session
    /// ids are plain.
    CoreTools,
}
