//! Whatever its input, the handler reads it in time and without a panic, and does not quote it.

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
