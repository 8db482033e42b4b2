//! Cargo regards `[build-dependencies]` where there is a build script only.

fn main() {}
