//! Tools: `tools/list`, and the results of `tools/call` from a handler's answers.

use function_app::Function;
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    content::{self, ContentBlock, Problem},
    json_rpc::RpcError,
};
use crate::functions_host::dotnet::{
    newtonsoft::Json,
    system_text_json::{self, Members},
};

/// The result of `tools/list`.
#[derive(Serialize)]
pub(super) struct ToolList<'a> {
    tools: Vec<Tool<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_schema: Option<&'a Map<String, Value>>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Box<RawValue>>,
}

impl<'a> ToolList<'a> {
    pub(super) fn of(functions: impl Iterator<Item = &'a Function>) -> Self {
        let tool = |function: &'a Function| Tool {
            name: &function.tool_name,
            description: &function.description,
            input_schema: &function.input_schema,
            output_schema: function.output_schema.as_ref(),
            meta: super::meta(function.metadata.as_ref()),
        };
        Self {
            tools: functions.map(tool).collect(),
        }
    }
}

/// Refuses a call that lacks a required argument: all that the extension checks.
pub(super) fn check_arguments(function: &Function, arguments: &Members) -> Result<(), RpcError> {
    let required = function
        .input_schema
        .get("required")
        .and_then(Value::as_array);
    let missing: Vec<_> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|name| {
            arguments
                .get(name)
                .is_none_or(|argument| argument.get() == "null")
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(RpcError::invalid_params(format!(
        "One or more required tool properties are missing values. Please provide: {}",
        missing.join(", ")
    )))
}

/// The result of `tools/call`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallToolResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Vec<ContentBlock>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_error: Option<bool>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Box<RawValue>>,
}

impl CallToolResult {
    fn of(content: Vec<ContentBlock>) -> Self {
        Self {
            content: Some(content),
            ..Self::default()
        }
    }

    /// The only details that a client gets of a failed call.
    pub(super) fn failure(tool: &str) -> Self {
        let text = format!("An error occurred invoking '{tool}'.");
        Self {
            is_error: Some(true),
            ..Self::of(vec![ContentBlock::text(text)])
        }
    }

    /// The first text.
    pub(super) fn first_text(&self) -> &str {
        let blocks = self.content.as_deref().unwrap_or_default();
        blocks
            .iter()
            .find_map(ContentBlock::as_text)
            .unwrap_or_default()
    }

    /// Reads the return value of the tool's function.
    pub(super) fn read(function: &Function, return_value: &Json) -> Result<Self, Problem> {
        match return_value {
            Json::Null => Ok(Self::of(Vec::new())),
            Json::Text(text) if function.use_result_schema => read_typed(text),
            _ if function.use_result_schema => Err("Expected JSON string.".into()),
            value => Ok(Self::of(vec![ContentBlock::text(value.to_text())])),
        }
    }
}

/// Reads the result with `useResultSchema`: a text with JSON, some members of which are texts with JSON again.
fn read_typed(text: &str) -> Result<CallToolResult, Problem> {
    let envelope = members(text)?;
    // The type must be there, and may be null.
    if !envelope
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("type"))
    {
        return Err("the text has no \"type\"".into());
    }
    let kind = text_member(&envelope, "type")?.unwrap_or_default();
    let content =
        text_member(&envelope, "content")?.ok_or("\"content\" is missing or not a string")?;

    if kind.eq_ignore_ascii_case("call_tool_result") {
        return read_whole(&content);
    }
    let blocks = if kind.eq_ignore_ascii_case("multi_content_result") {
        read_blocks(&raw(&content)?)?
    } else {
        vec![ContentBlock::read(&raw(&content)?)?]
    };
    if blocks.is_empty() {
        return Err("No content items were produced from the McpToolResult.".into());
    }
    let mut result = CallToolResult::of(blocks);
    if let Some(text) = text_member(&envelope, "structuredContent")?.filter(|text| !text.is_empty())
    {
        let structured = raw(&text)?;
        if structured.get() == "null" {
            return Err("structuredContent is null".into());
        }
        result.structured_content = Some(structured);
    }
    Ok(result)
}

/// Reads the text of a whole `CallToolResult`.
fn read_whole(text: &str) -> Result<CallToolResult, Problem> {
    let members = members(text)?;
    let content = members
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content"));
    let content = match content {
        None => Some(Vec::new()),
        Some((_, json)) if json.get() == "null" => None,
        Some((_, json)) => Some(read_blocks(json)?),
    };
    let is_error = match members.get_ignoring_case("isError") {
        None => None,
        Some(json) => {
            Some(serde_json::from_str(json.get()).map_err(|_| "\"isError\" is not true or false")?)
        }
    };
    Ok(CallToolResult {
        content,
        structured_content: members
            .get_ignoring_case("structuredContent")
            .map(RawValue::to_owned),
        is_error,
        meta: content::meta(&members)?,
    })
}

fn read_blocks(json: &RawValue) -> Result<Vec<ContentBlock>, Problem> {
    let list: Vec<&RawValue> =
        serde_json::from_str(json.get()).map_err(|_| "the content is not a list of blocks")?;
    list.into_iter().map(ContentBlock::read).collect()
}

/// Parses a text as an object.
pub(super) fn members(text: &str) -> Result<Members<'_>, Problem> {
    system_text_json::members(text).map_err(|error| error.to_string())
}

/// Parses a text as JSON.
pub(super) fn raw(text: &str) -> Result<Box<RawValue>, Problem> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// A member that is a string or null, with its name in any case.
pub(super) fn text_member(members: &Members, name: &str) -> Result<Option<String>, Problem> {
    match members.get_ignoring_case(name) {
        None => Ok(None),
        Some(json) => serde_json::from_str(json.get())
            .map(Some)
            .map_err(|_| format!("\"{name}\" is not a string")),
    }
}
