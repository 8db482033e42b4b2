//! `HelloTool`: greets the signed-in user by name and email address.

use functions_mcp::{Failure, NoArguments, Tool, ToolContext};
use schemars::JsonSchema;
use serde::Serialize;

/// Greets the signed-in user.
#[derive(Debug)]
pub struct HelloTool;

/// The user that [`HelloTool`] greets.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Greeting {
    /// The user's display name.
    name: String,
    /// The user's email address, or the user principal name where there is no mailbox.
    email: Option<String>,
}

impl Tool for HelloTool {
    const NAME: &'static str = "HelloTool";
    const DESCRIPTION: &'static str = "Greets the signed-in user by the name and email address that Microsoft Graph has for them.";
    type Arguments = NoArguments;
    type Output = Greeting;

    async fn call(&self, _: NoArguments, context: &ToolContext) -> Result<Greeting, Failure> {
        let user = context.graph().me().await?;
        Ok(Greeting {
            email: user.email().map(str::to_owned),
            name: user.display_name.unwrap_or_else(|| "there".to_owned()),
        })
    }

    fn text(&self, greeting: &Greeting) -> String {
        let name = &greeting.name;
        match &greeting.email {
            Some(email) => format!("Hello, {name} ({email})!"),
            None => format!("Hello, {name}!"),
        }
    }
}
