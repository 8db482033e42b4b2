//! Maintenance commands of this repository: `cargo xtask --help`.

mod doctor;
mod functions;
mod new;
mod package;
mod programs;

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tools::registry;

/// Maintenance commands of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes each tool's function.json from its definition.
    ///
    /// Run it after you add or change a tool: the Functions host learns of tools from these files.
    Functions {
        /// Write nothing; fail when a file differs from its tool's definition.
        #[arg(long)]
        check: bool,
    },
    /// Builds the zip file that azd deploys.
    ///
    /// Builds the handler for Azure, whatever system this is, and packs it with host.json and each tool's
    /// function.json. The same sources give the same bytes.
    Package(package::Arguments),
    /// Finds out why it does not work, and says what to do.
    ///
    /// Looks at this machine: what local runs and deployments need. With --url, looks at a running server instead, as
    /// an MCP client sees it: who is let in, and where users sign in and consent.
    ///
    /// `warn` marks what only some need, `FAIL` what is wrong; the exit code is 1 after a `FAIL`.
    Doctor(doctor::Arguments),
    /// Makes a project of your own from this repository.
    ///
    /// Copies what a server needs, without what only the template's maintainers do, and gives it your name: package,
    /// MCP server, azd application and service, dev container. It builds and passes its tests at once, and does not
    /// depend on this repository.
    New(new::Arguments),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(CommandLine::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Functions { check: false } => functions::write(&root(), &registry().definitions()),
        Command::Functions { check: true } => functions::check(&root(), &registry().definitions()),
        Command::Package(arguments) => package::run(&root(), arguments),
        Command::Doctor(arguments) => doctor::run(&root(), arguments).await,
        Command::New(arguments) => new::run(&root(), arguments),
    }
}

/// The repository's root.
fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.ancestors().nth(2).unwrap_or(xtask).to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::{CommandFactory as _, error::ErrorKind};

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_documentation_names_commands_that_there_are() {
        // Whoever took the template may have deleted it.
        let docs = fs::read_dir(root().join("docs")).into_iter().flatten();
        let pages = docs
            .map(|page| page.unwrap().path())
            .filter(|page| page.is_file());
        let mut commands = Vec::new();
        for page in pages.chain(["README.md", "azure.yaml"].map(|page| root().join(page))) {
            let text = fs::read_to_string(page).unwrap();
            commands.extend(
                text.split("cargo xtask ")
                    .skip(1)
                    .filter_map(|rest| rest.split(['`', '\n', '#']).next())
                    .map(|command| command.trim().trim_end_matches(['.', ':', ',']).to_owned()),
            );
        }
        assert!(!commands.is_empty());
        for command in commands {
            let words = ["cargo xtask"]
                .into_iter()
                .chain(command.split_whitespace());
            let Err(error) = CommandLine::try_parse_from(words) else {
                continue;
            };
            // Prose names a command without its arguments.
            assert_eq!(
                error.kind(),
                ErrorKind::MissingRequiredArgument,
                "cargo xtask {command}: {error}"
            );
        }
    }
}
