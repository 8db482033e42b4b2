//! A tool's result, in the one form of the MCP extension that keeps `isError` and structured content.
//!
//! With `useResultSchema` the extension expects a JSON *string* that names a type and holds the content as a
//! JSON string again. Its type `call_tool_result` carries a whole
//! [`CallToolResult`](https://modelcontextprotocol.io/specification/2025-06-18/server/tools#tool-result).

use serde::Serialize;

use crate::tool::Answer;

/// An MCP `CallToolResult` with one block of text.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallToolResult {
    content: [TextContent; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<serde_json::Value>,
    is_error: bool,
}

#[derive(Debug, Serialize)]
struct TextContent {
    r#type: &'static str,
    text: String,
}

#[derive(Serialize)]
struct ResultEnvelope {
    r#type: &'static str,
    content: String,
}

impl CallToolResult {
    /// A success.
    pub fn success(answer: Answer) -> Self {
        Self {
            content: [TextContent {
                r#type: "text",
                text: answer.text,
            }],
            structured_content: Some(answer.structured_content),
            is_error: false,
        }
    }

    /// A failure that `text` explains to the user.
    pub fn failure(text: String) -> Self {
        Self {
            content: [TextContent {
                r#type: "text",
                text,
            }],
            structured_content: None,
            is_error: true,
        }
    }

    /// The text that the custom handler returns for this result.
    pub fn to_return_value(&self) -> serde_json::Result<String> {
        serde_json::to_string(&ResultEnvelope {
            r#type: "call_tool_result",
            content: serde_json::to_string(self)?,
        })
    }
}
