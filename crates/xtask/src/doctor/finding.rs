//! The finding of a check.

use std::fmt;

/// Pass, warn or fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No problem.
    Ok,
    /// Something is missing that only some users need.
    Warn,
    /// A problem.
    Fail,
}

/// The finding of a check, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Pass, warn or fail.
    pub verdict: Verdict,
    text: String,
    remedy: Option<String>,
}

impl Finding {
    /// A check that passes.
    pub fn ok(text: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Ok,
            text: text.into(),
            remedy: None,
        }
    }

    /// A warning: something is missing that only some users need. `remedy` says what needs it, or how to get it.
    pub fn warn(text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warn,
            text: text.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// A check that fails; `remedy` says what to do.
    pub fn fail(text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Fail,
            text: text.into(),
            remedy: Some(remedy.into()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        write!(f, "{verdict:<4}  {}", printable(&self.text))?;
        if let Some(remedy) = &self.remedy {
            write!(f, "\n      -> {}", printable(remedy))?;
        }
        Ok(())
    }
}

/// Puts the text on one line and limits its length: parts of it come from servers and programs.
fn printable(text: &str) -> String {
    const LONGEST: usize = 400;
    let line: String = text
        .chars()
        .take(LONGEST)
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        line + "…"
    } else {
        line
    }
}

/// Asserts that there is a finding with this verdict whose text and remedy contain these words.
#[cfg(test)]
#[track_caller]
pub fn assert_found(findings: &[Finding], verdict: Verdict, text: &str, remedy: &str) {
    let found = findings.iter().any(|finding| {
        let shown = finding.to_string();
        let (first, second) = shown.split_once("->").unwrap_or((&shown, ""));
        finding.verdict == verdict && first.contains(text) && second.contains(remedy)
    });
    assert!(
        found,
        "no {verdict:?} with {text:?} and {remedy:?} in {findings:#?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_remedy_another() {
        assert_eq!(Finding::ok("all is well").to_string(), "ok    all is well");
        assert_eq!(
            Finding::fail("it is broken", "mend it").to_string(),
            "FAIL  it is broken\n      -> mend it"
        );
    }

    #[test]
    fn what_a_server_says_cannot_write_over_the_terminal() {
        let finding = Finding::ok("a\n\u{1b}[2Jb".to_owned() + &"c".repeat(1000));
        let shown = finding.to_string();
        assert!(shown.starts_with("ok    a  [2Jbcc"), "{shown}");
        assert!(shown.chars().count() < 420, "{shown}");
    }
}
