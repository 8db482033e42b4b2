//! Logging in the form that the Functions host expects of a custom handler.
//!
//! The host files each line of stdout as Information and each line of stderr as Error, and adds the time, so a
//! line here is its level, its message and `key=value` fields.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, Write},
    panic,
    sync::Arc,
    time::Duration,
};

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, filter::Targets, fmt::writer::MakeWriterExt, layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::log_stream::LogStream;

/// How long the program waits at its end until its last lines are read.
const PATIENCE: Duration = Duration::from_secs(1);

/// The log. Dropping it writes the lines that are still queued.
#[must_use]
#[derive(Debug)]
pub struct Log {
    streams: [Arc<LogStream>; 2],
}

/// Starts the log: this crate's and the app's own `crates` at `level`, and panics, with a backtrace if `RUST_BACKTRACE`
/// asks for one.
///
/// Other libraries log warnings at most: some of them trace headers, and a header may be a token.
///
/// # Errors
/// When no thread can be started.
pub fn init(level: Level, crates: impl Iterator<Item = &'static str>) -> io::Result<Log> {
    let stdout = Arc::new(LogStream::to(io::stdout())?);
    let stderr = Arc::new(LogStream::to(io::stderr())?);
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_writer(
            stderr
                .clone()
                .with_max_level(Level::ERROR)
                .or_else(stdout.clone()),
        )
        .with_filter(
            Targets::new()
                .with_default(LevelFilter::WARN.min(LevelFilter::from_level(level)))
                .with_target(env!("CARGO_CRATE_NAME"), level)
                .with_targets(crates.map(|name| (name, level))),
        );
    tracing_subscriber::registry().with(lines).init();

    // The default hook writes to standard error itself, and would wait until it is read.
    let panics = stderr.clone();
    panic::set_hook(Box::new(move |panic| {
        let backtrace = Backtrace::capture();
        let text = match backtrace.status() {
            BacktraceStatus::Captured => format!("{panic}\n{backtrace}"),
            _ => format!("{panic}\n"),
        };
        let _ = panics.as_ref().write_all(text.as_bytes());
    }));
    Ok(Log {
        streams: [stdout, stderr],
    })
}

impl Drop for Log {
    fn drop(&mut self) {
        for stream in &self.streams {
            stream.flush(PATIENCE);
        }
    }
}
