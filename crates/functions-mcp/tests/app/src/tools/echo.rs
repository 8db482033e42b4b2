//! `Echo`: repeats its arguments.

use functions_mcp::{Failure, Tool, ToolContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Repeats its arguments.
#[derive(Debug)]
pub struct Echo;

/// The arguments and the result of [`Echo`].
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct EchoArguments {
    /// What to say.
    greeting: String,
    /// How often.
    n: u32,
    /// Anything.
    nested: Option<Value>,
}

impl Tool for Echo {
    const NAME: &'static str = "Echo";
    const DESCRIPTION: &'static str = "Repeats its arguments.";
    type Arguments = EchoArguments;
    type Output = EchoArguments;

    async fn call(
        &self,
        arguments: EchoArguments,
        _: &ToolContext,
    ) -> Result<EchoArguments, Failure> {
        tracing::info!(times = arguments.n, "an echo");
        tracing::debug!("nested: {}", arguments.nested.is_some());
        Ok(arguments)
    }

    fn text(&self, echo: &EchoArguments) -> String {
        echo.greeting.repeat(echo.n as usize)
    }
}
