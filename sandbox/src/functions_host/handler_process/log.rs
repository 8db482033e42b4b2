//! What the process writes, and what the host takes it for.

use serde::Serialize;

/// Which of its streams a process wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How the host logs a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Everything on standard output.
    Information,
    /// A line on standard error that contains "warn".
    Warning,
    /// Any other line on standard error.
    Error,
}

/// A line that the process wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// The process that wrote it.
    pub pid: u32,
    /// Where it wrote it.
    pub stream: Stream,
    /// What the host takes it for.
    pub level: Level,
    /// The line without its end.
    pub text: String,
}

/// The level of a line on standard error. `errors_only` is `useStdErrorStreamForErrorsOnly` of
/// host.json.
pub(super) fn level_of_stderr(line: &str, errors_only: bool) -> Level {
    let line = line.to_lowercase();
    let contains = |words: &[&str]| words.iter().any(|word| line.contains(word));
    if contains(&["warn"]) {
        Level::Warning
    } else if errors_only || contains(&["error", "fail", "severe", "unhandled exception"]) {
        Level::Error
    } else {
        Level::Information
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_error_is_an_error_unless_it_warns() {
        assert_eq!(level_of_stderr("boom", true), Level::Error);
        assert_eq!(level_of_stderr("Warning: slow", true), Level::Warning);
        assert_eq!(level_of_stderr("listening", false), Level::Information);
        assert_eq!(level_of_stderr("it failed", false), Level::Error);
    }
}
