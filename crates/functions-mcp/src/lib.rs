//! Remote MCP servers on Azure Functions whose tools act as the signed-in user.

pub mod cloud;
pub mod credential;
pub mod failure;
pub mod graph;
pub mod host;
pub mod http;
pub mod local_run;
mod log_stream;
mod loopback;
mod run;
pub mod server;
pub mod settings;
pub mod telemetry;
pub mod tool;

pub use failure::{Failure, Remedy};
pub use run::run;
pub use tool::{NoArguments, Registry, Tool, ToolContext};
