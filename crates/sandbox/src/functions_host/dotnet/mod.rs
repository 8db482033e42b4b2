//! JSON as .NET reads and writes it.
//!
//! The MCP extension uses `System.Text.Json`, the Functions host `Json.NET` (Newtonsoft). They
//! escape different characters, take different texts for JSON, and disagree on numbers and dates.

pub(super) mod date;
pub(super) mod newtonsoft;
pub(super) mod number;
pub(super) mod system_text_json;
