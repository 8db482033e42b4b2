//! `cargo xtask doctor` against the sandbox with the test app.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{env, path::Path, process::Output};

use function_app::cargo;
use sandbox::{Sandbox, SandboxOptions};
use tokio::process::Command;

/// Starts the test app in the sandbox, as in Azure.
async fn start() -> Sandbox {
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let handler = xtask.with_file_name(format!("test-handler{}", env::consts::EXE_SUFFIX));
    // In a test run of the whole workspace it is built already.
    if !handler.is_file() {
        let mut build = Command::from(cargo::command());
        build.args(["build", "--workspace", "--bin", "test-handler"]);
        assert!(build.status().await.unwrap().success());
    }
    Sandbox::start(SandboxOptions {
        app_root: test_app::root().to_owned(),
        handler: Some(handler),
        ..SandboxOptions::default()
    })
    .await
    .unwrap()
}

/// Runs the doctor against the sandbox with a token of `person`.
async fn doctor(sandbox: &Sandbox, person: &str) -> (String, Output) {
    let token = sandbox.cloud().access_token(person).unwrap();
    doctor_with(sandbox, &token, sandbox.system_key().unwrap()).await
}

/// Runs the doctor against the sandbox with this token and this key.
async fn doctor_with(sandbox: &Sandbox, token: &str, key: &str) -> (String, Output) {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["doctor", "--url", &sandbox.mcp_url()])
        .env("MCP_ACCESS_TOKEN", token)
        .env("MCP_SYSTEM_KEY", key)
        .output()
        .await
        .unwrap();
    (String::from_utf8(output.stdout.clone()).unwrap(), output)
}

#[tokio::test]
async fn the_sandbox_is_all_green() {
    let sandbox = start().await;
    let (said, output) = doctor(&sandbox, "ada").await;
    assert!(output.status.success(), "{output:?}");
    assert!(said.ends_with("No problems found.\n"), "{said}");
    assert!(
        said.contains("ok    HelloTool: Hello, Ada Lovelace"),
        "{said}"
    );
}

#[tokio::test]
async fn a_user_who_has_not_consented_is_shown_where() {
    let sandbox = start().await;
    let (said, output) = doctor(&sandbox, "alan").await;
    assert_eq!(output.status.code(), Some(1));
    let line = said.lines().find(|line| line.starts_with("FAIL")).unwrap();
    assert!(
        line.starts_with("FAIL  HelloTool: ") && line.contains("/.auth/login/aad"),
        "{line}"
    );
}

#[tokio::test]
async fn a_wrong_key_is_told_from_a_client_that_may_not_call() {
    let sandbox = start().await;
    let cloud = sandbox.cloud();
    let token = cloud.access_token("ada").unwrap();
    let (said, output) = doctor_with(&sandbox, &token, "another key").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("FAIL  MCP_SYSTEM_KEY is not accepted"),
        "{said}"
    );

    let stranger = "00000000-1111-2222-3333-444444444444";
    let token = cloud.sign(
        cloud
            .access_token_spec("ada")
            .unwrap()
            .claim("azp", stranger),
    );
    for key in [sandbox.system_key().unwrap(), "another key"] {
        let (said, output) = doctor_with(&sandbox, &token, key).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(
            said.contains("FAIL  the client that got MCP_ACCESS_TOKEN may not call"),
            "{said}"
        );
    }
}
