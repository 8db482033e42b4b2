//! A remote MCP server on Azure Functions whose tools act as the signed-in user.
//!
//! The Functions host speaks MCP and hands each tool call to this process, a
//! [custom handler](https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers).
//!
//! | module | says |
//! |---|---|
//! | [`tools`] | the tools; yours go here |
//! | [`mcp`] | what a tool, a tool call and a tool result are |
//! | [`run()`] | all of an app's `main` |
//! | [`server`] | the HTTP server that the host calls |
//! | `only_the_host`, `call_bodies` | who may call it, and how much at once |
//! | [`custom_handler`] | the envelope around a call and its answer |
//! | [`outbound_credential`] | the identity that tools act as |
//! | [`local_run`] | who may call tools that act as the developer |
//! | [`graph`] | Microsoft Graph |
//! | [`outbound`] | the rules for every outbound request |
//! | `loopback` | which hosts are this machine |
//! | [`failure`] | what users and operators learn of a failed call |
//! | [`settings`], [`cloud`] | environment variables, Azure clouds |
//! | [`telemetry`], `log_stream` | logging |

mod call_bodies;
pub mod cloud;
pub mod custom_handler;
pub mod failure;
pub mod graph;
pub mod local_run;
mod log_stream;
mod loopback;
pub mod mcp;
mod only_the_host;
pub mod outbound;
pub mod outbound_credential;
mod run;
pub mod server;
pub mod settings;
pub mod telemetry;
pub mod tools;

pub use failure::{Failure, Remedy};
pub use mcp::tool::{NoArguments, Registry, Tool, ToolContext};
pub use run::run;
