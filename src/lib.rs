//! A remote MCP server on Azure Functions whose tools act as the signed-in user.
//!
//! The Functions host speaks MCP and hands each tool call to this process, a
//! [custom handler](https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers).
//!
//! | module | says |
//! |---|---|
//! | [`tools`] | the tools; yours go here |
//! | [`mcp`] | what a tool, a tool call and a tool result are |
//! | [`server`] | the HTTP server that the host calls |
//! | [`custom_handler`] | the envelope around a call and its answer |
//! | [`outbound_credential`] | as whom a tool calls other services |
//! | [`graph`] | Microsoft Graph |
//! | [`outbound`] | the rules for every outbound request |
//! | `loopback` | which hosts are this machine |
//! | [`failure`] | what users and operators learn of a failed call |
//! | [`settings`], [`cloud`], [`telemetry`] | environment variables, Azure clouds, logging |

pub mod cloud;
pub mod custom_handler;
pub mod failure;
pub mod graph;
mod loopback;
pub mod mcp;
pub mod outbound;
pub mod outbound_credential;
pub mod server;
pub mod settings;
pub mod telemetry;
pub mod tools;
