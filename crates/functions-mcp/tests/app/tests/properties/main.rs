//! Whatever others write, the handler reads it without a panic and in time, and does not repeat it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod caller_tokens;
mod envelopes;
mod forger;
mod headers;
mod large_inputs;
mod openid_provider;
mod retry_after;
mod settings;
mod support;
