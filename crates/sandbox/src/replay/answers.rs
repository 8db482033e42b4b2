//! `answers.json`: what a handler answers, and what the client of the whole host gets.

use std::{collections::BTreeMap, io, path::Path, time::Duration};

use function_app::{AppFiles, Platform};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Outcome,
    app_folder::{AppFolder, KEY},
    case, client, compare,
    scripted_handler::{Answer, ScriptedHandler},
};
use crate::functions_host::{AccessKey, FunctionsHost, FunctionsHostOptions, Handler, HostTimings};

/// In place of the recorded five seconds.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
struct Row {
    case: String,
    handler_answer: Option<HandlerAnswer>,
    response: RowResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HandlerAnswer {
    status: Option<u16>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<Value>,
    /// A return value of this many characters.
    repeat: Option<usize>,
    #[serde(default)]
    no_content_type: bool,
    /// The connection is reset instead.
    #[serde(default)]
    reset: bool,
    #[serde(default)]
    #[expect(dead_code, reason = "chunks mean the same to the host")]
    chunked: bool,
}

#[derive(Deserialize)]
struct RowResponse {
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    /// A call and its cancellation by a notification.
    call: Option<Exchange>,
    cancel: Option<Exchange>,
}

/// A request that was sent while another was under way.
#[derive(Deserialize)]
struct Exchange {
    request: ExchangeRequest,
    response: ExchangeResponse,
}

#[derive(Deserialize)]
struct ExchangeRequest {
    body: String,
}

#[derive(Deserialize)]
struct ExchangeResponse {
    status: u16,
    body: String,
}

/// The duration of a call that is cancelled meanwhile.
const CANCELLED_CALL: Duration = Duration::from_millis(600);

/// Replays the rows that are requests and answers. The others are about connections and the end of
/// the process, and have tests of their own.
pub(super) async fn replay(file: &Path) -> io::Result<Vec<Outcome>> {
    let rows: Vec<Row> = super::read(file)?;
    let app = AppFolder::new(&json!({ "description": { "defaultExecutablePath": "handler" } }))?;
    let handler = ScriptedHandler::start().await?;
    handler.set_default_answer("Echo2", Answer::returning("return"));
    let mut options = FunctionsHostOptions::new(
        AppFiles::load_with_settings(app.path(), Platform::Azure, []).map_err(io::Error::other)?,
        Handler::Address(handler.address()),
    )?;
    options.system_key = Some(AccessKey::from(KEY.to_owned()));
    options.function_timeout = Some(FUNCTION_TIMEOUT);
    options.timings = HostTimings {
        grace: Duration::from_millis(200),
        ..HostTimings::default()
    };
    let host = FunctionsHost::start(options)?;

    let mut outcomes = Vec::new();
    for row in rows {
        let differences = match (&row.handler_answer, &row.response) {
            (Some(answer), response) => {
                handler.answer_with(build_script(answer));
                match post(&host, &call_message()).await {
                    Ok(received) => response.compare(&received),
                    Err(error) => vec![format!("no response: {error}")],
                }
            }
            (
                None,
                RowResponse {
                    call: Some(call),
                    cancel: Some(cancel),
                    ..
                },
            ) => {
                let later = Answer::Later(CANCELLED_CALL, Box::new(Answer::returning("ok")));
                handler.answer_with([later]);
                let (first, second) = tokio::join!(post(&host, &call.request.body), async {
                    sleep(CANCELLED_CALL / 3).await;
                    post(&host, &cancel.request.body).await
                });
                let mut differences = call.response.compare(&first?);
                differences.extend(cancel.response.compare(&second?));
                differences
            }
            (None, _) => continue,
        };
        outcomes.push(Outcome {
            case: format!("answers.json/{}", row.case),
            differences,
        });
    }
    host.stop().await;
    Ok(outcomes)
}

/// The answer to the call and, where that is a redirect, to the request that follows it.
fn build_script(answer: &HandlerAnswer) -> Vec<Answer> {
    if answer.reset {
        return vec![Answer::Close];
    }
    let status = answer.status.unwrap_or(200);
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .flatten()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let has_type = headers
        .iter()
        .any(|line| case::header(line).0.eq_ignore_ascii_case("content-type"));
    if !has_type && !answer.no_content_type {
        headers.push("Content-Type: application/json".into());
    }
    let body = match (&answer.body, answer.repeat) {
        (Some(Value::String(text)), _) => text.clone(),
        (Some(body), _) => body.to_string(),
        (None, Some(length)) => json!({ "ReturnValue": "x".repeat(length) }).to_string(),
        (None, None) => String::new(),
    };
    let first = Answer::Response {
        status,
        headers,
        body: body.into_bytes(),
    };
    if (300..400).contains(&status) {
        vec![first, Answer::returning("return")]
    } else {
        vec![first]
    }
}

fn call_message() -> String {
    json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": { "name": "Echo", "arguments": {} },
    })
    .to_string()
}

async fn post(host: &FunctionsHost, body: &str) -> io::Result<client::Received> {
    let head = format!(
        "POST /runtime/webhooks/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Accept: application/json, text/event-stream\r\nx-functions-key: {KEY}\r\n\
        Content-Length: {}\r\n\r\n",
        body.len()
    );
    client::exchange(host.address(), head.as_bytes(), body.as_bytes(), "POST").await
}

impl ExchangeResponse {
    fn compare(&self, received: &client::Received) -> Vec<String> {
        let body = String::from_utf8_lossy(&received.body);
        if (self.status, self.body.as_str()) == (received.status, &body) {
            return Vec::new();
        }
        vec![format!(
            "status {} and {:?}, got {} and {body:?}",
            self.status, self.body, received.status
        )]
    }
}

impl RowResponse {
    fn compare(&self, received: &client::Received) -> Vec<String> {
        let mut received = client::Received {
            status: received.status,
            headers: received.headers.clone(),
            body: received.body.clone(),
        };
        // Of the headers, the recorder kept the content type only.
        received
            .headers
            .retain(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let mut body = self.body.clone().unwrap_or_default();
        // Of a long body, the beginning and the length were recorded.
        if let Some((start, rest)) = body.split_once("… (") {
            let length = rest
                .split(' ')
                .next()
                .and_then(|length| length.parse().ok());
            if length == Some(received.body.len()) {
                received.body.truncate(start.len());
                body = start.to_owned();
            }
        }
        let headers = self.headers.iter();
        let recorded = case::Response {
            status: self.status,
            headers: headers
                .map(|(name, value)| format!("{name}: {value}"))
                .collect(),
            body: super::body::Body::Whole(body),
            ..case::Response::default()
        };
        compare::response(&recorded, &received)
    }
}
