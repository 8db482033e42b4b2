//! App Service Authentication and the host's key protect the handler: who lacks either never reaches it.

use reqwest::{Client, RequestBuilder, StatusCode};
use sandbox::directory::OTHER_API;

use crate::support::App;

fn call(app: &App) -> RequestBuilder {
    Client::new()
        .post(app.sandbox.mcp_url())
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"HelloTool","arguments":{}}}"#)
}

async fn is_refused(app: &App, call: RequestBuilder, status: StatusCode) {
    assert_eq!(call.send().await.unwrap().status(), status);
    assert_eq!(app.sandbox.handler().invocations(), 0);
}

#[tokio::test]
async fn a_call_without_a_token_never_reaches_the_handler() {
    let app = App::start().await;
    is_refused(
        &app,
        call(&app).header("x-functions-key", app.sandbox.system_key().unwrap()),
        StatusCode::UNAUTHORIZED,
    )
    .await;
}

#[tokio::test]
async fn a_call_without_the_system_key_never_reaches_the_handler() {
    let app = App::start().await;
    is_refused(
        &app,
        call(&app).bearer_auth(app.sandbox.cloud().access_token("ada").unwrap()),
        // The host knows who the caller is, and so answers 403.
        StatusCode::FORBIDDEN,
    )
    .await;
}

#[tokio::test]
async fn a_call_with_another_apps_token_never_reaches_the_handler() {
    let app = App::start().await;
    let cloud = app.sandbox.cloud();
    let token = cloud.sign(
        cloud
            .access_token_spec("ada")
            .unwrap()
            .claim("aud", OTHER_API.client_id),
    );
    let call = call(&app)
        .bearer_auth(token)
        .header("x-functions-key", app.sandbox.system_key().unwrap());
    is_refused(&app, call, StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn a_call_with_both_is_answered() {
    let app = App::start().await;
    let call = call(&app)
        .bearer_auth(app.sandbox.cloud().access_token("ada").unwrap())
        .header("x-functions-key", app.sandbox.system_key().unwrap());
    let response = call.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("Hello, Ada Lovelace")
    );
    assert_eq!(app.sandbox.handler().invocations(), 1);
}
