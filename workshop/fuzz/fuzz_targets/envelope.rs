//! Fuzzes the body of the host's request: it is read or refused, and the refusal never quotes it.

#![no_main]

use fuzz::MAX_DETAIL;
use functions_mcp::internals::{ToolInvocation, TriggerValue};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fn read(body: &[u8]) {
    let outcome = TriggerValue::from_body(body).and_then(|value| {
        let call: ToolInvocation = value.read()?;
        let _ = call.headers().get("Authorization");
        assert!(!format!("{call:?}").is_empty());
        Ok(())
    });
    if let Err(error) = outcome {
        assert!(error.to_string().len() < MAX_DETAIL, "{error}");
    }
}

fuzz_target!(|body: &[u8]| {
    read(body);
    // Encoded as the host does, so that the fuzzer need not find two layers of escapes.
    let payload = Value::from(String::from_utf8_lossy(body)).to_string();
    read(
        json!({ "Data": { "mcpTrigger": payload } })
            .to_string()
            .as_bytes(),
    );
});
