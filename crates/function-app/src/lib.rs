//! The files of a function app — `host.json`, `local.settings.json` and each `function.json` — read
//! and checked as the Functions host and its MCP extension do, so that what they would refuse after
//! a deployment is refused here; and [`cargo`], which builds the app's handler.

mod app_files;
pub mod cargo;
mod environment;
mod error;
mod function_json;
mod host_json;
mod local_settings;
mod platform;
mod section;

pub use self::{
    app_files::{AppFiles, Warning},
    environment::environment_variables,
    error::AppFilesError,
    function_json::{CallFault, Function, Prompt, PropertyBinding, Resource},
    host_json::{CustomHandler, HostFile, McpServer, WebhookAuthorization},
    platform::Platform,
};

/// The path of the MCP endpoint.
pub const MCP_PATH: &str = "/runtime/webhooks/mcp";
