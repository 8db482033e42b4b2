//! The events of the sandbox, sent as they happen: to the log on the terminal, and to other listeners.
//!
//! Events serialize to JSON objects whose `event` names them. No event holds a token, a code or a key.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Serialize, Serializer};

/// An event in the sandbox.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An error in the app's files keeps a part of the app, or all of it, from working.
    AppProblem {
        /// What does not work, and why.
        problem: String,
    },
    /// The handler's process was started.
    HandlerStarted {
        /// Its process id.
        pid: u32,
    },
    /// The handler answered for the first time.
    HandlerReady {
        /// The time since its start; `milliseconds` in JSON.
        #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
        after: Duration,
    },
    /// The handler wrote a line.
    HandlerLog(LogLine),
    /// The handler's process ended, or never started.
    HandlerEnded {
        /// Why, and what the host does about it.
        reason: String,
    },
    /// An MCP client sent a request or a notification that the gates let pass.
    McpRequest {
        /// The JSON-RPC method.
        method: String,
        /// The tool, if one is called.
        tool: Option<String>,
        /// The caller's name; `None` for an anonymous call.
        caller: Option<String>,
    },
    /// A tool call was answered.
    ToolCall {
        /// The tool's name as the client wrote it.
        tool: String,
        /// The caller's name; `None` for an anonymous call.
        caller: Option<String>,
        /// The client's answer; `outcome` and `text` in JSON.
        #[serde(flatten)]
        answer: Answer,
        /// The time that the call took; `milliseconds` in JSON.
        #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
        duration: Duration,
    },
    /// The handler's answer held a line for the function's log.
    FunctionLog {
        /// The function.
        function: String,
        /// The line.
        text: String,
    },
    /// A step of signing in, or of getting and using a token.
    Exchange(Exchange),
}

/// The stream that a process wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The level at which the host logs a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Any line on standard output.
    Information,
    /// A line on standard error that contains "warn".
    Warning,
    /// Any other line on standard error.
    Error,
}

/// A line that the process wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// The process that wrote it.
    pub pid: u32,
    /// The stream that it was written to.
    pub stream: Stream,
    /// The level at which the host logs it.
    pub level: Level,
    /// The line without its end.
    pub text: String,
}

/// One HTTP request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// The sender of the request, if known.
    pub from: Option<Party>,
    /// The receiver of the request.
    pub to: Party,
    /// The request, in words.
    pub request: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The answer and the reason for it, in words.
    pub answer: String,
}

/// A party to an [`Exchange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The MCP client.
    Client,
    /// The browser of a person who signs in.
    Browser,
    /// App Service Authentication.
    AppServiceAuth,
    /// The Functions host with its MCP extension.
    FunctionsHost,
    /// The app's custom handler.
    Handler,
    /// Microsoft Entra ID.
    Entra,
    /// The managed identity endpoint.
    ManagedIdentity,
    /// Microsoft Graph.
    Graph,
}

impl Party {
    /// The `User-Agent` of App Service Authentication.
    pub(crate) const APP_SERVICE_AUTH_USER_AGENT: &str = "AppServiceAuthentication";
}

/// The answer to a client's tool call.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", content = "text", rename_all = "snake_case")]
pub enum Answer {
    /// The tool's result; its first text, if it has one.
    Result(String),
    /// The tool's own error; its text.
    Error(String),
    /// A failure of the handler; its cause. The client gets the host's general message instead.
    HandlerFailed(String),
    /// A JSON-RPC error.
    Refused(String),
}

/// The listener to events. The default has none.
#[derive(Clone, Default)]
pub struct Events(Option<Arc<dyn Fn(Event) + Send + Sync>>);

impl Events {
    /// Calls `listener` for each event, on the thread where it happens.
    pub fn to(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Whether events have a listener. Without one, callers need not collect them.
    pub(crate) fn are_heard(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn emit(&self, event: Event) {
        if let Some(listener) = &self.0 {
            listener(event);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_millis().try_into().unwrap_or(u64::MAX))
}
