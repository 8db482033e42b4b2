//! Remote MCP servers on Azure Functions whose tools act as the signed-in user.
//!
//! The Functions host speaks MCP and hands each tool call to this program, a
//! [custom handler](https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers). The program verifies
//! the caller's token, exchanges it on behalf of the user, carries out the tool, and answers. An app is its tools and
//! one line of `main`.
//!
//! # A tool
//!
//! A tool is a type that implements [`Tool`]: a name, a description, typed arguments, a typed result and one function.
//! The schemas that a model reads come from the types, and the descriptions in them from the doc comments.
//!
//! ```
//! use functions_mcp::{Failure, Tool, ToolContext};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! pub struct SaluteTool;
//!
//! #[derive(Deserialize, JsonSchema)]
//! pub struct Words {
//!     /// How to greet, such as "Good morning".
//!     greeting: String,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! pub struct Salute {
//!     text: String,
//! }
//!
//! impl Tool for SaluteTool {
//!     const NAME: &'static str = "SaluteTool";
//!     const DESCRIPTION: &'static str = "Greets the signed-in user in the words that are given.";
//!     type Arguments = Words;
//!     type Output = Salute;
//!
//!     async fn call(&self, words: Words, context: &ToolContext) -> Result<Salute, Failure> {
//!         let user = context.graph().me().await?;
//!         let name = user.display_name.as_deref().unwrap_or("friend");
//!         let text = format!("{}, {name}.", words.greeting);
//!         Ok(Salute { text })
//!     }
//! }
//! ```
//!
//! The result is structured content for programs, without the members that are `None`, and its JSON is the text for
//! people and models. [`Tool::text`] puts better words in its place. A tool without arguments takes [`NoArguments`].
//!
//! # An app
//!
//! A [`Registry`] holds the app's tools, and [`run`] serves them until the Functions host ends the program:
//!
//! ```no_run
//! # use functions_mcp::{Failure, NoArguments, Tool, ToolContext};
//! # struct SaluteTool;
//! # impl Tool for SaluteTool {
//! #     const NAME: &'static str = "SaluteTool";
//! #     const DESCRIPTION: &'static str = "Greets.";
//! #     type Arguments = NoArguments;
//! #     type Output = ();
//! #     async fn call(&self, _: NoArguments, _: &ToolContext) -> Result<(), Failure> { Ok(()) }
//! # }
//! use std::process::ExitCode;
//!
//! use functions_mcp::Registry;
//!
//! fn main() -> ExitCode {
//!     functions_mcp::run(Registry::new().with(SaluteTool))
//! }
//! ```
//!
//! The host learns of a tool from its `function.json`, which [`ToolDefinition::function_json`] writes and
//! `cargo xtask functions` keeps up to date. Environment variables are the configuration: [`Settings`] reads them, and
//! [`names`] says what each means. An app's own `tracing` events appear in the log at the level that `RUST_LOG` names.
//!
//! # Calling other services as the user
//!
//! [`ToolContext::graph`] is Microsoft Graph as the user: [`Graph::me`], and [`Graph::get`] for any other resource.
//!
//! ```
//! # use functions_mcp::{Failure, Graph, ToolContext};
//! # use serde::Deserialize;
//! #[derive(Deserialize)]
//! struct Messages {
//!     value: Vec<Message>,
//! }
//!
//! #[derive(Deserialize)]
//! struct Message {
//!     subject: Option<String>,
//! }
//!
//! async fn subjects_from(sender: &str, context: &ToolContext) -> Result<Vec<String>, Failure> {
//!     let filter = format!("from/emailAddress/address eq {}", Graph::string_literal(sender));
//!     let path = ["v1.0", "me", "messages"];
//!     let messages: Messages = context.graph().get(&path, &[("$filter", &filter)]).await?;
//!     Ok(messages.value.into_iter().filter_map(|message| message.subject).collect())
//! }
//! ```
//!
//! [`ToolContext::credential`] is a credential of the user that any client of the Azure SDK takes.
//!
//! # When a call fails
//!
//! A [`Failure`] tells the user in a sentence or two what happened and what to do, and tells the operator's log who
//! must act: the user, the operator, or time ([`Remedy`]). The engine's own failures, of identity, limits and services,
//! pass through a tool with `?`.
//!
//! ```
//! use functions_mcp::Failure;
//!
//! fn take_one(left: u32) -> Result<u32, Failure> {
//!     left.checked_sub(1)
//!         .ok_or_else(|| Failure::user("out_of_stock", "There is none left. Please choose something else."))
//! }
//! # assert!(take_one(0).is_err());
//! ```
//!
//! # Inside
//!
//! The modules form a ladder; each uses those below it and none above.
//!
//! | module | says |
//! |---|---|
//! | `run`, `telemetry` | the program: settings, log, server; what the host learns from the exit code |
//! | `server` | the HTTP server that the host calls |
//! | `host` | the host's envelope, invocation, result and `function.json`; who may call, and how much at once |
//! | `tool` | what a tool is, its schemas, the registry |
//! | `graph` | Microsoft Graph |
//! | `credential` | the identity that a call acts as: verification, exchange, cache |
//! | `http` | the rules for every outbound request |
//! | `settings`, `identity` | environment variables; the identity that they describe |
//! | `endpoint`, `local_run` | addresses that tokens may be sent to; callers of a local run |
//! | `headers`, `cloud` | the headers of the client's request; Azure clouds |
//! | `failure`, `loopback`, `log_stream` | failed calls; this machine's own hosts; a log that never blocks |

mod cloud;
mod credential;
mod endpoint;
mod failure;
mod graph;
mod headers;
mod host;
mod http;
mod identity;
mod local_run;
mod log_stream;
mod loopback;
mod run;
mod server;
mod settings;
mod telemetry;
mod tool;

pub use cloud::Cloud;
pub use failure::{Failure, Remedy};
pub use graph::{Graph, User};
pub use run::run;
pub use settings::{Settings, SettingsError, names};
pub use tool::{NoArguments, Registry, Tool, ToolContext, ToolDefinition};

/// The inside, for the tests, the fuzzing and the benchmark of this repository. It changes without notice.
#[doc(hidden)]
pub mod internals {
    pub use crate::{
        credential::{CredentialSource, Error, Expiring, Kind, RefreshingCache},
        endpoint::{Origin, is_confidential},
        headers::{DuplicateHeader, Headers},
        host::{
            envelope::{EnvelopeError, TriggerValue},
            invocation::{Arguments, ToolInvocation},
        },
        http::{Http, HttpClients, Reply},
        identity::{CallerIdentity, Identity, TenantId},
        server::run as serve,
        telemetry::init as start_log,
    };
}
