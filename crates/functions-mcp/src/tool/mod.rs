//! What a tool is, and the registry of this app's tools.

mod schema;

use std::{
    any::type_name,
    collections::BTreeSet,
    fmt::{self, Write},
    sync::Arc,
};

use azure_core::credentials::TokenCredential;
use futures_util::future::{BoxFuture, FutureExt};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{credential::CallCredential, failure::Failure, graph::Graph};

/// The longest description of wrong arguments, in characters.
const MAX_PROBLEM: usize = 500;

/// An MCP tool that acts as the signed-in user.
///
/// Implement it, add the type to [`Registry`] and run `cargo xtask functions`.
/// Identity, logging, time limits and errors are around the tool, not in it.
pub trait Tool: Send + Sync + 'static {
    /// The tool's name, which is also its function's: a letter, then letters and digits.
    const NAME: &'static str;
    /// What the tool does, for the model that chooses among tools.
    const DESCRIPTION: &'static str;
    /// The arguments. Doc comments of the fields become the schema's descriptions.
    type Arguments: DeserializeOwned + JsonSchema + Send;
    /// The result, which is the structured content for programs. Members that are `None` are left out of it.
    type Output: Serialize + JsonSchema;

    /// Carries out one call.
    fn call(
        &self,
        arguments: Self::Arguments,
        context: &ToolContext,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;

    /// The text of a result, for people and models. By default, it is `output` as JSON.
    fn text(&self, output: &Self::Output) -> String {
        // A call whose output cannot be JSON has failed before.
        schema::json_of(output).map_or_else(|_| String::new(), |json| json.to_string())
    }
}

/// The arguments of a tool that takes none.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct NoArguments {}

/// The call that a tool carries out: its ids, and the services that the tool may call as the user.
#[derive(Debug)]
pub struct ToolContext {
    /// The id under which the Functions host logs this invocation.
    pub invocation_id: String,
    /// The MCP session, when the client sent one.
    pub session_id: Option<String>,
    /// The identity that the tool acts as.
    pub(crate) credential: Arc<CallCredential>,
    /// Microsoft Graph with that credential.
    pub(crate) graph: Graph,
}

impl ToolContext {
    /// A credential of the signed-in user, as every Azure SDK client takes one.
    pub fn credential(&self) -> Arc<dyn TokenCredential> {
        self.credential.clone()
    }

    /// Microsoft Graph as the signed-in user.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }
}

/// A tool as the Functions host and MCP clients see it.
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

/// What a tool answers to a call.
#[derive(Debug)]
pub struct Answer {
    /// For people and models.
    pub text: String,
    /// For programs: an object.
    pub structured_content: serde_json::Value,
}

/// A tool whose types are hidden, so that different ones fit into one registry.
pub(crate) trait AnyTool: Send + Sync {
    fn definition(&self) -> ToolDefinition;

    fn name(&self) -> &'static str;

    /// Carries out one call; `arguments` is JSON text.
    fn call<'a>(
        &'a self,
        arguments: &'a str,
        context: &'a ToolContext,
    ) -> BoxFuture<'a, Result<Answer, Failure>>;
}

impl<T: Tool> AnyTool for T {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: T::NAME,
            description: T::DESCRIPTION,
            input_schema: schema::of_arguments::<T::Arguments>(),
            output_schema: schema::of_output::<T::Output>(),
        }
    }

    fn name(&self) -> &'static str {
        T::NAME
    }

    fn call<'a>(
        &'a self,
        arguments: &'a str,
        context: &'a ToolContext,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        async move {
            let arguments = serde_json::from_str(arguments)
                .map_err(|error| invalid_arguments(T::NAME, &error))?;
            let output = Tool::call(self, arguments, context).await?;
            Ok(Answer {
                structured_content: schema::json_of(&output)
                    .map_err(|error| unserializable(&error))?,
                text: self.text(&output),
            })
        }
        .boxed()
    }
}

/// The first [`MAX_PROBLEM`] characters of `message`, which may quote an argument of megabytes.
fn truncated(message: &dyn fmt::Display) -> String {
    struct Beginning(String);

    impl fmt::Write for Beginning {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            let room = MAX_PROBLEM.saturating_sub(self.0.chars().count());
            self.0.extend(part.chars().take(room));
            if room == 0 { Err(fmt::Error) } else { Ok(()) }
        }
    }

    let mut beginning = Beginning(String::new());
    // It fails when the limit is reached.
    let _ = write!(beginning, "{message}");
    beginning.0
}

fn invalid_arguments(tool: &str, error: &serde_json::Error) -> Failure {
    let problem = truncated(error);
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
    crates: BTreeSet<&'static str>,
}

impl Registry {
    /// No tools.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool.
    pub fn with<T: Tool>(mut self, tool: T) -> Self {
        self.tools.push(Box::new(tool));
        self.crates.extend(type_name::<T>().split("::").next());
        self
    }

    /// The tools as the Functions host and MCP clients see them.
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        self.tools.iter().map(|tool| tool.definition()).collect()
    }

    /// The crates that the tools are written in.
    ///
    /// They are the first part of the names of the tools' types, whose form Rust does not guarantee ([`type_name`]).
    pub(crate) fn crates(&self) -> impl Iterator<Item = &'static str> {
        self.crates.iter().copied()
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
