//! The log that the operator reads.

use sandbox::{
    faults::{Effect, Endpoint},
    functions_host::handler_process::Level,
};
use serde_json::json;

use crate::support::App;

#[tokio::test]
async fn a_call_is_one_line_with_all_that_an_operator_asks_for() {
    let app = App::start().await;
    app.hello("ada").await;
    let line = app.log_line("ok").await;
    for field in [
        "INFO tool call invocation_id=\"",
        "tool=\"HelloTool\"",
        "duration_ms=",
        // Metadata, keys, managed identity, exchange, Graph.
        "outbound_calls=5",
    ] {
        assert!(line.contains(field), "{line}");
    }
    assert_eq!(app.sandbox.handler().log_lines().len(), 1);
}

#[tokio::test]
async fn only_what_the_operator_must_mend_goes_to_stderr() {
    let app = App::start().await;
    app.hello("alan").await;
    let user = app.log_line("consent_required").await;
    assert!(user.starts_with(" INFO"), "{user}");
    app.fail(
        Endpoint::Graph,
        Effect::Status {
            code: 503,
            retry_after: None,
        },
    );
    app.hello("ada").await;
    app.log_line("graph_unavailable").await;
    app.fail(Endpoint::Token, Effect::EntraError { code: 700213 });
    app.hello("grace").await;
    let operator = app.log_line("federated_credential").await;
    assert!(
        operator.contains("action=\"compare the registration's federated credential"),
        "{operator}"
    );

    let lines = app.sandbox.handler().log_lines();
    let errors: Vec<_> = lines
        .iter()
        .filter(|line| line.level == Level::Error)
        .collect();
    assert_eq!(errors.len(), 1, "{lines:?}");
    assert_eq!(errors[0].text, operator);
}

#[tokio::test]
async fn the_tools_own_events_are_in_the_log_at_its_level() {
    let app = App::start().await;
    let arguments = json!({ "greeting": "Hello", "n": 2, "nested": null });
    app.call("ada", "Echo", arguments).await;
    app.log_line("ok").await;
    let lines = app.sandbox.handler().log_lines();
    let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert!(texts.contains(&" INFO an echo times=2"), "{texts:?}");
    assert!(
        !texts.iter().any(|line| line.contains("nested")),
        "{texts:?}"
    );
}
