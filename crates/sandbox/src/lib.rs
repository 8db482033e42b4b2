//! Azure on loopback: everything that a function app with MCP tools depends on in production, for a laptop, for tests
//! and for CI. Never deployed.
//!
//! The sandbox reads the app's own `host.json`, `local.settings.json` and `function.json` files and starts its custom
//! handler, but shares no code with it.
//!
//! - [`sandbox`]: all parts together
//! - [`functions_host`]: the Functions host with its MCP extension
//! - [`app_service_auth`]: App Service Authentication, in front of the host
//! - [`developer_tools`]: stand-ins for `az`, `azd` and `pwsh`, for a handler on a developer's machine
//! - [`cloud`]: Entra, managed identity and Microsoft Graph
//! - [`tenant`]: the state that these three share
//! - [`events`]: the events that the log shows
//! - [`replay`]: the comparison with recordings of the real host

pub mod app_service_auth;
mod ca_certificate;
mod certificate;
pub mod cloud;
mod control;
pub mod developer_tools;
pub mod directory;
mod entra;
pub mod events;
mod exchanges;
pub mod faults;
pub mod functions_host;
mod graph;
mod html;
pub mod ledger;
pub mod loopback;
mod managed_identity;
pub mod replay;
pub mod sandbox;
pub mod tenant;

pub use self::sandbox::{
    IdentifierUri, Profile, Sandbox, SandboxOptions, StartError, azure_variables,
};
