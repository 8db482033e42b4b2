//! What a tool is, and the registry of this app's tools.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use azure_core::credentials::TokenCredential;
use futures_util::future::{BoxFuture, FutureExt};
use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{invocation::Arguments, result::CallToolResult};
use crate::{failure::Failure, graph::GraphClient, outbound_credential::CallCredential};

/// How much is told of what is wrong with arguments, in characters.
const MAX_PROBLEM: usize = 500;

/// An MCP tool that acts as the signed-in user.
///
/// Implement it, add the type to [`crate::tools::registry`] and run `cargo xtask functions`.
/// Identity, logging, time limits and errors are around the tool, not in it.
pub trait Tool: Send + Sync + 'static {
    /// The tool's name, which is also its function's: a letter, then letters and digits.
    const NAME: &'static str;
    /// What the tool does, for the model that chooses among tools.
    const DESCRIPTION: &'static str;
    /// The arguments. Doc comments of the fields become the schema's descriptions.
    type Arguments: DeserializeOwned + JsonSchema + Send;
    /// The result: `Display` gives the text, `Serialize` the structured content.
    type Output: fmt::Display + Serialize + JsonSchema;

    /// Carries out one call.
    fn call(
        &self,
        arguments: Self::Arguments,
        context: &ToolContext,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// The arguments of a tool that takes none.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct NoArguments {}

/// What a tool knows about the call that it carries out.
#[derive(Debug)]
pub struct ToolContext {
    /// The id under which the Functions host logs this invocation.
    pub invocation_id: String,
    /// The MCP session, when the client sent one.
    pub session_id: Option<String>,
    /// The identity that the tool acts as.
    pub(crate) credential: Arc<CallCredential>,
    /// Microsoft Graph with that credential.
    pub(crate) graph: GraphClient,
}

impl ToolContext {
    /// A credential of the signed-in user, as every Azure SDK client takes one.
    pub fn credential(&self) -> Arc<dyn TokenCredential> {
        self.credential.clone()
    }

    /// Microsoft Graph as the signed-in user.
    pub fn graph(&self) -> &GraphClient {
        &self.graph
    }
}

/// What a tool looks like from outside.
#[derive(Debug)]
pub struct ToolDefinition {
    /// The tool's name.
    pub name: &'static str,
    /// What the tool does.
    pub description: &'static str,
    /// The arguments' schema.
    pub input_schema: Schema,
    /// The structured content's schema.
    pub output_schema: Schema,
}

/// A tool whose types are hidden, so that different ones fit into one registry.
pub(crate) trait AnyTool: Send + Sync {
    fn definition(&self) -> ToolDefinition;

    fn name(&self) -> &'static str;

    fn call<'a>(
        &'a self,
        arguments: Option<Arguments<'a>>,
        context: &'a ToolContext,
    ) -> BoxFuture<'a, Result<CallToolResult, Failure>>;
}

impl<T: Tool> AnyTool for T {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: T::NAME,
            description: T::DESCRIPTION,
            input_schema: object_schema::<T::Arguments>(
                SchemaSettings::draft2020_12().with_transform(RecursiveTransform(leave_out_null)),
            ),
            output_schema: object_schema::<T::Output>(
                SchemaSettings::draft2020_12().for_serialize(),
            ),
        }
    }

    fn name(&self) -> &'static str {
        T::NAME
    }

    fn call<'a>(
        &'a self,
        arguments: Option<Arguments<'a>>,
        context: &'a ToolContext,
    ) -> BoxFuture<'a, Result<CallToolResult, Failure>> {
        async move {
            let arguments = serde_json::from_str(arguments.map_or("{}", Arguments::json))
                .map_err(|error| invalid_arguments(T::NAME, &error))?;
            let output = Tool::call(self, arguments, context).await?;
            let structured =
                serde_json::to_value(&output).map_err(|error| unserializable(&error))?;
            Ok(CallToolResult::success(output.to_string(), structured))
        }
        .boxed()
    }
}

/// The schema of `T` as `settings` see it, in the form that the MCP extension demands: an object with `properties`
/// and `required`.
fn object_schema<T: JsonSchema>(settings: SchemaSettings) -> Schema {
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // The names and comments of Rust types mean nothing to a model; those of their fields do.
    schema.remove("title");
    schema.remove("description");
    for (keyword, empty) in [("properties", json!({})), ("required", json!([]))] {
        schema.ensure_object().entry(keyword).or_insert(empty);
    }
    schema
}

/// Makes `"type": ["string", "null"]` of an optional argument `"type": "string"`: models leave an optional argument
/// out, and some of them reject a list of types.
fn leave_out_null(schema: &mut Schema) {
    let Some(Value::Array(types)) = schema.get_mut("type") else {
        return;
    };
    types.retain(|name| name != "null");
    if let [only] = types.as_slice() {
        let only = only.clone();
        schema.insert("type".into(), only);
    }
}

/// The first [`MAX_PROBLEM`] characters of a message: some quote the argument at fault, which may be megabytes.
fn beginning(message: &dyn fmt::Display) -> String {
    struct Beginning(String);

    impl fmt::Write for Beginning {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            let room = MAX_PROBLEM.saturating_sub(self.0.chars().count());
            self.0.extend(part.chars().take(room));
            if room == 0 { Err(fmt::Error) } else { Ok(()) }
        }
    }

    let mut beginning = Beginning(String::new());
    // It fails when there is enough.
    let _ = write!(beginning, "{message}");
    beginning.0
}

fn invalid_arguments(tool: &str, error: &serde_json::Error) -> Failure {
    let problem = beginning(error);
    let message = format!("The arguments of {tool} do not fit its schema: {problem}.");
    Failure::user("invalid_arguments", message)
}

fn unserializable(error: &serde_json::Error) -> Failure {
    Failure::operator("internal", "The tool's result could not be written.")
        .with_action("make the tool's output serializable as JSON")
        .with_detail(error)
}

/// The tools of an app.
#[derive(Default)]
pub struct Registry {
    tools: Vec<Box<dyn AnyTool>>,
}

impl Registry {
    /// No tools.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool.
    pub fn with<T: Tool>(mut self, tool: T) -> Self {
        self.tools.push(Box::new(tool));
        self
    }

    /// What the tools look like from outside.
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        self.tools.iter().map(|tool| tool.definition()).collect()
    }

    /// The tool of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&dyn AnyTool> {
        let tool = self.tools.iter().find(|tool| tool.name() == name)?;
        Some(tool.as_ref())
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.tools.iter().map(|tool| tool.name()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema counts")]
    struct Search {
        /// What to look for.
        text: String,
        /// How many at most.
        top: Option<u32>,
        filter: Option<Filter>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema counts")]
    struct Filter {
        folder: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Found {
        #[serde(skip_serializing_if = "Option::is_none")]
        first: Option<String>,
        last: Option<String>,
    }

    #[test]
    fn an_optional_argument_has_one_type() {
        let settings =
            SchemaSettings::draft2020_12().with_transform(RecursiveTransform(leave_out_null));
        let schema = object_schema::<Search>(settings).to_value();
        assert_eq!(schema["required"], json!(["text"]));
        assert_eq!(
            schema["properties"]["text"]["description"],
            "What to look for."
        );
        assert_eq!(schema["properties"]["top"]["type"], "integer");
        let text = schema.to_string();
        assert!(
            !text.contains("[\"string\",\"null\"]") && !text.contains("$ref"),
            "{text}"
        );
    }

    #[test]
    fn a_results_schema_allows_what_the_result_may_be() {
        let schema =
            object_schema::<Found>(SchemaSettings::draft2020_12().for_serialize()).to_value();
        assert_eq!(schema["required"], json!(["last"]));
        assert_eq!(
            schema["properties"]["last"]["type"],
            json!(["string", "null"])
        );
    }
}
