//! Compares the sandbox with recordings of the real Functions host and MCP extension: each recorded request is sent
//! unchanged, a scripted handler gives the recorded answers, and the response is compared with the recorded one.
//!
//! A folder of recordings holds, at any depth,
//! - a folder with `apps.json` and, beside it, folders of cases of the MCP extension,
//! - `key-gate.json`, `options.json` and `answers.json` of the Functions host.

mod answers;
mod app_folder;
mod body;
mod case;
mod client;
mod compare;
mod differences;
mod key_gate;
mod mcp_extension;
mod options;
mod scripted_handler;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

pub use self::{differences::Differences, options::scripted_handler};

/// The outcome of one recorded case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The case's name, such as `accept/any`.
    pub case: String,
    /// How the sandbox differs, one line each.
    pub differences: Vec<String>,
}

/// The outcome of a replay.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases that are the same.
    pub same: usize,
    /// Cases that differ as listed in the file of differences, each with its reason.
    pub explained: Vec<(Outcome, String)>,
    /// Cases that differ otherwise.
    pub unexplained: Vec<Outcome>,
    /// Entries of the file of differences that no longer explain anything.
    pub stale: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reasons: Vec<&str> = Vec::new();
        for (_, because) in &self.explained {
            if !reasons.contains(&because.as_str()) {
                reasons.push(because);
            }
        }
        for reason in reasons {
            writeln!(f, "differs on purpose: {reason}")?;
            let cases = self.explained.iter();
            for (outcome, _) in cases.filter(|(_, because)| because == reason) {
                writeln!(f, "  {}", outcome.case)?;
            }
        }
        for outcome in &self.unexplained {
            writeln!(f, "differs: {}", outcome.case)?;
            for difference in &outcome.differences {
                writeln!(f, "  {difference}")?;
            }
        }
        for entry in &self.stale {
            writeln!(f, "no case differs as listed: remove the entry of {entry}")?;
        }
        writeln!(
            f,
            "{} cases: {} the same, {} differ on purpose, {} otherwise",
            self.cases(),
            self.same,
            self.explained.len(),
            self.unexplained.len()
        )
    }
}

impl Report {
    /// Whether the sandbox differs only as listed.
    pub fn is_expected(&self) -> bool {
        self.unexplained.is_empty() && self.stale.is_empty()
    }

    /// How many cases were replayed.
    pub fn cases(&self) -> usize {
        self.same + self.explained.len() + self.unexplained.len()
    }
}

/// Replays the recordings below `folder`, or those of `groups` alone. Needs a tokio runtime.
///
/// # Errors
/// A folder that holds no recordings or no such group, and recordings that cannot be read.
pub async fn replay(
    folder: &Path,
    groups: &[String],
    differences: &Differences,
) -> io::Result<Report> {
    let mut outcomes = Vec::new();
    let selection = Selection(groups);
    let mut has_recordings = false;
    for file in find_files(folder)? {
        let name = file.file_name().and_then(|name| name.to_str());
        match name {
            Some("apps.json") => {
                outcomes.extend(mcp_extension::replay(&file, selection).await?);
            }
            Some("answers.json") if selection.contains("answers.json") => {
                outcomes.extend(answers::replay(&file).await?);
            }
            Some("key-gate.json") if selection.contains("key-gate.json") => {
                outcomes.extend(key_gate::replay(&file).await?);
            }
            Some("options.json") if selection.contains("options.json") => {
                outcomes.extend(options::replay(&file).await?);
            }
            _ => continue,
        }
        has_recordings = true;
    }
    for group in groups {
        let prefix = format!("{group}/");
        if !outcomes.iter().any(|one| one.case.starts_with(&prefix)) {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!(
                    "{} has no group {group:?}: a group is a folder beside apps.json, such as sse, or a file of the \
                     host, such as key-gate.json",
                    folder.display()
                ),
            ));
        }
    }
    if !has_recordings {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "{} holds no recordings: no apps.json, key-gate.json, options.json or answers.json",
                folder.display()
            ),
        ));
    }
    Ok(differences.explain(outcomes, groups.is_empty()))
}

/// The groups to replay; all if none is named.
#[derive(Clone, Copy, Debug)]
struct Selection<'a>(&'a [String]);

impl Selection<'_> {
    fn contains(self, group: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|name| name == group)
    }
}

/// All JSON files below a folder, in order.
fn find_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
        })?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a file of recordings.
fn read<T: serde::de::DeserializeOwned>(file: &Path) -> io::Result<T> {
    let located = |error: &dyn std::fmt::Display| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{}: {error}", file.display()),
        )
    };
    let text = fs::read_to_string(file).map_err(|error| located(&error))?;
    serde_json::from_str(&text).map_err(|error| located(&error))
}
