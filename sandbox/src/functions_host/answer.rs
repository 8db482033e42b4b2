//! The handler's answer as the host and the MCP extension read it.

use std::fmt;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode};
use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde::Deserialize;
use serde_json::{Map, Value};

/// An answer that completes the invocation.
#[derive(Debug)]
pub(super) struct Answer {
    /// Lines for the function's log.
    pub logs: Vec<String>,
    /// What the client gets.
    pub result: CallToolResult,
}

/// Why an invocation failed. The client only learns that it did.
#[derive(Debug)]
pub(super) enum InvocationFailure {
    /// The call could not be written.
    Call(serde_json::Error),
    /// There is no process to call.
    NoHandler(String),
    /// The call did not reach the process, or its answer did not come back.
    Connection(reqwest::Error),
    /// The answer's status was not a success.
    Status(StatusCode),
    /// The answer has a body that is not declared to be JSON.
    ContentType(Option<String>),
    /// The answer's body is not what the host expects.
    Body(String),
    /// The return value is not what the MCP extension expects.
    ReturnValue(String),
    /// `functionTimeout` is over.
    Timeout,
}

impl fmt::Display for InvocationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => write!(f, "the call cannot be written: {error}"),
            Self::NoHandler(reason) => write!(f, "no handler: {reason}"),
            Self::Connection(error) => {
                write!(f, "{error}")?;
                let mut source = std::error::Error::source(error);
                while let Some(cause) = source {
                    write!(f, ": {cause}")?;
                    source = cause.source();
                }
                Ok(())
            }
            Self::Status(status) => write!(
                f,
                "response status code does not indicate success: {status}"
            ),
            Self::ContentType(Some(kind)) => {
                write!(f, "content type is {kind}, not application/json")
            }
            Self::ContentType(None) => f.write_str("the answer has a body and no content type"),
            Self::Body(problem) => write!(f, "the answer's body: {problem}"),
            Self::ReturnValue(problem) => {
                write!(
                    f,
                    "error while handling parameter $return after function returned: {problem}"
                )
            }
            Self::Timeout => f.write_str(
                "functionTimeout is over (an empty answer, too, leaves the host waiting); \
                the handler is killed",
            ),
        }
    }
}

/// Reads an answer. `None` is one that completes nothing: an empty body or a bare `null`.
pub(super) async fn read(
    response: Response,
    use_result_schema: bool,
) -> Result<Option<Answer>, InvocationFailure> {
    if !response.status().is_success() {
        return Err(InvocationFailure::Status(response.status()));
    }
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let body = response
        .bytes()
        .await
        .map_err(InvocationFailure::Connection)?;
    if body.is_empty() {
        return Ok(None);
    }
    if !content_type.as_deref().is_some_and(is_json) {
        return Err(InvocationFailure::ContentType(content_type));
    }
    let body = serde_json::from_slice(&body)
        .map_err(|error| InvocationFailure::Body(error.to_string()))?;
    parse(body, use_result_schema)
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["application/json", "text/json"]
        .iter()
        .any(|json| json.eq_ignore_ascii_case(essence))
}

fn parse(body: Value, use_result_schema: bool) -> Result<Option<Answer>, InvocationFailure> {
    let body = match body {
        Value::Null => return Ok(None),
        Value::Object(body) => body,
        _ => return Err(InvocationFailure::Body("is not an object".into())),
    };
    if !matches!(
        member(&body, "Outputs"),
        None | Some(Value::Null | Value::Object(_))
    ) {
        return Err(InvocationFailure::Body("Outputs is not an object".into()));
    }
    let logs = match member(&body, "Logs") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(lines)) => lines
            .iter()
            .filter_map(|line| log_line(line).transpose())
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(InvocationFailure::Body("Logs is not a list".into())),
    };
    let return_value = member(&body, "ReturnValue").unwrap_or(&Value::Null);
    let result = if use_result_schema {
        typed_result(return_value)?
    } else {
        plain_result(return_value)
    };
    Ok(Some(Answer { logs, result }))
}

fn log_line(line: &Value) -> Result<Option<String>, InvocationFailure> {
    match line {
        Value::Null => Ok(None),
        Value::String(line) => Ok(Some(line.clone())),
        Value::Bool(_) | Value::Number(_) => Ok(Some(plain_text(line))),
        Value::Array(_) | Value::Object(_) => {
            Err(InvocationFailure::Body("Logs holds more than texts".into()))
        }
    }
}

/// The result without `useResultSchema`: the return value as text.
fn plain_result(return_value: &Value) -> CallToolResult {
    let content = match return_value {
        Value::Null => Vec::new(),
        value => vec![ContentBlock::text(plain_text(value))],
    };
    result(content)
}

/// A value as .NET writes it.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        other => format!("{other:#}"),
    }
}

/// The result with `useResultSchema`: the return value is a text that holds JSON, some members of
/// which hold JSON again.
fn typed_result(return_value: &Value) -> Result<CallToolResult, InvocationFailure> {
    let refused = |problem: &str| InvocationFailure::ReturnValue(problem.to_owned());
    let text = match return_value {
        Value::Null => return Ok(result(Vec::new())),
        Value::String(text) => text,
        _ => return Err(refused("Expected JSON string.")),
    };
    let envelope: Map<String, Value> = from_json(text, "the text")?;
    let kind = member(&envelope, "type")
        .and_then(Value::as_str)
        .ok_or_else(|| refused("the text has no \"type\""))?;
    let content = member(&envelope, "content")
        .and_then(Value::as_str)
        .ok_or_else(|| refused("\"content\" is missing or not a text"))?;

    if kind.eq_ignore_ascii_case("call_tool_result") {
        return whole_result(content);
    }
    let blocks = if kind.eq_ignore_ascii_case("multi_content_result") {
        let blocks: Vec<Value> = from_json(content, "content")?;
        if blocks.is_empty() {
            return Err(refused(
                "No content items were produced from the McpToolResult.",
            ));
        }
        blocks
    } else {
        vec![from_json(content, "content")?]
    };
    let mut result = result(content_blocks(blocks)?);
    match member(&envelope, "structuredContent") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(Value::String(text)) => match from_json(text, "structuredContent")? {
            Value::Null => return Err(refused("structuredContent is null")),
            value => result.structured_content = Some(value),
        },
        Some(_) => return Err(refused("\"structuredContent\" is not a text")),
    }
    Ok(result)
}

/// The text of a whole `CallToolResult`.
fn whole_result(text: &str) -> Result<CallToolResult, InvocationFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct WholeResult {
        #[serde(default)]
        content: Vec<Value>,
        structured_content: Option<Value>,
        is_error: Option<bool>,
        #[serde(rename = "_meta")]
        meta: Option<MetaObject>,
    }
    let whole: WholeResult = from_json(text, "content")?;
    let mut result = result(content_blocks(whole.content)?);
    result.structured_content = whole.structured_content;
    result.is_error = whole.is_error;
    result.meta = whole.meta;
    Ok(result)
}

fn content_blocks(blocks: Vec<Value>) -> Result<Vec<ContentBlock>, InvocationFailure> {
    /// What the extension's reader of blocks knows. It stumbles over the inside of anything else.
    const KNOWN: [&str; 12] = [
        "type",
        "text",
        "data",
        "mimeType",
        "resource",
        "uri",
        "name",
        "title",
        "description",
        "size",
        "annotations",
        "_meta",
    ];
    blocks
        .into_iter()
        .map(|block| {
            let unknown = block.as_object().and_then(|block| {
                block.iter().find(|(name, value)| {
                    !KNOWN.contains(&name.as_str()) && (value.is_object() || value.is_array())
                })
            });
            if let Some((name, _)) = unknown {
                return Err(InvocationFailure::ReturnValue(format!(
                    "a content block has an unknown \"{name}\""
                )));
            }
            serde_json::from_value(block).map_err(|error| {
                InvocationFailure::ReturnValue(format!("not a content block: {error}"))
            })
        })
        .collect()
}

fn from_json<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, InvocationFailure> {
    serde_json::from_str(text)
        .map_err(|error| InvocationFailure::ReturnValue(format!("{what}: {error}")))
}

fn result(content: Vec<ContentBlock>) -> CallToolResult {
    let mut result = CallToolResult::default();
    result.content = content;
    result
}

/// A member, whatever the case of its name.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The result for the client as JSON, without the marker that rmcp takes out for older clients.
    fn answer(return_value: Value, use_result_schema: bool) -> Result<Value, String> {
        let answer = parse(json!({ "returnvalue": return_value }), use_result_schema)
            .map_err(|failure| failure.to_string())?
            .unwrap();
        let mut result = serde_json::to_value(answer.result).unwrap();
        result.as_object_mut().unwrap().remove("resultType");
        Ok(result)
    }

    fn typed(kind: &str, content: Value) -> Result<Value, String> {
        answer(
            json!({ "Type": kind, "content": content.to_string() })
                .to_string()
                .into(),
            true,
        )
    }

    #[test]
    fn without_a_result_schema_every_value_becomes_text() {
        let text = |value| answer(value, false).unwrap()["content"][0]["text"].clone();
        assert_eq!(text(json!("plain \"text\"")), "plain \"text\"");
        assert_eq!(text(json!("")), "");
        assert_eq!(text(json!({ "a": [1] })), "{\n  \"a\": [\n    1\n  ]\n}");
        assert_eq!(text(json!(1.5)), "1.5");
        assert_eq!(text(json!(true)), "True");
        assert_eq!(
            answer(json!(null), false).unwrap(),
            json!({ "content": [] })
        );
    }

    #[test]
    fn a_whole_result_keeps_all_its_members() {
        let whole = json!({
            "content": [{ "type": "text", "text": "Hello" }],
            "structuredContent": { "a": 1 },
            "isError": true,
            "_meta": { "b": 2 },
        });
        assert_eq!(typed("CALL_TOOL_RESULT", whole.clone()).unwrap(), whole);
        assert_eq!(
            typed("call_tool_result", json!({})).unwrap(),
            json!({ "content": [] })
        );
    }

    #[test]
    fn several_blocks_come_as_a_list_and_one_by_itself() {
        let block = json!({ "type": "text", "text": "x" });
        assert_eq!(
            typed("multi_content_result", json!([block, block])).unwrap()["content"],
            json!([block, block])
        );
        assert_eq!(
            typed("image", block.clone()).unwrap()["content"],
            json!([block])
        );
    }

    #[test]
    fn structured_content_next_to_a_block_is_json_within_a_text() {
        let block = json!({ "type": "text", "text": "x" }).to_string();
        let value = json!({ "type": "text", "content": block, "structuredContent": "{\"a\":1}" })
            .to_string();
        assert_eq!(
            answer(value.into(), true).unwrap()["structuredContent"],
            json!({ "a": 1 })
        );
    }

    #[test]
    fn what_the_extension_cannot_read_fails_the_call() {
        for value in [
            json!({ "type": "text" }),
            json!("not JSON"),
            json!("{}"),
            json!("{\"type\":\"text\"}"),
            json!("{\"type\":\"text\",\"content\":{}}"),
            json!("{\"type\":\"text\",\"content\":\"{\\\"type\\\":\\\"text\\\"}\"}"),
            json!("{\"type\":\"text\",\"content\":\"{\\\"type\\\":\\\"video\\\"}\"}"),
            json!("{\"type\":\"multi_content_result\",\"content\":\"[]\"}"),
        ] {
            assert!(answer(value.clone(), true).is_err(), "{value}");
        }
        assert!(typed("text", json!({ "type": "text", "text": "x", "icons": [] })).is_err());
    }

    #[test]
    fn a_null_completes_nothing_and_an_object_without_members_does() {
        assert!(parse(Value::Null, true).unwrap().is_none());
        assert!(parse(json!({}), true).unwrap().is_some());
    }

    #[test]
    fn logs_are_texts_and_numbers_but_no_objects() {
        let logs = parse(json!({ "logs": ["a", 1, true, null] }), true)
            .unwrap()
            .unwrap()
            .logs;
        assert_eq!(logs, ["a", "1", "True"]);
        assert!(parse(json!({ "Logs": [{}] }), true).is_err());
    }
}
