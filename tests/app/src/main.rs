//! The custom handler of the test app.

use std::process::ExitCode;

fn main() -> ExitCode {
    handler::run(test_app::tools::registry())
}
