//! The recordings of the real Functions host and MCP extension, compared with the sandbox by its own command.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings")
}

/// Whether the command succeeded, and its output.
fn replay(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .arg("replay")
        .arg(folder)
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), said)
}

fn assert_as_recorded(said: (bool, String), cases: usize) {
    let (is_expected, said) = said;
    println!("{said}");
    assert!(is_expected, "{said}");
    let count = said.lines().last().unwrap();
    assert!(count.starts_with(&format!("{cases} cases: ")), "{count}");
}

#[test]
fn the_mcp_extension_answers_as_the_real_one_does() {
    let folder = recordings().join("mcp-extension");
    assert_as_recorded(replay(&folder, &[]), 447);
}

#[test]
fn the_key_gate_lets_in_the_callers_that_the_real_host_lets_in() {
    let said = replay(&recordings(), &["--group", "key-gate.json"]);
    assert_as_recorded(said, 507);
}

#[test]
fn the_host_reads_a_handlers_answers_as_the_real_one_does() {
    let said = replay(&recordings(), &["--group", "answers.json"]);
    assert_as_recorded(said, 47);
}

#[cfg(unix)]
#[test]
fn custom_handler_options_do_what_they_do_on_the_real_host() {
    let said = replay(&recordings(), &["--group", "options.json"]);
    assert_as_recorded(said, 17);
}

#[test]
fn a_recording_that_says_something_else_is_a_difference() {
    let folder = std::env::temp_dir().join(format!("recordings-{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir_all(folder.join("accept")).unwrap();
    let own = recordings().join("mcp-extension");
    fs::copy(own.join("apps.json"), folder.join("apps.json")).unwrap();
    for (case, from, to) in [
        ("any.json", "\"status\": 200", "\"status\": 201"),
        (
            "upper.json",
            "{\\\"result\\\":{},",
            "{\\\"result\\\":{\\\"a\\\":1},",
        ),
        ("html.json", "application/json; charset=utf-8", "text/html"),
        ("missing.json", "", ""),
    ] {
        let text = fs::read_to_string(own.join("accept").join(case)).unwrap();
        assert!(text.contains(from), "{case}");
        fs::write(folder.join("accept").join(case), text.replace(from, to)).unwrap();
    }
    let (is_expected, said) = replay(&folder, &[]);
    fs::remove_dir_all(&folder).unwrap();
    assert!(!is_expected);
    for difference in [
        "accept/any\n  status: 201, got 200",
        "accept/html\n  header content-type",
        "accept/upper\n  body",
        "4 cases: 1 the same, 0 differ on purpose, 3 otherwise",
    ] {
        assert!(said.contains(difference), "{said}");
    }
}

#[test]
fn a_folder_without_recordings_is_no_success() {
    let (is_expected, said) = replay(&recordings().join("telemetry"), &[]);
    assert!(!is_expected, "{said}");
}

#[test]
fn a_group_that_no_recording_belongs_to_is_no_success() {
    let (is_expected, said) = replay(&recordings(), &["--group", "accept", "--group", "key-gate"]);
    assert!(!is_expected, "{said}");
}
