//! Clients get the same answers behind the sandbox's Functions host as they got behind the real one.

use std::{collections::HashMap, fs};

use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde::Deserialize;
use serde_json::Value;

use crate::support::App;

/// The recordings, relative to the test app.
const RECORDING: &str = "../../../sandbox/recordings/functions-host/product.json";

/// The files of the recorded app, relative to the test app. Its HelloTool is the same.
const RECORDED_APP: &str = "tests/fixtures/recorded-app";

/// The origin in the consent links of the recorded app.
const RECORDED_ORIGIN: &str = "http://127.0.0.1:39567";

const SESSION_ID: &str = "Mcp-Session-Id";

#[derive(Deserialize)]
struct Row {
    /// Environment, person and request, such as `flex.ada.tools-list`.
    case: String,
    body: String,
    response: RecordedResponse,
}

#[derive(Deserialize)]
struct RecordedResponse {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

#[tokio::test]
async fn clients_get_the_answers_that_they_got_from_this_handler_behind_the_real_host() {
    let recorded_app = test_app::root().join(RECORDED_APP);
    let app = App::start_with(|options| options.app_root.clone_from(&recorded_app)).await;
    // A call without a token reaches the real host only without App Service Authentication in front.
    let unguarded = App::start_with(|options| {
        options.app_root = recorded_app;
        options.app_service_auth = false;
    })
    .await;
    let origin = app.sandbox.mcp_url().replace("/runtime/webhooks/mcp", "");

    let rows = rows_of("flex");
    assert_eq!(rows.len(), 18);
    let mut sessions = HashMap::new();
    for row in &rows {
        let mut parts = row.case.split('.').skip(1);
        let (person, request) = (parts.next().unwrap(), parts.next().unwrap());
        let session = match request {
            "garbage-session" => Some("garbage"),
            "initialize" | "tools-call-without-session" => None,
            _ => sessions.get(person).map(String::as_str),
        };
        let app = if person == "nobody" { &unguarded } else { &app };
        let has_key = request != "tools-call-without-key";
        let response = send(app, person, has_key, session, &row.body).await;

        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.unwrap();
        let expected = &row.response;
        assert_eq!(
            (status.as_u16(), &body),
            (
                expected.status,
                &expected.body.replace(RECORDED_ORIGIN, &origin)
            ),
            "{}",
            row.case
        );
        if status == StatusCode::OK {
            assert_eq!(headers[CONTENT_TYPE], *expected.headers["Content-Type"]);
        }
        let session = session_id(&headers);
        assert_eq!(
            session.is_some(),
            expected.headers.contains_key(SESSION_ID),
            "{}",
            row.case
        );
        sessions.extend(session.map(|id| (person, id)));
    }
    // Each person's requests were sent in one session.
    assert_eq!(sessions.len(), 3);
}

fn rows_of(environment: &str) -> Vec<Row> {
    let recording = fs::read(test_app::root().join(RECORDING)).unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&recording).unwrap();
    let is_of = |row: &Value| row["case"].as_str().unwrap().split('.').next() == Some(environment);
    rows.into_iter()
        .filter(is_of)
        .map(|row| serde_json::from_value(row).unwrap())
        .collect()
}

async fn send(
    app: &App,
    person: &str,
    has_key: bool,
    session: Option<&str>,
    body: &str,
) -> Response {
    let mut request = Client::new()
        .post(app.sandbox.mcp_url())
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .body(body.to_owned());
    if person != "nobody" {
        request = request.bearer_auth(app.sandbox.cloud().access_token(person).unwrap());
    }
    if has_key {
        request = request.header("x-functions-key", app.sandbox.system_key().unwrap());
    }
    if let Some(session) = session {
        request = request.header(SESSION_ID, session);
    }
    request.send().await.unwrap()
}

fn session_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(SESSION_ID)?;
    Some(id.to_str().unwrap().to_owned())
}
