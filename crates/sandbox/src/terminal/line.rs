//! An event as a line of the log.

use anstyle::{AnsiColor, Style};
use sandbox::{
    events::{Answer, Event, Exchange, Party},
    functions_host::handler_process::{Level, LogLine, Stream},
};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The length at which a tool's answer is cut, in characters.
const ANSWER_LENGTH: usize = 160;

/// The column of a line's text.
const MARGIN: usize = 31;

/// The width of the column of requests. Longer ones extend it.
const REQUEST_WIDTH: usize = 36;

const QUIET: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const ELSEWHERE: Style = AnsiColor::Cyan.on_default();
const REFUSED: Style = AnsiColor::Yellow.on_default();
const BROKEN: Style = AnsiColor::Red.on_default();

/// The event as a JSON object, with the time.
pub(super) fn json(event: &Event) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        time: String,
        #[serde(flatten)]
        event: &'a Event,
    }
    let time = OffsetDateTime::now_utc()
        .format(&Rfc3339)
        .unwrap_or_default();
    serde_json::to_string(&Line { time, event }).unwrap_or_default()
}

/// The event in words: the time, the sender and the receiver, the request and the answer.
pub(super) fn text(event: &Event) -> String {
    let (hour, minute, second) = OffsetDateTime::now_utc().to_hms();
    let time = format!("{hour:02}:{minute:02}:{second:02}Z");
    let (direction, text) = describe(event);
    // Further lines of a text are indented to its column.
    let text = text.replace('\n', &format!("\n{:MARGIN$}", ""));
    format!("{QUIET}{time}{QUIET:#}  {direction:<18}  {text}")
}

fn describe(event: &Event) -> (String, String) {
    match event {
        Event::AppProblem { problem } => (direction("", " ", "host"), paint(BROKEN, problem)),
        Event::HandlerStarted { pid } => handler(format!("started, process {pid}")),
        Event::HandlerReady { after } => handler(format!("ready after {} ms", after.as_millis())),
        Event::HandlerEnded { reason } => handler(paint(BROKEN, reason)),
        Event::HandlerLog(line) => (describe_stream(line.stream), log_line(line)),
        Event::FunctionLog { function, text } => handler(format!("logs for {function}: {text}")),
        Event::McpRequest {
            method,
            tool,
            caller,
        } => {
            let request = match tool {
                Some(tool) => format!("{method} {tool}"),
                None => method.clone(),
            };
            let caller = match caller {
                Some(caller) => format!("as {caller}"),
                None => "anonymous".to_owned(),
            };
            (
                direction("client", "→", "host"),
                exchange("   ", &request, &caller),
            )
        }
        Event::ToolCall {
            tool,
            answer,
            duration,
            ..
        } => {
            let request = format!("{tool}, after {} ms", duration.as_millis());
            (
                direction("client", "←", "host"),
                exchange("   ", &request, &describe_answer(answer)),
            )
        }
        Event::Exchange(Exchange {
            from,
            to,
            request,
            status,
            answer,
        }) => {
            let status = paint(style_of(*status), &status.to_string());
            (
                direction(from.map_or("", short_name), "→", short_name(*to)),
                exchange(&status, request, answer),
            )
        }
    }
}

fn exchange(status: &str, request: &str, answer: &str) -> String {
    format!("{status}  {request:<REQUEST_WIDTH$} {QUIET}—{QUIET:#} {answer}")
}

fn handler(text: String) -> (String, String) {
    (direction("", " ", "handler"), text)
}

fn describe_stream(stream: Stream) -> String {
    match stream {
        Stream::Stdout => direction("stdout", "←", "handler"),
        Stream::Stderr => direction("stderr", "←", "handler"),
    }
}

fn log_line(line: &LogLine) -> String {
    match line.level {
        Level::Information => line.text.trim_start().to_owned(),
        Level::Warning => paint(REFUSED, line.text.trim_start()),
        Level::Error => paint(BROKEN, line.text.trim_start()),
    }
}

fn direction(from: &str, arrow: &str, to: &str) -> String {
    format!("{from:>7} {arrow} {to}")
}

fn short_name(party: Party) -> &'static str {
    match party {
        Party::Client => "client",
        Party::Browser => "browser",
        Party::AppServiceAuth => "auth",
        Party::FunctionsHost => "host",
        Party::Handler => "handler",
        Party::Entra => "entra",
        Party::ManagedIdentity => "identity",
        Party::Graph => "graph",
    }
}

fn describe_answer(answer: &Answer) -> String {
    match answer {
        Answer::Result(text) => paint(GOOD, &shorten(text)),
        Answer::Error(text) => paint(REFUSED, &format!("error: {}", shorten(text))),
        Answer::HandlerFailed(cause) => paint(BROKEN, &format!("handler failed: {cause}")),
        Answer::Refused(reason) => paint(REFUSED, &format!("refused: {}", shorten(reason))),
    }
}

fn style_of(status: u16) -> Style {
    match status {
        ..300 => GOOD,
        300..400 => ELSEWHERE,
        400..500 => REFUSED,
        500.. => BROKEN,
    }
}

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(ANSWER_LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn refusal() -> Event {
        Event::Exchange(Exchange {
            from: Some(Party::Client),
            to: Party::AppServiceAuth,
            request: "POST /runtime/webhooks/mcp".to_owned(),
            status: 401,
            answer: "no bearer token".to_owned(),
        })
    }

    /// The line without the time and without colours.
    fn plain(event: &Event) -> String {
        anstream::adapter::strip_str(&text(event)).to_string()[11..].to_owned()
    }

    #[test]
    fn a_line_has_the_sender_the_receiver_the_request_and_the_answer() {
        assert_eq!(
            plain(&refusal()),
            " client → auth      401  POST /runtime/webhooks/mcp           — no bearer token"
        );
        let call = Event::ToolCall {
            tool: "HelloTool".to_owned(),
            caller: None,
            answer: Answer::Result("Hello".to_owned()),
            duration: Duration::from_millis(7),
        };
        assert_eq!(
            plain(&call),
            " client ← host           HelloTool, after 7 ms                — Hello"
        );
    }

    #[test]
    fn further_lines_stay_in_the_column_of_the_text() {
        let event = Event::FunctionLog {
            function: "HelloTool".to_owned(),
            text: "one\ntwo".to_owned(),
        };
        let text = anstream::adapter::strip_str(&text(&event)).to_string();
        for (line, start) in text.lines().zip(["logs", "two"]) {
            let before = line.split(start).next().unwrap();
            assert_eq!(before.chars().count(), MARGIN, "{text}");
        }
    }

    #[test]
    fn the_json_has_the_same_in_fields() {
        let line: serde_json::Value = serde_json::from_str(&json(&refusal())).unwrap();
        assert_eq!(line["event"], "exchange");
        assert_eq!(line["from"], "client");
        assert_eq!(line["to"], "app_service_auth");
        assert_eq!(line["status"], 401);
        assert!(line["time"].as_str().unwrap().ends_with('Z'));

        let call = Event::ToolCall {
            tool: "HelloTool".to_owned(),
            caller: None,
            answer: Answer::Refused("no".to_owned()),
            duration: Duration::from_millis(7),
        };
        let line: serde_json::Value = serde_json::from_str(&json(&call)).unwrap();
        assert_eq!(line["event"], "tool_call");
        assert_eq!(line["outcome"], "refused");
        assert_eq!(line["text"], "no");
        assert_eq!(line["milliseconds"], 7);
    }

    #[test]
    fn a_long_answer_is_cut() {
        assert_eq!(shorten("é"), "é");
        let long = shorten(&"é".repeat(ANSWER_LENGTH + 1));
        assert_eq!(long.chars().count(), ANSWER_LENGTH + 1);
        assert!(long.ends_with('…'));
    }
}
