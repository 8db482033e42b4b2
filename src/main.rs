//! The custom handler that the Functions host starts.

use std::process::ExitCode;

use handler::{server, settings::Settings, telemetry, tools};

/// Asks the Functions host to start this program again, at once and without counting it as a failure.
///
/// After exit code 0 the host fails every call for ever, and other codes are counted: the third within 30 minutes ends
/// the host. Never for a start that fails: the host would start it again without end.
const START_AGAIN: u8 = 200;

#[actix_web::main]
async fn main() -> ExitCode {
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(error) => return cannot_start(&error),
    };
    let _log = match telemetry::init(settings.log_level) {
        Ok(log) => log,
        Err(error) => return cannot_start(&error),
    };
    let port = settings.port;
    match server::run(settings, tools::registry()).await {
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
