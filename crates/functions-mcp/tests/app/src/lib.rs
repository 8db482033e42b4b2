//! A function app with tools made for tests.
//!
//! Tests of the engine, the maintenance commands and the clients run this app, so that they do not depend on the tools
//! of the app that the template's user makes.

use std::path::Path;

pub mod tools;

/// The app's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
