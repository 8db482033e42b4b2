//! MCP as the Functions host's extension hands it over: a tool call in, a tool result out.

pub mod function_json;
pub mod invocation;
pub mod result;
mod schema;
pub mod tool;
