//! The tools of this app. Add yours here.

mod hello;

pub use hello::HelloTool;

use functions_mcp::Registry;

/// All tools. After a change, run `cargo xtask functions`.
pub fn registry() -> Registry {
    Registry::new().with(HelloTool)
}
