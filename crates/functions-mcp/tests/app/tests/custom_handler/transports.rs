//! A call acts as the user in its headers. Only with streamable HTTP, each call has headers of its own.

use serde_json::{Value, json};

use crate::support::{Server, error_text, invocation_over, transport};

async fn echo_over(transport: &Value) -> Value {
    let body = invocation_over(transport, "Echo", &json!({ "greeting": "hi", "n": 1 }));
    Server::start().await.post("Echo", body).await
}

fn headers() -> Value {
    json!({ "Host": "localhost:7071" })
}

#[tokio::test]
async fn streamable_http_is_served() {
    let result = echo_over(&transport("http-streamable", &headers())).await;
    assert_eq!(result["isError"], false, "{result}");
}

#[tokio::test]
async fn a_call_over_the_sse_transport_is_told_why_it_is_refused_and_what_to_use() {
    let result = echo_over(&transport("http-sse", &headers())).await;
    let text = error_text(&result);
    assert!(text.contains("whoever opened the stream"), "{text}");
    assert!(
        text.contains("Connect to /runtime/webhooks/mcp with streamable HTTP"),
        "{text}"
    );
}

#[tokio::test]
async fn a_transport_that_nobody_knows_is_refused() {
    for transport in [
        transport("http", &headers()),
        transport("unknown", &headers()),
        transport("HTTP-STREAMABLE", &headers()),
        transport("", &headers()),
        json!({ "properties": { "headers": headers() } }),
        json!({}),
    ] {
        let result = echo_over(&transport).await;
        let text = error_text(&result);
        assert!(
            text.starts_with("This server takes calls over streamable HTTP only"),
            "{transport}: {text}"
        );
    }
}
