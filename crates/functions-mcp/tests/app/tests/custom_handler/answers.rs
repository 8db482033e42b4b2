//! The answer of a tool reaches the host in the form that preserves it.

use std::time::Duration;

use serde_json::json;

use crate::support::{Server, error_text};

#[tokio::test]
async fn a_probe_is_answered_at_once() {
    assert_eq!(Server::start().await.probe().await, 200);
}

#[tokio::test]
async fn a_busy_host_may_open_a_connection_long_before_it_sends() {
    let answer = Server::start()
        .await
        .probe_after(Duration::from_secs(7))
        .await;
    assert_eq!(answer, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_result_has_text_and_structured_content() {
    let echo = Server::start()
        .await
        .call("Echo", json!({ "greeting": "hé\"", "n": 2 }))
        .await;
    let expected = json!({
        "content": [{ "type": "text", "text": "hé\"hé\"" }],
        "structuredContent": { "greeting": "hé\"", "n": 2 },
        "isError": false,
    });
    assert_eq!(echo, expected);
}

#[tokio::test]
async fn a_result_holds_no_null_but_in_arrays() {
    let nested = json!({ "a": null, "b": [null, { "c": null }] });
    let echo = Server::start()
        .await
        .call("Echo", json!({ "greeting": "", "n": 0, "nested": nested }))
        .await;
    assert_eq!(
        echo["structuredContent"]["nested"],
        json!({ "b": [null, {}] })
    );
}

#[tokio::test]
async fn the_text_of_a_result_is_its_json_unless_the_tool_has_words_for_it() {
    let result = Server::start().await.call("WhereAmI", json!({})).await;
    let text = result["content"][0]["text"].as_str().unwrap();
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(json, result["structuredContent"]);
}

#[tokio::test]
async fn a_tools_refusal_is_an_error_in_its_own_words() {
    let result = Server::start().await.call("Refusing", json!({})).await;
    assert_eq!(error_text(&result), "The shop is closed.");
}

#[tokio::test]
async fn a_tool_knows_its_invocation_and_its_session() {
    let result = Server::start().await.call("WhereAmI", json!({})).await;
    let place = json!({ "invocation": "0d8a3c5e-0000-4000-8000-000000000000", "session": "s1" });
    assert_eq!(result["structuredContent"], place);
}
