//! `cargo xtask doctor`: finds the problems of a set-up, and names their remedies.

mod app;
mod azurite;
mod finding;
mod http;
mod server;
mod tools;

use std::{error::Error, path::Path};

use ::tools::registry;

use self::{
    azurite::Azurite,
    finding::Verdict,
    server::{Credentials, Server},
};
use crate::programs::Programs;

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
With --url, two environment variables let it go further, as a signed-in user:
  MCP_ACCESS_TOKEN  an access token for the server's scope
  MCP_SYSTEM_KEY    the system key mcp_extension

For the sandbox:
  MCP_ACCESS_TOKEN=$(cargo run -q -p sandbox -- token ada)
For a deployed server that names the Azure CLI, 04b07795-8ddb-461a-bbee-02f9e1bf7b46, in
PRE_AUTHORIZED_CLIENT_IDS:
  MCP_ACCESS_TOKEN=$(az account get-access-token --scope <scope> --query accessToken --output tsv)")]
pub struct Arguments {
    /// A running server, such as `https://func-mcp-abc123.azurewebsites.net` or `http://127.0.0.1:7071`
    #[arg(long)]
    pub url: Option<Server>,
}

/// Runs the checks and prints their findings.
///
/// # Errors
/// When a check fails.
pub async fn run(root: &Path, arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let programs = Programs::on_path();
    let findings = match arguments.url {
        Some(server) => {
            let credentials = Credentials::from_env();
            let scope = deployed_scope(&programs, &server);
            server.check(&credentials, scope.as_deref()).await
        }
        None => {
            let mut findings =
                app::check(root, &registry().definitions(), &Azurite::default()).await;
            findings.extend(tools::check(&programs));
            findings
        }
    };
    for finding in &findings {
        println!("{finding}");
    }
    let count = |verdict| {
        findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
            .count()
    };
    match (count(Verdict::Fail), count(Verdict::Warn)) {
        (0, 0) => println!("No problems found."),
        (0, 1) => println!("No problems found, 1 warning."),
        (0, warnings) => println!("No problems found, {warnings} warnings."),
        (failed, _) => return Err(format!("{failed} of {} checks failed", findings.len()).into()),
    }
    Ok(())
}

/// The scope that azd deployed the server with, if this folder's azd environment is the server's.
fn deployed_scope(programs: &Programs, server: &Server) -> Option<String> {
    let values = programs
        .output("azd", &["env", "get-values", "--output", "json"])
        .ok()?;
    let values: serde_json::Value = serde_json::from_str(&values).ok()?;
    let value = |name: &str| values[name].as_str();
    if value("SERVICE_MCP_DEFAULT_HOSTNAME")? != server.host() {
        return None;
    }
    Some(format!(
        "{}/{}",
        value("ENTRA_IDENTIFIER_URI")?,
        value("CONFIGURED_SCOPES")?
    ))
}
