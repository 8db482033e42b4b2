//! What the fuzz targets share with the property tests.

#[path = "../../../crates/functions-mcp/tests/app/tests/properties/forger.rs"]
pub mod forger;
#[path = "../../../crates/functions-mcp/tests/app/tests/properties/openid_provider.rs"]
pub mod openid_provider;

/// Longer than every refusal without a quotation, shorter than one with the input quoted.
pub const MAX_DETAIL: usize = 120;
