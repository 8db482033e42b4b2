//! The tools of the test app.

mod echo;
mod failing;
mod hello;
mod where_am_i;

pub use echo::Echo;
pub use failing::{Endless, Panicking, Refusing};
use functions_mcp::Registry;
pub use hello::HelloTool;
pub use where_am_i::WhereAmI;

/// All tools. After a change, run `UPDATE_FUNCTION_FILES=1 cargo test -p test-app --test end_to_end function_files`.
pub fn registry() -> Registry {
    Registry::new()
        .with(Echo)
        .with(Endless)
        .with(HelloTool)
        .with(Panicking)
        .with(Refusing)
        .with(WhereAmI)
}
