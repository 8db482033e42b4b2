//! Cargo, started by a program that cargo has started itself.

use std::{env, ffi::OsStr, path::PathBuf, process::Command};

use serde_json::Value;

/// The cargo that started this program; otherwise the one on the search path.
///
/// The command leaves out what cargo tells the programs that it starts about themselves. Build
/// scripts of other packages, such as ring's, ask for variables of the same names, and would run
/// again, with all that depends on them, whenever another program starts cargo.
pub fn command() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os().filter(|(name, _)| is_about_one_program(name)) {
        command.env_remove(name);
    }
    command
}

/// Whether cargo sets the variable for a program or a build script, and for no other.
///
/// Source: "Environment Variables" in The Cargo Book.
fn is_about_one_program(name: &OsStr) -> bool {
    const NAMES: [&str; 5] = [
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_RUSTC_CURRENT_DIR",
        "CARGO_TARGET_TMPDIR",
        "OUT_DIR",
    ];
    const PREFIXES: [&str; 3] = ["CARGO_BIN_", "CARGO_MANIFEST_", "CARGO_PKG_"];
    name.to_str().is_some_and(|name| {
        NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}

/// The executable of the target `name`, from the messages of `--message-format=json`
/// ([their format](https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages)).
pub fn executable(messages: &[u8], name: &str) -> Option<PathBuf> {
    messages
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_leaves_out_what_concerns_this_program_alone() {
        // Cargo has told this test its own.
        assert!(env::var_os("CARGO_PKG_NAME").is_some());
        let command = command();
        let removed: Vec<_> = command
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name)
            .collect();
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
            assert!(removed.contains(&OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn what_the_user_tells_cargo_stays() {
        for name in [
            "CARGO",
            "CARGO_HOME",
            "CARGO_INCREMENTAL",
            "CARGO_TARGET_DIR",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER",
            "PATH",
        ] {
            assert!(!is_about_one_program(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn an_executable_is_where_cargo_says() {
        let messages =
            br#"{"reason":"compiler-artifact","target":{"name":"handler"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"name":"other"},"executable":"/target/other"}
{"reason":"compiler-artifact","target":{"name":"handler"},"executable":"/target/handler"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(
            executable(messages, "handler"),
            Some("/target/handler".into())
        );
        assert_eq!(executable(b"", "handler"), None);
    }
}
