//! The program's command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use sandbox::faults::Fault;
use sandbox::{IdentifierUri, Profile};

/// The port at which the program's Entra listens unless told otherwise.
pub const DEFAULT_LOGIN_PORT: u16 = 7072;

/// Azure on this machine alone, for this function app: the Functions host with its MCP extension,
/// App Service Authentication, Entra, a managed identity and Microsoft Graph.
#[derive(Debug, Parser)]
#[command(
    name = "sandbox",
    bin_name = "cargo run -p sandbox --",
    args_conflicts_with_subcommands = true,
    after_help = EXAMPLES
)]
pub struct CommandLine {
    /// What to do; `start` if nothing is said.
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
      The same as `func start` runs it, with Grace as the developer
  cargo run -p sandbox -- --identifier-uri api
      Refuse the `resource` of MCP clients, as Entra does for an app registered as api://… alone
  cargo run -p sandbox -- --fault '{\"at\":\"graph\",\"effect\":{\"status\":{\"code\":503}}}'
      Let Microsoft Graph be down
  cargo run -q -p sandbox -- token ada
      Print a token for the sandbox that runs in another terminal";

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the handler and start everything (the default)
    Start(StartArguments),
    /// Print an access token with which to call the running sandbox as somebody
    Token(TokenArguments),
    /// Send recorded requests of the real Functions host to the sandbox, and compare the answers
    Replay(ReplayArguments),
    /// Be the handler of a replayed case
    #[command(hide = true)]
    ScriptedHandler,
}

/// Options of `start`.
#[derive(Debug, Clone, Args)]
pub struct StartArguments {
    /// What to be: Azure with sign-in and system key, or a laptop with `func start`
    #[arg(long, value_enum, default_value_t)]
    pub profile: Profile,
    /// Folder of the function app, with host.json
    #[arg(long, default_value = ".")]
    pub app_root: PathBuf,
    /// Start the handler as it is, without building it first
    #[arg(long)]
    pub no_build: bool,
    /// Who is signed in to the Azure CLI (profile local)
    #[arg(long, value_name = "PERSON", default_value = "ada")]
    pub developer: String,
    /// Serve Entra and Graph over https as well, for clients that demand it (MSAL), with a
    /// certificate of the sandbox's own authority; the handler uses it too
    #[arg(long)]
    pub tls: bool,
    /// Start with what keeps the host down or its calls waiting, as Azure does, instead of saying
    /// at once what is wrong: a host that cannot start answers 503, and the tools of a handler that
    /// cannot be started are listed. Requests for any host name are answered, too, instead of those
    /// for this machine alone
    #[arg(long)]
    pub as_azure: bool,

    /// What the MCP server is registered as in Entra: with the endpoint's URL and its origin beside
    /// api://…, or with api://… alone
    #[arg(long, value_enum, default_value_t, help_heading = "Entra")]
    pub identifier_uri: IdentifierUri,
    /// Let Entra ignore `resource`; otherwise it refuses one that is not an identifier URI of the
    /// scope's API, in every character, as the real one does (AADSTS9010010)
    #[arg(long, help_heading = "Entra")]
    pub lenient_resource: bool,

    /// Let a part of the cloud fail, as JSON: '{"at":"graph","effect":{"status":{"code":503}}}';
    /// can be repeated. The switches, at the address in the banner, tell what there is
    #[arg(long = "fault", value_name = "JSON", value_parser = parse_fault, help_heading = "Failures")]
    pub faults: Vec<Fault>,

    /// Port of the MCP endpoint and of the sign-in page; 0 takes any free one, here as below
    #[arg(long, default_value_t = 7071, help_heading = "Ports")]
    pub port: u16,
    /// Port of Entra and of the sandbox's switches
    #[arg(long, default_value_t = DEFAULT_LOGIN_PORT, help_heading = "Ports")]
    pub login_port: u16,
    /// Port of Microsoft Graph
    #[arg(long, default_value_t = 7073, help_heading = "Ports")]
    pub graph_port: u16,
    /// Port of the managed identity endpoint
    #[arg(long, default_value_t = 7074, help_heading = "Ports")]
    pub identity_port: u16,

    /// Print where things are, but not what happens
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,
    /// Print JSON lines for programs: first where things are (`"event":"ready"`), then each event
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Options of `token`.
#[derive(Debug, Clone, Args)]
pub struct TokenArguments {
    /// Who calls: ada, grace, alan, user0, user1, …
    pub person: String,
    /// Port of Entra in the running sandbox
    #[arg(long, default_value_t = DEFAULT_LOGIN_PORT)]
    pub login_port: u16,
}

/// Options of `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArguments {
    /// Folder of recordings, such as crates/sandbox/recordings
    pub folder: PathBuf,
    /// Replay this group alone, such as `sse` or `key-gate.json`; can be repeated
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// File that says where the sandbox differs on purpose, instead of its own
    #[arg(long, value_name = "FILE")]
    pub differences: Option<PathBuf>,
}

fn parse_fault(json: &str) -> Result<Fault, serde_json::Error> {
    serde_json::from_str(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

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
