//! Cross-builds with `cargo zigbuild`, in the same way on Linux, macOS and Windows.
//!
//! zig is the linker and the C compiler (the TLS library contains C). It is required even where this machine has a
//! linker of its own: with that, the executable would need this machine's glibc.

use std::{
    env,
    error::Error,
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
};

use function_app::cargo;
use serde_json::Value;

use super::target::Target;
use crate::programs::Programs;

/// The variable that tells cargo-zigbuild to use another Python than `python3`.
const PYTHON_VARIABLE: &str = "CARGO_ZIGBUILD_PYTHON_PATH";
/// The variable that tells it to use another zig than `zig`.
const ZIG_VARIABLE: &str = "CARGO_ZIGBUILD_ZIG_PATH";

/// A requirement of the build that this machine lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The program `cargo-zigbuild`.
    CargoZigbuild,
    /// zig, as the Python package `ziglang` or as a program.
    Zig,
    /// Rust's standard library for this target.
    StandardLibrary(&'static str),
}

impl Missing {
    /// The command that installs it.
    pub fn remedy(self) -> String {
        match self {
            Self::CargoZigbuild if cfg!(target_os = "macos") => {
                "brew install cargo-zigbuild, or: pip install cargo-zigbuild ziglang".into()
            }
            Self::CargoZigbuild => {
                "pip install cargo-zigbuild ziglang, or: cargo install --locked cargo-zigbuild"
                    .into()
            }
            Self::Zig if cfg!(target_os = "macos") => {
                "brew install zig, or: pip install ziglang".into()
            }
            Self::Zig if cfg!(windows) => "pip install ziglang, or: winget install zig.zig".into(),
            Self::Zig => "pip install ziglang, or a zig from https://ziglang.org/download".into(),
            Self::StandardLibrary(triple) => format!("rustup target add {triple}"),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CargoZigbuild => f.write_str("cargo-zigbuild"),
            Self::Zig => f.write_str("zig"),
            Self::StandardLibrary(triple) => {
                write!(f, "Rust's standard library for {triple}")
            }
        }
    }
}

/// The requirements of a build for `target` that `programs` lack.
pub fn missing(programs: &Programs, target: Target) -> Vec<Missing> {
    let triple = target.triple();
    let library = programs.output("rustc", &["--print", "target-libdir", "--target", triple]);
    [
        (
            programs.command("cargo-zigbuild").is_none(),
            Missing::CargoZigbuild,
        ),
        (find_zig(programs).is_none(), Missing::Zig),
        (
            !library.is_ok_and(|folder| Path::new(&folder).is_dir()),
            Missing::StandardLibrary(triple),
        ),
    ]
    .into_iter()
    .filter_map(|(is_missing, what)| is_missing.then_some(what))
    .collect()
}

/// Where zig is.
#[derive(Debug, PartialEq, Eq)]
enum Zig {
    /// Where cargo-zigbuild looks by default.
    Usual,
    /// A package of this Python. Windows, for one, has no `python3`.
    Python(&'static str),
}

fn find_zig(programs: &Programs) -> Option<Zig> {
    let python = env::var_os(PYTHON_VARIABLE).unwrap_or_else(|| "python3".into());
    let zig = env::var_os(ZIG_VARIABLE).unwrap_or_else(|| "zig".into());
    let in_python = ["-m", "ziglang", "version"];
    if programs.output(python, &in_python).is_ok() || programs.output(zig, &["version"]).is_ok() {
        return Some(Zig::Usual);
    }
    ["python", "py"]
        .into_iter()
        .find(|python| programs.output(python, &in_python).is_ok())
        .map(Zig::Python)
}

/// Builds the handler, with cargo's output on the terminal. Returns its path.
///
/// # Errors
/// Names the requirements that are missing, or says that the build fails.
pub fn build(root: &Path, programs: &Programs, target: Target) -> Result<PathBuf, Box<dyn Error>> {
    let missing = missing(programs, target);
    if !missing.is_empty() {
        let lines: Vec<_> = missing
            .iter()
            .map(|what| format!("not installed: {what}\n    {}", what.remedy()))
            .collect();
        return Err(lines.join("\n").into());
    }
    let mut build = cargo::command();
    build
        // The handler alone: no feature that only other members need is deployed.
        .args(["zigbuild", "--release", "--bin", "handler"])
        .args(["--target", &target.to_string()])
        .arg("--message-format=json-render-diagnostics")
        .args(remapping(target).map(|config| format!("--config={config}")))
        .current_dir(root)
        .stderr(Stdio::inherit());
    if let Some(Zig::Python(python)) = find_zig(programs) {
        build.env(PYTHON_VARIABLE, python);
    }
    let output = build
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err("the handler does not build".into());
    }
    cargo::executable(&output.stdout, "handler")
        .ok_or_else(|| "cargo does not tell where the handler is".into())
}

/// Flags that replace the folder of downloaded crates by `/cargo` in panic messages: the same sources give the same
/// bytes wherever they are built, and the executable does not reveal who built it.
fn remapping(target: Target) -> Option<String> {
    let folder = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")))?;
    let flag = Value::from(format!("--remap-path-prefix={}=/cargo", folder.display()));
    Some(format!("target.{}.rustflags=[{flag}]", target.triple()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_anything_lacks_everything() {
        let missing = missing(&Programs::at(""), Target::Musl);
        assert_eq!(
            missing,
            [
                Missing::CargoZigbuild,
                Missing::Zig,
                Missing::StandardLibrary("x86_64-unknown-linux-musl")
            ]
        );
        for what in missing {
            assert!(!what.remedy().is_empty(), "{what}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn zig_is_found_in_whichever_python_has_it() {
        use crate::programs::scripts;

        let with = |name, script| {
            let folder = scripts(&[(name, script)]);
            find_zig(&Programs::at(folder.path()))
        };
        let package = r#"[ "$*" = "-m ziglang version" ] && echo 0.15.2"#;
        assert_eq!(with("python3", package), Some(Zig::Usual));
        assert_eq!(with("python", package), Some(Zig::Python("python")));
        assert_eq!(with("zig", "echo 0.15.2"), Some(Zig::Usual));
        assert_eq!(with("python3", "exit 1"), None);
    }
}
