//! The body of the host's request: read or refused, and never quoted in the refusal.

#![no_main]

use fuzz::MAX_DETAIL;
use handler::{custom_handler::trigger_value, mcp::invocation::ToolInvocation};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fn read(body: &[u8]) {
    match trigger_value::<ToolInvocation>(body) {
        Ok(call) => {
            let _ = call.headers().get("Authorization");
            assert!(!format!("{call:?}").is_empty());
        }
        Err(error) => assert!(error.to_string().len() < MAX_DETAIL, "{error}"),
    }
}

fuzz_target!(|body: &[u8]| {
    read(body);
    // As the host encodes it, so that the fuzzer need not find two layers of backslashes.
    let payload = Value::from(String::from_utf8_lossy(body)).to_string();
    read(
        json!({ "Data": { "mcpTrigger": payload } })
            .to_string()
            .as_bytes(),
    );
});
