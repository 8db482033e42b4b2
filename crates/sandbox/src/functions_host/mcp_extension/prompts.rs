//! Prompts: `prompts/list`, and the results of `prompts/get` from a handler's answers.
//!
//! Source: recordings `prompts`.

use function_app::Prompt;
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{
    content::{self, ContentBlock, Problem, Role},
    json_rpc::RpcError,
    tools::{members, raw, text_member},
};
use crate::functions_host::dotnet::{newtonsoft::Json, system_text_json::Members};

/// The result of `prompts/list`.
#[derive(Serialize)]
pub(super) struct PromptList<'a> {
    prompts: Vec<ListedPrompt<'a>>,
}

#[derive(Serialize)]
struct ListedPrompt<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a [Value]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icons: Option<&'a [Value]>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Box<RawValue>>,
}

impl<'a> PromptList<'a> {
    pub(super) fn of(prompts: impl Iterator<Item = &'a Prompt>) -> Self {
        let listed = |prompt: &'a Prompt| ListedPrompt {
            name: &prompt.prompt_name,
            title: prompt.title.as_deref(),
            description: prompt.description.as_deref(),
            arguments: prompt.arguments.as_deref(),
            icons: prompt.icons.as_deref(),
            meta: super::meta(prompt.metadata.as_ref()),
        };
        Self {
            prompts: prompts.map(listed).collect(),
        }
    }
}

/// Refuses a call that lacks a required argument. An argument with a binding of its own is missed only when the host
/// binds it, and the client gets no details of that.
pub(super) fn check_arguments(prompt: &Prompt, arguments: &Members) -> Result<(), RpcError> {
    let is_missing = |name: &str| {
        arguments
            .get(name)
            .is_none_or(|argument| argument.get() == "null")
    };
    let declared = prompt.arguments.as_deref().unwrap_or_default();
    let missing: Vec<_> = declared
        .iter()
        .filter(|argument| argument["required"] == true)
        .filter_map(|argument| argument["name"].as_str())
        .filter(|name| is_missing(name))
        .collect();
    if !missing.is_empty() {
        return Err(RpcError::invalid_params(format!(
            "One or more required prompt arguments are missing values. Please provide: {}",
            missing.join(", ")
        )));
    }
    let is_bound_and_missing = prompt
        .argument_bindings
        .iter()
        .any(|binding| binding.is_required && arguments.get(&binding.property).is_none());
    if is_bound_and_missing {
        return Err(RpcError::internal());
    }
    Ok(())
}

/// The result of `prompts/get`.
#[derive(Debug, Serialize)]
pub(super) struct GetPromptResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    messages: Vec<PromptMessage>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Box<RawValue>>,
}

#[derive(Debug, Serialize)]
struct PromptMessage {
    content: ContentBlock,
    role: Role,
}

impl GetPromptResult {
    fn of(messages: Vec<PromptMessage>) -> Self {
        Self {
            description: None,
            messages,
            meta: None,
        }
    }

    /// Reads the return value of the prompt's function.
    pub(super) fn read(prompt: &Prompt, return_value: &Json) -> Result<Self, Problem> {
        match return_value {
            Json::Null => Ok(Self::of(Vec::new())),
            Json::Text(text) if prompt.use_result_schema => read_typed(text),
            _ if prompt.use_result_schema => Err("Expected JSON string.".into()),
            value => Ok(Self::of(vec![PromptMessage {
                content: ContentBlock::text(value.to_text()),
                role: Role::User,
            }])),
        }
    }
}

fn read_typed(text: &str) -> Result<GetPromptResult, Problem> {
    let envelope = members(text)?;
    let kind = text_member(&envelope, "type")?.unwrap_or_default();
    let content = text_member(&envelope, "content")?.ok_or("\"content\" is missing")?;
    if kind.eq_ignore_ascii_case("prompt_messages") {
        return Ok(GetPromptResult::of(read_messages(&raw(&content)?)?));
    }
    if !kind.eq_ignore_ascii_case("get_prompt_result") {
        return Err(format!("Unknown McpPromptResult type: '{kind}'."));
    }
    let members = members(&content)?;
    Ok(GetPromptResult {
        description: text_member(&members, "description")?,
        messages: match members.get_ignoring_case("messages") {
            None => Vec::new(),
            Some(json) => read_messages(json)?,
        },
        meta: content::meta(&members)?,
    })
}

fn read_messages(json: &RawValue) -> Result<Vec<PromptMessage>, Problem> {
    let list: Vec<&RawValue> =
        serde_json::from_str(json.get()).map_err(|_| "the content is not a list of messages")?;
    list.into_iter()
        .map(|json| {
            let message = content::object(json)?;
            let role = message
                .get_ignoring_case("role")
                .ok_or("a message has no role")?;
            let content = message
                .get_ignoring_case("content")
                .ok_or("a message has no content")?;
            Ok(PromptMessage {
                content: ContentBlock::read(content)?,
                role: serde_json::from_str(role.get())
                    .map_err(|_| "a message has a role other than user or assistant")?,
            })
        })
        .collect()
}
