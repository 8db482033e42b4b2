//! The documentation: its links lead somewhere, the programs say what it quotes, and it covers what users can set.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod core_tools;
mod deployment;
mod links;
mod settings;
mod troubleshooting;
mod words_of_others;

use std::{fs, path::Path};

/// The repository's root.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
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
