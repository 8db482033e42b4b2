//! Calls the app's tools as a user does: with an MCP client, through the sandbox and the handler.
//!
//! This file is yours: add a call for each of your tools.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rmcp::{
    ServiceExt,
    model::CallToolRequestParams,
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};

/// A call, and the expected text of its answer.
struct Call {
    person: &'static str,
    tool: &'static str,
    arguments: Value,
    answer: &'static str,
}

/// The calls. A call of a tool that the app no longer has is skipped.
fn calls() -> Vec<Call> {
    vec![Call {
        person: "ada",
        tool: "HelloTool",
        arguments: json!({}),
        answer: "Hello, Ada Lovelace (ada@contoso.example)!",
    }]
}

#[tokio::test]
async fn every_call_is_answered_as_it_should_be() {
    let app = start().await;
    let tools = tools::registry().definitions();
    for call in calls() {
        if !tools.iter().any(|tool| tool.name == call.tool) {
            println!("the app has no {}", call.tool);
            continue;
        }
        let (is_error, text) = call_tool(&app, &call).await;
        assert_eq!((is_error, text.as_str()), (false, call.answer));
    }
}

/// Starts the app in the sandbox, as in Azure.
async fn start() -> Sandbox {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = SandboxOptions {
        app_root: env!("CARGO_MANIFEST_DIR").into(),
        handler: Some(env!("CARGO_BIN_EXE_handler").into()),
        ..SandboxOptions::default()
    };
    Sandbox::start(options).await.unwrap()
}

/// Makes a call. Returns whether the answer is an error, and its text.
async fn call_tool(app: &Sandbox, call: &Call) -> (bool, String) {
    let token = app.cloud().access_token(call.person).unwrap();
    let headers = [
        ("authorization", format!("Bearer {token}")),
        ("x-functions-key", app.system_key().unwrap().to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let config =
        StreamableHttpClientTransportConfig::with_uri(app.mcp_url()).custom_headers(headers.into());
    let client = ().serve(StreamableHttpClientTransport::from_config(config)).await.unwrap();
    let arguments = call.arguments.as_object().unwrap().clone();
    let request = CallToolRequestParams::new(call.tool).with_arguments(arguments);
    let result = client.call_tool(request).await.unwrap();
    let text = result.content[0].as_text().unwrap().text.clone();
    (result.is_error.unwrap_or(false), text)
}
