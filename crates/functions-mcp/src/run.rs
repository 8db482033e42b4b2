//! The program: settings, log, server, and the exit code that the Functions host acts on.

use std::process::ExitCode;

use crate::{server, settings::Settings, telemetry, tool::Registry};

/// The exit code that makes the Functions host start this program again, at once and without counting a failure.
///
/// After exit code 0 the host fails every call for ever, and other codes are counted: the third within 30 minutes ends
/// the host. A start that fails must not exit with it: the host would start the program again without end.
const START_AGAIN: u8 = 200;

/// Serves `tools` until the Functions host ends the program. It is the whole of an app's `main`.
pub fn run(tools: Registry) -> ExitCode {
    actix_web::rt::System::new().block_on(serve(tools))
}

async fn serve(tools: Registry) -> ExitCode {
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(error) => return cannot_start(&error),
    };
    let _log = match telemetry::init(settings.log_level, tools.crates()) {
        Ok(log) => log,
        Err(error) => return cannot_start(&error),
    };
    let port = settings.port;
    match server::run(settings, tools).await {
        Ok(()) => {
            tracing::info!("told to end; the Functions host starts this program again");
            START_AGAIN.into()
        }
        Err(error) => {
            tracing::error!(port, %error, "the port cannot be served");
            ExitCode::FAILURE
        }
    }
}

fn cannot_start(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}
