//! The app as `func start` runs it: no sign-in, and the developer's own identity.

use sandbox::faults::{Effect, Endpoint, Fault};

use crate::support::App;

#[tokio::test]
async fn the_developer_is_greeted() {
    let app = App::start_locally().await;
    let answer = app.hello_from(&app.client_with(&[]).await).await;
    assert_eq!(answer.text, "Hello, Ada Lovelace (ada@contoso.example)!");
}

#[tokio::test]
async fn the_azure_cli_is_asked_once_for_many_calls() {
    let app = App::start_locally().await;
    let client = app.client_with(&[]).await;
    for _ in 0..5 {
        app.hello_from(&client).await;
    }
    assert_eq!(app.sandbox.developer_tools().unwrap().az_calls().len(), 1);
}

#[tokio::test]
async fn the_azure_cli_is_asked_once_more_for_a_token_that_graph_refuses() {
    let app = App::start_locally().await;
    let client = app.client_with(&[]).await;
    app.hello_from(&client).await;
    let refused = Effect::Status {
        code: 401,
        retry_after: None,
    };
    app.add(Fault::new(Endpoint::Graph, refused).times(1));
    assert!(!app.hello_from(&client).await.is_error);
    assert_eq!(app.sandbox.developer_tools().unwrap().az_calls().len(), 2);
}

#[tokio::test]
async fn a_developer_who_is_not_signed_in_learns_how_to() {
    let app = App::start_locally().await;
    app.sandbox.developer_tools().unwrap().sign_out().unwrap();
    let answer = app.hello_from(&app.client_with(&[]).await).await;
    assert!(answer.is_error);
    assert!(answer.text.contains("Run `az login`"), "{}", answer.text);
    let line = app.log_line("developer_sign_in").await;
    assert!(
        line.contains("Azure CLI: ") && line.contains("az login"),
        "{line}"
    );

    app.sandbox.developer_tools().unwrap().sign_in().unwrap();
    assert!(!app.hello_from(&app.client_with(&[]).await).await.is_error);
}
