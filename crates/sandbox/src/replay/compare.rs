//! The differences between what was recorded and what was received.

use serde_json::Value;

use super::{
    body::Body,
    case::{self, HandlerRequest, SseEvent},
    client::{self, Received},
    scripted_handler,
};

/// The headers of a response that a client acts on. The others are about the body's framing, the server and the time.
const MATTERS: [&str; 7] = [
    "content-type",
    "cache-control",
    "content-encoding",
    "mcp-session-id",
    "www-authenticate",
    "location",
    "allow",
];

/// Compares a response.
pub(super) fn response(recorded: &case::Response, received: &Received) -> Vec<String> {
    let mut differences = Vec::new();
    if let Some(status) = recorded.status
        && status != received.status
    {
        differences.push(format!("status: {status}, got {}", received.status));
    }
    let recorded_header = |name: &str| {
        let mut lines = recorded.headers.iter().map(|line| case::header(line));
        lines
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    for name in MATTERS {
        let (expected, got) = (recorded_header(name), received.header(name));
        if !same_header(expected, got) {
            differences.push(format!("header {name}: {expected:?}, got {got:?}"));
        }
    }
    let closes =
        |value: Option<&str>| value.is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let (expected, got) = (recorded_header("connection"), received.header("connection"));
    if closes(expected) != closes(got) {
        differences.push(format!("header connection: {expected:?}, got {got:?}"));
    }
    differences.extend(compare_body(&recorded.body, &received.body));
    differences
}

fn same_header(recorded: Option<&str>, got: Option<&str>) -> bool {
    match (recorded, got) {
        (Some(recorded), Some(got)) => match placeholder_length(recorded) {
            Some(length) => got.len() == length,
            None => recorded == got,
        },
        (None, None) => true,
        _ => false,
    }
}

/// The length of the session id behind a placeholder such as `<session plain 33>`.
fn placeholder_length(recorded: &str) -> Option<usize> {
    recorded
        .strip_prefix("<session ")?
        .strip_suffix('>')?
        .rsplit(' ')
        .next()?
        .parse()
        .ok()
}

/// Compares a body.
fn compare_body(recorded: &Body, received: &[u8]) -> Option<String> {
    if let Some(outcome) = recorded.compare_long(received) {
        return outcome.err().map(|problem| format!("body: {problem}"));
    }
    let Body::Whole(recorded) = recorded else {
        return None;
    };
    let received = String::from_utf8_lossy(received);
    compare_text(recorded, &received).map(|problem| format!("body: {problem}"))
}

fn compare_text(recorded: &str, received: &str) -> Option<String> {
    if recorded == received {
        return None;
    }
    let is_stream = |text: &str| text.starts_with("event: ");
    if is_stream(recorded) && is_stream(received) {
        return events(
            &client::parse_events(recorded),
            &client::parse_events(received),
        );
    }
    Some(format!("{}, got {}", shorten(recorded), shorten(received)))
}

/// Compares events.
pub(super) fn events(recorded: &[SseEvent], received: &[SseEvent]) -> Option<String> {
    if recorded.len() != received.len() {
        return Some(format!("{} events, got {}", recorded.len(), received.len()));
    }
    recorded
        .iter()
        .zip(received)
        .find_map(|(recorded, received)| {
            if recorded.event != received.event {
                return Some(format!("event {}, got {}", recorded.event, received.event));
            }
            compare_json(&recorded.data, &received.data)
        })
}

/// Compares two JSON texts: byte for byte, but for `_meta`, whose members have another order in every process of the
/// real extension, and for what the recorder has replaced.
fn compare_json(recorded: &str, received: &str) -> Option<String> {
    if recorded == received {
        return None;
    }
    if !recorded.contains("\"_meta\"") && !recorded.contains("<guid>") {
        return Some(format!("{}, got {}", shorten(recorded), shorten(received)));
    }
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    match (parse(recorded), parse(received)) {
        (Some(expected), Some(got)) if expected == got => None,
        _ => Some(format!("{}, got {}", shorten(recorded), shorten(received))),
    }
}

/// Compares what reached the handler.
pub(super) fn call(
    recorded: &HandlerRequest,
    received: &scripted_handler::Request,
    secrets: &[(&str, &str)],
) -> Vec<String> {
    let mut differences = Vec::new();
    if recorded.line != received.line {
        differences.push(format!("handler: {}, got {}", recorded.line, received.line));
    }
    if !recorded.headers.is_empty() {
        differences.extend(compare_handler_headers(
            &recorded.headers,
            &received.headers,
        ));
    }
    let body = &recorded.body;
    if let Body::Whole(expected) = body {
        let got = with_placeholders(&String::from_utf8_lossy(&received.body), secrets);
        if *expected != got {
            let differs = first_difference(expected, &got);
            differences.push(format!("handler body: {differs}"));
        }
    } else if let Body::Long { start, end, .. } = body {
        // The length and the digest are of a body with placeholders in it.
        let got = with_placeholders(&String::from_utf8_lossy(&received.body), secrets);
        if let Some(Err(problem)) = body.compare_long(got.as_bytes())
            && !(got.starts_with(start.as_str()) && got.ends_with(end.as_str()))
        {
            differences.push(format!("handler body: {problem}"));
        }
    }
    differences
}

fn compare_handler_headers(recorded: &[String], received: &[(String, String)]) -> Vec<String> {
    let mut expected: Vec<_> = recorded
        .iter()
        .map(|line| case::header(line).0.to_ascii_lowercase())
        .collect();
    let mut got: Vec<_> = received
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    expected.sort();
    got.sort();
    let mut differences = Vec::new();
    if expected != got {
        differences.push(format!("handler headers: {expected:?}, got {got:?}"));
    }
    for line in recorded {
        let (name, value) = case::header(line);
        let got = received
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        if let Some(got) = got
            && !matches(value, got)
            && !name.eq_ignore_ascii_case("content-length")
        {
            differences.push(format!("handler header {name}: {value}, got {got}"));
        }
    }
    differences
}

/// Whether a text fits a pattern with placeholders such as `<guid>` and `PORT`.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.replace("PORT", "<port>");
    let mut rest = text;
    let mut parts = pattern.split(['<', '>']);
    // The parts between the marks are alternately fixed and free.
    let Some(fixed) = parts.next() else {
        return text.is_empty();
    };
    let Some(after) = rest.strip_prefix(fixed) else {
        return false;
    };
    rest = after;
    while let (Some(_free), Some(fixed)) = (parts.next(), parts.next()) {
        if fixed.is_empty() {
            return !rest.is_empty();
        }
        let Some((_, after)) = rest.split_once(fixed) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

/// An invocation with the recorder's placeholders for variable values.
fn with_placeholders(body: &str, secrets: &[(&str, &str)]) -> String {
    let mut text = body.to_owned();
    for (secret, placeholder) in secrets {
        text = text.replace(secret, placeholder);
    }
    for (start, end, placeholder) in [
        ("\"UtcNow\":\"", "\"", "<time>"),
        ("\"RandGuid\":\"", "\"", "<guid>"),
    ] {
        if let Some(at) = text.find(start).map(|at| at + start.len())
            && let Some(length) = text[at..].find(end)
        {
            text.replace_range(at..at + length, placeholder);
        }
    }
    text
}

fn first_difference(expected: &str, got: &str) -> String {
    let at = expected
        .bytes()
        .zip(got.bytes())
        .position(|(expected, got)| expected != got)
        .unwrap_or(expected.len().min(got.len()));
    let around = |text: &str| {
        let bytes = text.as_bytes();
        let (start, end) = (at.saturating_sub(40), (at + 60).min(bytes.len()));
        String::from_utf8_lossy(&bytes[start.min(end)..end]).into_owned()
    };
    format!("at {at}: …{}…, got …{}…", around(expected), around(got))
}

fn shorten(text: &str) -> String {
    let short: String = text.chars().take(300).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_any_text() {
        for (pattern, text, fits) in [
            ("00-<trace>-<span>-00", "00-0af7-b7ad-00", true),
            ("00-<trace>-<span>-00", "00-0af7-b7ad-01", false),
            ("127.0.0.1:PORT", "127.0.0.1:4711", true),
            ("<guid>", "", false),
            ("plain", "plain", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }
}
