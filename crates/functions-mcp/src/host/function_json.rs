//! `function.json`, which tells the Functions host about a tool.
//!
//! Source: <https://learn.microsoft.com/azure/azure-functions/functions-bindings-mcp-tool-trigger>; the schemas
//! are JSON inside strings because the host takes the properties of a binding as scalars.

use serde::Serialize;

use super::envelope::TRIGGER_BINDING;
use crate::tool::ToolDefinition;

#[derive(Serialize)]
struct FunctionJson<'a> {
    bindings: [Binding<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Binding<'a> {
    r#type: &'static str,
    direction: &'static str,
    name: &'static str,
    tool_name: &'a str,
    description: &'a str,
    use_result_schema: bool,
    use_worker_input_schema: bool,
    input_schema: String,
    output_schema: String,
}

impl ToolDefinition {
    /// The text of the tool's `function.json`.
    ///
    /// # Errors
    /// When a schema cannot be written as JSON. Schemas of `schemars` can.
    pub fn function_json(&self) -> serde_json::Result<String> {
        let json = FunctionJson {
            bindings: [Binding {
                r#type: "mcpToolTrigger",
                direction: "in",
                name: TRIGGER_BINDING,
                tool_name: self.name,
                description: self.description,
                use_result_schema: true,
                use_worker_input_schema: true,
                input_schema: serde_json::to_string(&self.input_schema)?,
                output_schema: serde_json::to_string(&self.output_schema)?,
            }],
        };
        Ok(serde_json::to_string_pretty(&json)? + "\n")
    }
}
