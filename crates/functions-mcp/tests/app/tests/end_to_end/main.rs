//! End to end on this machine: an MCP client, App Service Authentication, the Functions host, a handler process of the
//! test app, Entra ID and Microsoft Graph.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod concurrency;
mod continuous_access;
mod failures;
mod function_files;
mod gates;
mod greeting;
mod half_open;
mod hostile_tokens;
mod link_local;
mod local_run;
mod log;
mod memory;
mod outages;
mod permissions;
mod process;
mod proxies;
mod recorded_host;
mod sign_in;
mod signals;
mod soak;
mod start_up;
mod support;
mod unread_output;
