//! The files for azd, Bicep and VS Code agree with each other and with the handler.
//!
//! These tests ignore what an app adds of its own: settings, parameters, outputs, services, hooks.

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
