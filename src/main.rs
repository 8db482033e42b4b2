//! The custom handler that the Functions host starts.

use std::process::ExitCode;

use handler::{server, settings::Settings, telemetry, tools};

#[actix_web::main]
async fn main() -> ExitCode {
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    telemetry::init(settings.log_level);
    let port = settings.port;
    match server::run(settings, tools::registry()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(port, %error, "the port cannot be served");
            ExitCode::FAILURE
        }
    }
}
