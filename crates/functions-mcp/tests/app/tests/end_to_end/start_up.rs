//! A handler that cannot work does not start, and says why.

use std::{
    io::Read,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::PATIENCE;

/// Runs the handler with these variables. Returns whether it succeeded, and its stderr.
///
/// The exit code must not be 200: the host would start it again, for ever.
fn start(variables: &[(&str, &str)]) -> (bool, String) {
    let mut handler = Command::new(env!("CARGO_BIN_EXE_test-handler"))
        .env_clear()
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = handler.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            handler.kill().unwrap();
            panic!("it started with {variables:?}");
        }
        thread::sleep(Duration::from_millis(10));
    };
    assert_ne!(status.code(), Some(200));
    let mut said = String::new();
    let mut stderr = handler.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    (status.success(), said)
}

#[test]
fn a_handler_started_by_hand_says_what_to_run_instead() {
    let (success, said) = start(&[]);
    assert!(!success);
    assert!(
        said.starts_with("error: FUNCTIONS_CUSTOMHANDLER_PORT is not set"),
        "{said}"
    );
    assert!(said.contains("`cargo run -p sandbox`"), "{said}");
}

#[test]
fn a_missing_setting_is_named() {
    let port = ("FUNCTIONS_CUSTOMHANDLER_PORT", "1");
    let (success, said) = start(&[port, ("IDENTITY_ENDPOINT", "http://127.0.0.1:1/")]);
    assert!(!success);
    assert!(
        said.starts_with("error: WEBSITE_AUTH_CLIENT_ID is not set"),
        "{said}"
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let variables = [
        ("FUNCTIONS_CUSTOMHANDLER_PORT", port.as_str()),
        ("AZURE_FUNCTIONS_ENVIRONMENT", "Development"),
    ];
    let (success, said) = start(&variables);
    assert!(!success);
    assert!(said.contains(&format!("port={port}")), "{said}");
}

#[test]
fn an_identity_endpoint_that_is_neither_https_nor_near_is_named() {
    for endpoint in [
        "http://identity.example/msi/token",
        "http://10.0.0.4/",
        "nowhere",
    ] {
        let variables = [
            ("FUNCTIONS_CUSTOMHANDLER_PORT", "1"),
            ("IDENTITY_ENDPOINT", endpoint),
        ];
        let (success, said) = start(&variables);
        assert!(!success);
        assert!(
            said.starts_with("error: IDENTITY_ENDPOINT must be a URL with https, or with plain http and a loopback or link-local address"),
            "{said}"
        );
    }
}

#[test]
fn a_developers_environment_in_azure_is_named_with_the_sign_of_azure() {
    for sign in [
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token"),
        (
            "WEBSITE_AUTH_CLIENT_ID",
            "33333333-2222-3333-4444-555555555555",
        ),
        ("WEBSITE_HOSTNAME", "func-mcp-abc123.azurewebsites.net"),
    ] {
        let variables = [
            ("FUNCTIONS_CUSTOMHANDLER_PORT", "1"),
            ("AZURE_FUNCTIONS_ENVIRONMENT", "Development"),
            sign,
        ];
        let (success, said) = start(&variables);
        assert!(!success);
        let named = format!(
            "error: AZURE_FUNCTIONS_ENVIRONMENT must not be Development where {} is ",
            sign.0
        );
        assert!(said.starts_with(&named), "{said}");
    }
}
