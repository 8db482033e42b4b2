//! What happens in the sandbox, told as it happens: for the terminal, and for whoever else listens.
//!
//! Events serialize to JSON objects whose `event` names them. No event holds a token, a code or a key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Something in the app's files keeps a part of the app, or all of it, from working.
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
        /// The caller's name, if known.
        caller: Option<String>,
    },
    /// A tool call was answered.
    ToolCall {
        /// The tool's name as the client wrote it.
        tool: String,
        /// The caller's name, if known.
        caller: Option<String>,
        /// What the client got; `outcome` and `text` in JSON.
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

/// One HTTP request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// Who asked, as far as that shows.
    pub from: Option<Party>,
    /// Who answered.
    pub to: Party,
    /// What was asked.
    pub request: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// What was answered, and why.
    pub answer: String,
}

/// Who takes part in an [`Exchange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    /// How App Service Authentication names itself to other services (`User-Agent`).
    pub(crate) const APP_SERVICE_AUTH_USER_AGENT: &str = "AppServiceAuthentication";
}

/// What a client got for a tool call.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", content = "text", rename_all = "snake_case")]
pub enum Answer {
    /// The tool's result; its first text, if it has one.
    Result(String),
    /// The tool's own words for a failure.
    Error(String),
    /// The host's words, since the handler failed: the true cause, which the client does not learn.
    HandlerFailed(String),
    /// A JSON-RPC error.
    Refused(String),
}

/// Where events go. The default goes nowhere.
#[derive(Clone, Default)]
pub struct Events(Option<Arc<dyn Fn(Event) + Send + Sync>>);

impl Events {
    /// Calls `listener` for each event, on whichever thread it happens.
    pub fn to(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Whether anybody listens. Where not, it is no use to find out what happens.
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
