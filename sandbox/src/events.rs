//! What happens in the sandbox, told as it happens: for the terminal, and for whoever else listens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::functions_host::handler_process::LogLine;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The handler's process was started.
    HandlerStarted {
        /// Its process id.
        pid: u32,
    },
    /// The handler answered for the first time.
    HandlerReady {
        /// The time since its start.
        after: Duration,
    },
    /// The handler wrote a line.
    HandlerLog(LogLine),
    /// The handler's process ended, or never started.
    HandlerEnded {
        /// Why, and what the host does about it.
        reason: String,
    },
    /// An MCP request other than a tool call was answered.
    McpRequest {
        /// The JSON-RPC method.
        method: String,
        /// The caller's name, if known.
        caller: Option<String>,
    },
    /// A tool was called and answered.
    ToolCall {
        /// The tool's name as the client wrote it.
        tool: String,
        /// The caller's name, if known.
        caller: Option<String>,
        /// What the client got.
        answer: Answer,
        /// The time that the call took.
        duration: Duration,
    },
    /// The handler's answer held a line for the function's log.
    FunctionLog {
        /// The function.
        function: String,
        /// The line.
        text: String,
    },
    /// A request was turned away before it reached the handler.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        reason: String,
    },
}

/// What a client got for a tool call.
#[derive(Debug, Clone)]
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
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    /// Calls `listener` for each event, on whichever thread it happens.
    pub fn to(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(crate) fn emit(&self, event: Event) {
        (self.0)(event);
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::to(|_| ())
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
