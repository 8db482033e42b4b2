//! Compares the handler with its alternatives.

use std::{fs, io, path::PathBuf, process::ExitCode};

use bench::{
    comparison::{self, Plan},
    conditions, instructions,
    program::{Checkout, Program},
    report,
    results::Results,
    world::World,
};
use clap::{Parser, Subcommand, ValueEnum};

/// Compares the handler with its alternatives on this machine.
///
/// Needs Linux, Node and Python; installs the peers from pinned versions.
#[derive(Parser)]
#[command(bin_name = "cargo run --release -p bench --")]
struct CommandLine {
    #[command(subcommand)]
    command: Option<BenchCommand>,
    /// Make a short run that shows that everything works; writes no report
    #[arg(long)]
    quick: bool,
    /// Measure only this program, and write no report; may be repeated
    #[arg(long = "program", value_name = "PROGRAM")]
    programs: Vec<Program>,
    /// Folder for performance.md and its pictures
    #[arg(long, value_name = "FOLDER", default_value = "docs")]
    output: PathBuf,
}

#[derive(Subcommand)]
enum BenchCommand {
    /// Count the instructions of a warm call, and fail if there are too many (needs valgrind)
    Instructions,
    /// Write the report again from the results of the last run
    Report,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(CommandLine::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(line: CommandLine) -> io::Result<()> {
    let checkout = Checkout::own();
    let results_file = checkout.target().join("bench-results.json");
    match line.command {
        Some(BenchCommand::Instructions) => {
            checkout.prepare(&[Program::Handler, Program::Floor])?;
            let world = World::start(checkout.root(), true).await?;
            instructions::check(&checkout, &world).await
        }
        Some(BenchCommand::Report) => {
            let results = fs::read(&results_file)?;
            let results = serde_json::from_slice(&results).map_err(io::Error::other)?;
            report::write(&results, &line.output)
        }
        None => {
            let plan = if line.quick { Plan::QUICK } else { Plan::WHOLE };
            let is_whole = !line.quick && line.programs.is_empty();
            let programs = if line.programs.is_empty() {
                Program::value_variants().to_vec()
            } else {
                line.programs
            };
            checkout.prepare(&programs)?;
            let world = World::start(checkout.root(), true).await?;
            let results = Results {
                conditions: conditions::conditions(&checkout, plan),
                programs: comparison::compare(&checkout, &world, plan, &programs).await?,
            };
            let json = serde_json::to_vec_pretty(&results).map_err(io::Error::other)?;
            if !is_whole {
                println!("{}", String::from_utf8_lossy(&json));
                return Ok(());
            }
            fs::write(&results_file, json)?;
            report::write(&results, &line.output)?;
            println!("{}", report::headline(&results));
            Ok(())
        }
    }
}
