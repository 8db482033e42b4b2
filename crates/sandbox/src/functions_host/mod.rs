//! The Azure Functions host with its MCP extension, as far as clients and custom handlers can tell
//! it from the real one.
//!
//! It reads the app's own files, starts the custom handler, and turns MCP tool calls into
//! invocations of it.

mod answer;
mod dotnet;
pub mod handler_process;
mod headers;
mod home_page;
mod host;
mod invocation;
mod invoker;
mod key_gate;
mod mcp_extension;
mod options;
mod serving;
mod timings;
mod web_server;
mod webhooks;

pub use self::{
    handler_process::{HandlerCommand, HandlerFailure, HandlerProcess},
    headers::Headers,
    host::FunctionsHost,
    invocation::{Call, Client, ClientInfo, Invocation, Target, Transport},
    key_gate::{AccessKey, HostKeys},
    options::{FunctionsHostOptions, Handler},
    timings::HostTimings,
};
