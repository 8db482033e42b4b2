//! `WhereAmI`: tells in which invocation and session it runs.

use functions_mcp::{Failure, NoArguments, Tool, ToolContext};
use schemars::JsonSchema;
use serde::Serialize;

/// Tells in which invocation and session it runs.
#[derive(Debug)]
pub struct WhereAmI;

/// The invocation and session of a call.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Place {
    invocation: String,
    session: Option<String>,
}

impl Tool for WhereAmI {
    const NAME: &'static str = "WhereAmI";
    const DESCRIPTION: &'static str = "Tells in which invocation and session it runs.";
    type Arguments = NoArguments;
    type Output = Place;

    async fn call(&self, _: NoArguments, context: &ToolContext) -> Result<Place, Failure> {
        Ok(Place {
            invocation: context.invocation_id.clone(),
            session: context.session_id.clone(),
        })
    }
}
