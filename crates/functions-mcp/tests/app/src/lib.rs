//! A function app with tools for tests.
//!
//! The tests of the engine, the maintenance commands and the clients run this app, so that they do not depend on the
//! tools of the template's user.

use std::path::Path;

pub mod tools;

/// The app's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
