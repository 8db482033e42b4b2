//! Other programs, found on the search path.

use std::{
    env,
    ffi::{OsStr, OsString},
    process::{Command, Output, Stdio},
};

/// The programs of a search path.
#[derive(Clone, Debug)]
pub struct Programs {
    path: OsString,
}

/// Why a program gave no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// There is no such program.
    Missing,
    /// It cannot be run, or it failed. Holds the last line that it wrote, for a person to read.
    Failed(String),
}

impl Programs {
    /// Those that this process finds.
    pub fn on_path() -> Self {
        Self::at(env::var_os("PATH").unwrap_or_default())
    }

    /// Those of another search path, in the form of `PATH`.
    pub fn at(path: impl Into<OsString>) -> Self {
        Self { path: path.into() }
    }

    /// A command of `program`, if there is one; on Windows also when it is a script such as `az.cmd`.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Option<Command> {
        let current = env::current_dir().ok()?;
        let found = which::which_in(program, Some(&self.path), current).ok()?;
        let mut command = Command::new(found);
        command.env("PATH", &self.path);
        Some(command)
    }

    /// What `program` writes to its standard output.
    ///
    /// # Errors
    /// When it is missing or fails.
    pub fn output(
        &self,
        program: impl AsRef<OsStr>,
        arguments: &[&str],
    ) -> Result<String, NoAnswer> {
        let mut command = self.command(program).ok_or(NoAnswer::Missing)?;
        let output = command
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| NoAnswer::Failed(error.to_string()))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(NoAnswer::Failed(last_words(&output)))
        }
    }
}

fn last_words(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.map_or_else(|| output.status.to_string(), str::to_owned)
}

/// A folder of stand-ins: shell scripts by their names.
#[cfg(test)]
#[cfg(unix)]
pub fn scripts(scripts: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in scripts {
        // Another process writes: a file that this one has open could get into the children of other tests, and a
        // script that somebody may write to cannot be run.
        let status = Command::new("sh")
            .args([
                "-c",
                r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod +x "$0""#,
            ])
            .args([folder.path().join(name).as_os_str(), script.as_ref()])
            .status();
        assert!(status.unwrap().success());
    }
    folder
}
