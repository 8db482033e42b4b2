//! A handler that cannot work does not start, and says why.

use std::process::Command;

fn start(variables: &[(&str, &str)]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_handler"))
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8(output.stderr).unwrap(),
    )
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
