//! The custom handler that the Functions host starts.

use std::process::ExitCode;

fn main() -> ExitCode {
    handler::run(handler::tools::registry())
}
