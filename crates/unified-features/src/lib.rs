//! No code: Cargo.toml says it all.
