//! The package, built for real: `cargo test --package xtask --test package -- --ignored`.
//!
//! It takes minutes, and needs what `cargo xtask package` needs.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs::File, path::Path, process::Command};

use reqwest::{Client, StatusCode};
use sandbox::{Sandbox, SandboxOptions};
use zip::ZipArchive;

/// A target whose standard library this system has anyway.
const TARGET: &str = "x86_64-unknown-linux-gnu.2.28";

/// Writes the package to `zip`. Builds from scratch in `target_folder`, if there is one.
fn package(zip: &Path, target_folder: Option<&Path>) {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(["package", "--target", TARGET, "--output"]);
    xtask.arg(zip);
    if let Some(folder) = target_folder {
        xtask.env("CARGO_TARGET_DIR", folder);
    }
    assert!(xtask.status().unwrap().success());
}

#[tokio::test]
#[ignore = "cross-builds the handler, which takes minutes"]
async fn the_app_runs_from_its_package_alone() {
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("mcp.zip");
    package(&zip, None);
    let app_root = folder.path().join("app");
    let mut archive = ZipArchive::new(File::open(&zip).unwrap()).unwrap();
    archive.extract(&app_root).unwrap();

    let options = SandboxOptions {
        app_root,
        ..SandboxOptions::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let response = Client::new()
        .post(sandbox.mcp_url())
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .header("x-functions-key", sandbox.system_key().unwrap())
        .bearer_auth(sandbox.cloud().access_token("ada").unwrap())
        .body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"HelloTool","arguments":{}}}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let answer = response.text().await.unwrap();
    assert!(answer.contains("Hello, Ada Lovelace"), "{answer}");
}

#[test]
#[ignore = "cross-builds the handler, which takes minutes"]
fn builds_from_scratch_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("1.zip"), folder.path().join("2.zip"));
    package(&first, None);
    package(&second, Some(&folder.path().join("target")));
    assert!(std::fs::read(first).unwrap() == std::fs::read(second).unwrap());
}
