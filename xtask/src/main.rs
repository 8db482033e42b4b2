//! Maintenance commands of this repository: `cargo xtask --help`.

mod functions;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

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
}

fn main() -> ExitCode {
    match run(CommandLine::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Functions { check: false } => functions::write(&root()),
        Command::Functions { check: true } => functions::check(&root()),
    }
}

/// The repository's root.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
