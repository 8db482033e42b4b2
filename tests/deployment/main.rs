//! What azd, Bicep and VS Code find in this repository: the parts agree with each other and with the handler.
//!
//! What an app adds of its own, such as settings, parameters, outputs, services and hooks, is none of these tests' concern.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod app_settings;
mod azure_yaml;
mod bicep;
mod clouds;
mod declarations;
mod funcignore;
mod outputs;
mod parameters;
mod vs_code;

use std::{fs, path::Path};

/// The repository's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of one of the repository's files.
#[track_caller]
fn read(path: &str) -> String {
    match fs::read_to_string(root().join(path)) {
        Ok(text) => text,
        Err(error) => panic!("{path}: {error}"),
    }
}

/// The cells of every row of every table in one of the repository's Markdown files.
fn table_rows(path: &str) -> Vec<Vec<String>> {
    read(path)
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix('|')?
                .strip_suffix('|')
                .map(str::to_owned)
        })
        .map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}
