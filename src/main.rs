//! The custom handler that the Functions host starts.

use std::process::ExitCode;

fn main() -> ExitCode {
    functions_mcp::run(tools::registry())
}
