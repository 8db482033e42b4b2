//! The recordings of the real Functions host (`recordings/functions-host`), held against the
//! sandbox by its own command.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

/// What the command says of these cases.
fn replay(group: &str) -> (bool, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/functions-host");
    let output = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .arg("replay")
        .arg(folder)
        .args(["--group", group])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), said)
}

#[test]
fn the_key_gate_lets_in_whom_the_real_host_lets_in() {
    for (group, cases) in [
        ("key-gate/bare", 58),
        ("key-gate/easyauth", 116),
        ("key-gate/anonymous", 131),
        ("key-gate/bearer", 72),
        ("key-gate/Anonymous", 30),
        ("key-gate/System", 30),
        ("key-gate/Admin", 15),
        ("key-gate/Function", 15),
        ("key-gate/None", 15),
        ("key-gate/nonsense", 15),
    ] {
        let (is_same, said) = replay(group);
        assert!(is_same, "{said}");
        assert!(
            said.ends_with(&format!("{cases} cases, 0 differ\n")),
            "{said}"
        );
    }
}

#[cfg(unix)]
#[test]
fn custom_handler_options_do_what_they_do_on_the_real_host() {
    let (is_same, said) = replay("options");
    assert!(is_same, "{said}");
    assert!(said.ends_with("17 cases, 0 differ\n"), "{said}");
}
