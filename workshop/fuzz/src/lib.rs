//! What the fuzz targets share with the property tests.

#[path = "../../../crates/functions-mcp/tests/app/tests/properties/forger.rs"]
pub mod forger;
#[path = "../../../crates/functions-mcp/tests/app/tests/properties/openid_provider.rs"]
pub mod openid_provider;

/// Longer than all that a refusal says of itself, shorter than what it could quote.
pub const MAX_DETAIL: usize = 120;
