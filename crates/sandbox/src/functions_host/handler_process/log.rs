//! The level at which the host logs a line of the process.

use crate::events::Level;

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
