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

#[cfg(unix)]
#[tokio::test]
async fn azure_powershell_is_told_by_its_environment_for_what_the_token_is() {
    use std::{fs, os::unix::fs::PermissionsExt};

    let tools = std::env::temp_dir().join(format!("pwsh-{}", std::process::id()));
    fs::create_dir_all(&tools).unwrap();
    let script = "#!/bin/sh\n\
        echo \"$HANDLER_TOKEN_RESOURCE $HANDLER_TOKEN_TENANT\" > \"${0%/*}/asked\"\n\
        echo \"$@\" > \"${0%/*}/arguments\"\n\
        cat \"${0%/*}/token\"\n";
    fs::write(tools.join("pwsh"), script).unwrap();
    fs::set_permissions(tools.join("pwsh"), fs::Permissions::from_mode(0o700)).unwrap();
    let path = format!("{}:/usr/bin:/bin", tools.display());
    let app = App::start_with(|options| {
        options.profile = sandbox::Profile::Local;
        options.extra_env.push(("PATH".into(), path));
    })
    .await;
    let token = app.sandbox.cloud().graph_token("grace").unwrap();
    let printed =
        serde_json::json!({ "token": token.access_token, "expires_on": token.expires_on });
    fs::write(tools.join("token"), printed.to_string()).unwrap();

    let answer = app.hello_from(&app.client_with(&[]).await).await;
    let read = |name: &str| fs::read_to_string(tools.join(name)).unwrap();
    let (asked, arguments) = (read("asked"), read("arguments"));
    fs::remove_dir_all(&tools).unwrap();
    assert!(answer.text.starts_with("Hello, Grace"), "{}", answer.text);
    let graph = app.sandbox.cloud().graph();
    assert_eq!(asked.trim(), format!("{graph} {}", token.tenant));
    assert!(
        arguments.contains("Get-AzAccessToken") && !arguments.contains(graph),
        "{arguments}"
    );
}
