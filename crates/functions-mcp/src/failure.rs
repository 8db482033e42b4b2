//! A tool call that failed: what the user is told, and what the operator's log says.

use std::{fmt, time::Duration};

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
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    class: &'static str,
    remedy: Remedy,
    message: String,
    action: Option<&'static str>,
    detail: Option<String>,
}

impl Failure {
    /// A failure that the user can do something about, or the MCP client on the user's behalf.
    ///
    /// `class` is a word for the log, such as `out_of_stock`; `message` tells the user in a sentence or two what
    /// happened and what to do.
    pub fn user(class: &'static str, message: impl Into<String>) -> Self {
        Self::new(class, Remedy::User, message)
    }

    /// A failure that the people who run the app can do something about; see [`Self::user`] for the parameters.
    pub fn operator(class: &'static str, message: impl Into<String>) -> Self {
        Self::new(class, Remedy::Operator, message)
    }

    /// A failure that passes with time; see [`Self::user`] for the parameters.
    pub fn wait(class: &'static str, message: impl Into<String>) -> Self {
        Self::new(class, Remedy::Wait, message)
    }

    fn new(class: &'static str, remedy: Remedy, message: impl Into<String>) -> Self {
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

/// What a user is told when `service` is down or busy.
pub(crate) fn busy_message(service: &str, retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!(
            "{service} is busy. Please try again in {} seconds.",
            wait.as_secs().max(1)
        ),
        None => format!("{service} is not answering. Please try again in a minute."),
    }
}

/// A word of another's for the log, such as a code or an id: cut to a length that any of those has, and without
/// what could forge a line or a field.
pub(crate) fn word(text: &str) -> String {
    let is_harmless = |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    text.chars().filter(is_harmless).take(80).collect()
}
