//! Whatever goes wrong, the host gets a tool result that says so, and the process keeps running.

use serde_json::json;

use crate::support::{Server, error_text};

#[tokio::test]
async fn arguments_that_do_not_fit_are_named() {
    let server = Server::start().await;
    for (arguments, problem) in [
        (json!({ "n": 1 }), "missing field `greeting`"),
        (
            json!({ "greeting": "hi", "n": "three" }),
            "invalid type: string \"three\", expected u32",
        ),
        (json!([]), "The arguments of Echo do not fit its schema"),
    ] {
        let result = server.call("Echo", arguments).await;
        let text = error_text(&result);
        assert!(text.contains(problem), "{text}");
    }
}

#[tokio::test]
async fn an_argument_of_megabytes_is_not_sent_back() {
    let argument = json!("x".repeat(3_000_000));
    let result = Server::start().await.call("Echo", argument).await;
    let text = error_text(&result);
    assert!(text.contains("invalid type: string \"xxx"), "{text}");
    assert!(text.len() < 1000, "{} bytes", text.len());
}

#[tokio::test]
async fn an_unknown_function_is_named() {
    let result = Server::start().await.call("Nope", json!({})).await;
    assert_eq!(error_text(&result), "This server has no tool \"Nope\".");
}

#[tokio::test]
async fn a_body_that_is_no_invocation_is_answered_without_being_quoted() {
    let server = Server::start().await;
    let secret = "s3cret";
    for body in [
        String::new(),
        "null".into(),
        format!("{{\"Data\":\"{secret}\"}}"),
        format!("{{\"Data\":{{\"mcpTrigger\":\"{secret}\"}}}}"),
        json!({ "Data": {} }).to_string(),
        json!({ "Data": { "a": secret, "b": secret } }).to_string(),
        json!({ "Data": { "mcpTrigger": { "name": 1 } } }).to_string(),
        json!({ "Data": { "mcpTrigger": { "name": "Echo", "transport": { "properties": { "headers": secret } } } } })
            .to_string(),
        "{}".into(),
        json!({ "Metadata": { "mcpTrigger": secret } }).to_string(),
        format!("{{\"Data\":{{\"mcpTrigger\":\"{secret}\""),
    ] {
        let result = server.post("Echo", body.clone()).await;
        let text = error_text(&result);
        assert!(text.starts_with("The Functions host's request could not be read: "), "{body}: {text}");
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn a_call_that_is_too_large_is_refused() {
    let result = Server::start()
        .await
        .post("Echo", vec![b' '; 17 * 1024 * 1024])
        .await;
    assert!(error_text(&result).starts_with("The call is too large"));
}

#[tokio::test]
async fn a_panic_of_a_tool_is_an_error_and_the_next_call_is_served() {
    let server = Server::start().await;
    let result = server.call("Panicking", json!({})).await;
    assert!(error_text(&result).starts_with("The tool failed unexpectedly."));
    let echo = server
        .call("Echo", json!({ "greeting": "still here", "n": 1 }))
        .await;
    assert_eq!(echo["content"][0]["text"], "still here");
}

#[tokio::test]
async fn a_tool_that_takes_too_long_is_cut_off() {
    let result = Server::start().await.call("Endless", json!({})).await;
    assert_eq!(
        error_text(&result),
        "The tool did not finish within 1 seconds. Please try again."
    );
}
