//! Logging in the form that the Functions host expects of a custom handler.
//!
//! The host files each line of stdout as Information and each line of stderr as Error, and adds the time, so a
//! line here is its level, its message and `key=value` fields.

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, filter::Targets, fmt::writer::MakeWriterExt, layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Starts logging at `level`.
///
/// Libraries stay at warnings whatever the level: some of them trace headers, and a header may be a token.
pub fn init(level: Level) {
    let errors_to_stderr = std::io::stderr
        .with_max_level(Level::ERROR)
        .or_else(std::io::stdout);
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_writer(errors_to_stderr)
        .with_filter(
            Targets::new()
                .with_default(LevelFilter::WARN.min(LevelFilter::from_level(level)))
                .with_target(env!("CARGO_CRATE_NAME"), level),
        );
    tracing_subscriber::registry().with(lines).init();
}
