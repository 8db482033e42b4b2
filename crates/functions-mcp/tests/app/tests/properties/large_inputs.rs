//! The time to read an input is linear in its size, also for a mebibyte of the worst kind.

use std::time::{Duration, Instant};

use functions_mcp::{
    Settings,
    internals::{Headers, ToolInvocation, TriggerValue},
    names,
};
use serde_json::{Value, json};

use crate::forger::{Forger, jwt, principal};

const SIZE: usize = 1024 * 1024;

/// Far more than linear time takes on a slow machine, far less than quadratic time on a fast one.
const LIMIT: Duration = Duration::from_secs(10);

/// Inputs on which parsers are known to be slow.
const PATTERNS: [&str; 16] = [
    "[",
    "[[],",
    "{\"a\":",
    "\"",
    "\\",
    "\\\"",
    "\\u0000",
    ".",
    ",",
    "=",
    " ",
    "-",
    "0",
    "A",
    "Bearer ",
    "\u{10ffff}",
];

fn large(pattern: &str) -> String {
    pattern.repeat(SIZE / pattern.len())
}

fn in_time<T>(what: &str, read: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let outcome = read();
    let duration = start.elapsed();
    assert!(duration < LIMIT, "{what:?}: {duration:?}");
    outcome
}

#[test]
fn envelopes_are_read_in_time() {
    for pattern in PATTERNS {
        let text = large(pattern);
        let as_it_is = format!("{{\"Data\":{{\"mcpTrigger\":{text}");
        let once = json!({ "Data": { "mcpTrigger": text } }).to_string();
        let twice =
            json!({ "Data": { "mcpTrigger": Value::from(text.as_str()).to_string() } }).to_string();
        for body in [text, as_it_is, once, twice] {
            let read = || {
                let value = TriggerValue::from_body(body.as_bytes())?;
                value.read::<ToolInvocation>().map(|_| ())
            };
            in_time(pattern, read).unwrap_err();
        }
    }
}

#[test]
fn a_call_with_nested_arguments_is_read_in_time() {
    let depth = SIZE / 2;
    let arguments = "[".repeat(depth) + &"]".repeat(depth);
    let call =
        format!("{{\"name\":\"HelloTool\",\"arguments\":{arguments},\"unknown\":{arguments}}}");
    for body in [
        format!("{{\"Data\":{{\"mcpTrigger\":{call}}},\"Metadata\":{arguments}}}"),
        json!({ "Data": { "mcpTrigger": call } }).to_string(),
    ] {
        let value = in_time("nested", || TriggerValue::from_body(body.as_bytes())).unwrap();
        let call: ToolInvocation = in_time("nested", || value.read()).unwrap();
        assert_eq!(call.arguments.unwrap().json(), arguments);
    }
}

#[test]
fn callers_are_refused_in_time_and_without_a_request() {
    let forger = Forger::start();
    let [_, good_principal] = forger.headers("");
    for pattern in PATTERNS {
        let text = large(pattern);
        let tokens = [text.clone(), jwt(&text, "{}"), jwt("{}", &text)];
        let principals = [
            text.clone(),
            principal(&text),
            principal(&format!("{{\"claims\":[{text}")),
        ];
        let by_token = tokens.map(|token| {
            vec![
                ("Authorization", format!("Bearer {token}")),
                good_principal.clone(),
            ]
        });
        let by_principal = principals.map(|principal| {
            vec![
                ("Authorization", "Bearer t".into()),
                ("X-MS-CLIENT-PRINCIPAL", principal),
            ]
        });
        for headers in by_token.into_iter().chain(by_principal) {
            let (_, requests) = in_time(pattern, || forger.refusal(&headers));
            assert_eq!(requests, 0);
        }
    }
}

#[test]
fn a_header_is_found_among_a_mebibyte_of_headers_in_time() {
    let names = (0..SIZE / 8).map(|index| (format!("{index:08}"), ""));
    let headers = Headers::from_iter(names);
    let value = in_time("many", || headers.get("Authorization"));
    assert_eq!(value, Ok(None));
}

#[test]
fn settings_are_read_in_time() {
    for pattern in PATTERNS {
        let text = large(pattern);
        for large in [
            names::ALLOWED_TENANTS,
            names::DEFAULT_SCOPES,
            names::AUTHORITY_HOST,
            names::IDENTITY_ENDPOINT,
            names::PORT,
        ] {
            let _ = in_time(pattern, || {
                Settings::from_lookup(|name| match name {
                    _ if name == large => Some(text.clone()),
                    names::ALLOWED_TENANTS => Some("11111111-2222-3333-4444-555555555555".into()),
                    names::PORT => Some("1".into()),
                    names::IDENTITY_ENDPOINT => Some("http://127.0.0.1:1/".into()),
                    names::CLIENT_ID | names::MANAGED_IDENTITY_CLIENT_ID => Some("x".into()),
                    _ => None,
                })
            });
        }
    }
}
