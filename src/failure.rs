//! A tool call that failed: what the user is told, and what the operator's log says.

use std::fmt;

/// Who can do something about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The user, or the MCP client on the user's behalf. Not a fault of the app.
    User,
    /// The people who run the app: a fault of its code or of its set-up.
    Operator,
    /// Time: something else is down or busy.
    Wait,
}

/// Why a tool call failed.
#[derive(Clone, Debug)]
pub struct Failure {
    class: &'static str,
    remedy: Remedy,
    message: String,
    action: Option<&'static str>,
    detail: Option<String>,
}

impl Failure {
    /// A failure of the kind `class` that `message` explains to the user in a sentence or two.
    ///
    /// `class` is a word for the log, such as `consent_required`.
    pub fn new(class: &'static str, remedy: Remedy, message: impl Into<String>) -> Self {
        Self {
            class,
            remedy,
            message: message.into(),
            action: None,
            detail: None,
        }
    }

    /// Adds what the operator should do, for the log.
    pub fn with_action(mut self, action: &'static str) -> Self {
        self.action = Some(action);
        self
    }

    /// Adds particulars for the log, such as error codes and correlation ids. Never a secret.
    pub fn with_detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    /// The kind of failure, for the log.
    pub fn class(&self) -> &'static str {
        self.class
    }

    /// Who can do something about it.
    pub fn remedy(&self) -> Remedy {
        self.remedy
    }

    /// What the user is told.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the operator should do.
    pub fn action(&self) -> Option<&'static str> {
        self.action
    }

    /// Particulars for the log.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// A word of another's for the log, such as a code or an id: cut to a length that any of those has, and without
/// what could forge a line or a field.
pub(crate) fn word(text: &str) -> String {
    let is_harmless = |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    text.chars().filter(is_harmless).take(80).collect()
}
