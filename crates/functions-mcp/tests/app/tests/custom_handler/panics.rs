//! A panic appears on standard error, although a queue precedes it.

use std::{env, process::Command, thread};

use functions_mcp::internals::start_log;
use tracing::Level;

/// Set for a second run of this test in a process of its own, which panics.
const PANICS: &str = "THIS_TEST_PANICS";

#[test]
fn a_panic_is_on_standard_error_when_the_program_has_ended() {
    if env::var_os(PANICS).is_some() {
        let _log = start_log(Level::INFO, [].into_iter()).unwrap();
        let outcome = thread::spawn(|| panic!("a panic of the test")).join();
        assert!(outcome.is_err());
        return;
    }
    let this_test = "panics::a_panic_is_on_standard_error_when_the_program_has_ended";
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", this_test, "--nocapture"])
        .env(PANICS, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("panicked at ")
            && (said.contains("custom_handler/panics.rs")
                || said.contains("custom_handler\\panics.rs")),
        "{said}"
    );
    assert!(said.contains("a panic of the test"), "{said}");
}
