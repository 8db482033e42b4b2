//! The tools of this app. Add yours here.

mod hello;

use functions_mcp::Registry;
pub use hello::HelloTool;

/// All tools. After a change, run `cargo xtask functions`.
pub fn registry() -> Registry {
    Registry::new().with(HelloTool)
}
