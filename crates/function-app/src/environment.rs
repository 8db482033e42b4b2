//! The environment, as the host reads it.

use std::env;

/// The variables of this process, those that are Unicode.
pub fn environment_variables() -> impl Iterator<Item = (String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
