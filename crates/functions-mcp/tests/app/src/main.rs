//! The custom handler of the test app.

use std::process::ExitCode;

fn main() -> ExitCode {
    functions_mcp::run(test_app::tools::registry())
}
