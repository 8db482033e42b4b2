//! `WhereAmI`: returns the ids of its invocation and its session.

use functions_mcp::{Failure, NoArguments, Tool, ToolContext};
use schemars::JsonSchema;
use serde::Serialize;

/// Returns the ids of its invocation and its session.
#[derive(Debug)]
pub struct WhereAmI;

/// The ids of a call's invocation and session.
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
