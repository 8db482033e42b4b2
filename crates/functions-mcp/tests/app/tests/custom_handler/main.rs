//! The handler's side of the Functions host: the server runs in this process, with the tools of the test app.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod envelopes;
mod local_callers;
mod mishaps;
mod only_the_host;
mod panics;
mod support;
mod transports;
