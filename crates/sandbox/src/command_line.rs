//! The program's command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use sandbox::{IdentifierUri, Profile, faults::Fault};

/// The default port of Entra.
pub const DEFAULT_LOGIN_PORT: u16 = 7072;

/// Azure on this machine only, for this function app: the Functions host with its MCP extension,
/// App Service Authentication, Entra, a managed identity and Microsoft Graph.
#[derive(Debug, Parser)]
#[command(
    name = "sandbox",
    bin_name = "cargo run -p sandbox --",
    args_conflicts_with_subcommands = true,
    after_help = EXAMPLES
)]
pub struct CommandLine {
    /// The command; `start` by default.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `start`.
    #[command(flatten)]
    pub start: StartArguments,
}

const EXAMPLES: &str = "\
Examples:
  cargo run -p sandbox
      Build the handler and start everything, as in Azure
  cargo run -p sandbox -- --profile local --developer grace
      Start everything as `func start` does, with Grace as the developer
  cargo run -p sandbox -- --identifier-uri api
      Refuse the `resource` of MCP clients, as Entra does for an app registered as api://… only
  cargo run -p sandbox -- --fault '{\"at\":\"graph\",\"effect\":{\"status\":{\"code\":503}}}'
      Simulate an outage of Microsoft Graph
  cargo run -q -p sandbox -- token ada
      Print a token for the sandbox that runs in another terminal";

/// The program's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the handler and start everything (the default)
    Start(StartArguments),
    /// Print an access token for calls to the running sandbox as a person
    Token(TokenArguments),
    /// Send recorded requests of the real Functions host to the sandbox, and compare the answers
    Replay(ReplayArguments),
    /// Run the handler of a replayed case
    #[command(hide = true)]
    ScriptedHandler,
}

/// Options of `start`.
#[derive(Clone, Debug, Args)]
pub struct StartArguments {
    /// Environment: Azure with sign-in and system key, or a laptop with `func start`
    #[arg(long, value_enum, default_value_t)]
    pub profile: Profile,
    /// Folder of the function app, with host.json
    #[arg(long, default_value = ".")]
    pub app_root: PathBuf,
    /// Start the handler as it is, without building it first
    #[arg(long)]
    pub no_build: bool,
    /// Person who is signed in to the Azure CLI (profile local)
    #[arg(long, value_name = "PERSON", default_value = "ada")]
    pub developer: String,
    /// Serve Entra and Graph over https as well, for clients that require it (MSAL), with a
    /// certificate of the sandbox's own authority; the handler uses https too
    #[arg(long)]
    pub tls: bool,
    /// Start in spite of errors that keep the host down or its calls waiting, as Azure does, instead of
    /// reporting them at once: a host that cannot start answers 503, and the tools of a handler that
    /// cannot be started are listed. Also answer requests for any host name, not only for this
    /// machine's own
    #[arg(long)]
    pub as_azure: bool,

    /// Identifier URIs of the MCP server's app registration in Entra: the endpoint's URL and its origin
    /// beside api://…, or api://… only
    #[arg(long, value_enum, default_value_t, help_heading = "Entra")]
    pub identifier_uri: IdentifierUri,
    /// Let Entra ignore `resource`; otherwise it refuses any value that is not exactly an identifier
    /// URI of the scope's API, as the real Entra does (AADSTS9010010)
    #[arg(long, help_heading = "Entra")]
    pub lenient_resource: bool,

    /// Inject a fault into the cloud, as JSON: '{"at":"graph","effect":{"status":{"code":503}}}'; can
    /// be repeated. The control API, at the address in the banner, lists the possible faults
    #[arg(long = "fault", value_name = "JSON", value_parser = parse_fault, help_heading = "Failures")]
    pub faults: Vec<Fault>,

    /// Port of the MCP endpoint and of the sign-in page; 0 takes any free port, here and below
    #[arg(long, default_value_t = 7071, help_heading = "Ports")]
    pub port: u16,
    /// Port of Entra and of the control API
    #[arg(long, default_value_t = DEFAULT_LOGIN_PORT, help_heading = "Ports")]
    pub login_port: u16,
    /// Port of Microsoft Graph
    #[arg(long, default_value_t = 7073, help_heading = "Ports")]
    pub graph_port: u16,
    /// Port of the managed identity endpoint
    #[arg(long, default_value_t = 7074, help_heading = "Ports")]
    pub identity_port: u16,

    /// Print the banner, but not the log
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,
    /// Print JSON lines for programs: first the addresses and keys (`"event":"ready"`), then each event
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Options of `token`.
#[derive(Clone, Debug, Args)]
pub struct TokenArguments {
    /// Person who calls: ada, grace, alan, user0, user1, …
    pub person: String,
    /// Port of Entra in the running sandbox
    #[arg(long, default_value_t = DEFAULT_LOGIN_PORT)]
    pub login_port: u16,
}

/// Options of `replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArguments {
    /// Folder of recordings, such as crates/sandbox/recordings
    pub folder: PathBuf,
    /// Replay only this group, such as `sse` or `key-gate.json`; can be repeated
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// File that lists where the sandbox differs on purpose, instead of the sandbox's own list
    #[arg(long, value_name = "FILE")]
    pub differences: Option<PathBuf>,
}

fn parse_fault(json: &str) -> Result<Fault, serde_json::Error> {
    serde_json::from_str(json)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn options_without_a_command_are_those_of_start() {
        let line = CommandLine::parse_from(["sandbox", "--profile", "local", "--port", "0"]);
        assert!(line.command.is_none());
        assert_eq!((line.start.profile, line.start.port), (Profile::Local, 0));
    }
}
