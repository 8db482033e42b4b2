//! A tool call that failed: what the user is told, and what the operator's log says.

use std::{fmt, time::Duration};

/// Who must act after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The user, or the MCP client for them. The app is not at fault.
    User,
    /// The people who run the app: its code or its configuration is at fault.
    Operator,
    /// No one: another service is down or busy, and a later call may succeed.
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
    /// A failure that the user, or the MCP client for them, can resolve.
    ///
    /// `class` is its code in the log, such as `out_of_stock`; `message` tells the user in a sentence or two what
    /// happened and what to do.
    pub fn user(class: &'static str, message: impl Into<String>) -> Self {
        Self::new(class, Remedy::User, message)
    }

    /// A failure that the people who run the app can resolve; the parameters are those of [`Self::user`].
    pub fn operator(class: &'static str, message: impl Into<String>) -> Self {
        Self::new(class, Remedy::Operator, message)
    }

    /// A failure that passes with time; the parameters are those of [`Self::user`].
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

    /// The failure's code in the log.
    pub fn class(&self) -> &'static str {
        self.class
    }

    /// Who must act.
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

/// `text` of another party, such as a code or an id, made safe for the log: cut to 80 characters, and without those
/// that could forge a line or a field.
pub(crate) fn sanitized(text: &str) -> String {
    let is_harmless = |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    text.chars().filter(is_harmless).take(80).collect()
}
