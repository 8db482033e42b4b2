//! The host's envelope: every call is read unchanged, and an error names only the position in anything else.

use functions_mcp::internals::{Arguments, EnvelopeError, ToolInvocation, TriggerValue};
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Map, Value, json};

use crate::support;

const EXAMPLE: &str = include_str!("../fixtures/envelope-a.json");

/// The texts of errors, without line and column.
const PROBLEMS: [&str; 3] = [
    "the request is not a custom handler invocation (line #, column #)",
    "the request has no Data.mcpTrigger",
    "Data.mcpTrigger is not an MCP tool call (line #, column #)",
];

/// Reads the call in `body`, and passes it to `check`.
fn read<T>(body: &[u8], check: impl FnOnce(ToolInvocation) -> T) -> Result<T, EnvelopeError> {
    let outcome = TriggerValue::from_body(body).and_then(|value| value.read().map(check));
    if let Err(error) = &outcome {
        let message = error.to_string();
        let numbers = message.split(|character: char| character.is_ascii_digit());
        let parts: Vec<_> = numbers.filter(|part| !part.is_empty()).collect();
        let problem = parts.join("#");
        assert!(PROBLEMS.contains(&problem.as_str()), "{message}");
    }
    outcome
}

/// An envelope with `value` as the trigger's, encoded as a JSON string `encodings` times.
fn envelope(value: &Value, encodings: usize) -> Vec<u8> {
    let encoded = (0..encodings).fold(value.clone(), |value, _| Value::from(value.to_string()));
    let body = json!({ "Data": { "mcpTrigger": encoded, "other": value }, "Metadata": {} });
    body.to_string().into_bytes()
}

fn arguments() -> impl Strategy<Value = Value> {
    vec((support::text(), support::json()), 0..4)
        .prop_map(|members| Value::Object(Map::from_iter(members)))
}

proptest! {
    #[test]
    fn bytes_of_any_kind_are_survived(body in vec(any::<u8>(), 0..1000)) {
        let _ = read(&body, |_| ());
    }

    #[test]
    fn json_of_any_shape_is_survived(value in support::json(), encodings in 0..3_usize) {
        let in_data = json!({ "Data": value }).to_string();
        for body in [value.to_string().into(), in_data.into(), envelope(&value, encodings)] {
            let _ = read(&body, |_| ());
        }
    }

    #[test]
    fn a_damaged_envelope_is_survived(body in support::damaged(EXAMPLE)) {
        let _ = read(body.as_bytes(), |_| ());
    }

    #[test]
    fn a_call_comes_out_as_it_went_in_whether_encoded_not_at_all_once_or_twice(
        name in support::text(),
        arguments in option::of(arguments()),
        session in option::of(support::text()),
        authorization in support::text(),
        encodings in 0..3_usize,
    ) {
        let headers = json!({ "Authorization": authorization });
        let mut call = json!({ "name": name, "transport": { "properties": { "headers": headers } } });
        if let Some(arguments) = &arguments {
            call["arguments"] = arguments.clone();
        }
        if let Some(session) = &session {
            call["sessionid"] = json!(session);
        }

        read(&envelope(&call, encodings), |read| {
            prop_assert_eq!(&read.name, &name);
            let arguments = arguments.map(|arguments| arguments.to_string());
            prop_assert_eq!(read.arguments.map(Arguments::json), arguments.as_deref());
            prop_assert_eq!(&read.session_id, &session);
            prop_assert_eq!(read.headers().get("Authorization"), Ok(Some(authorization.as_str())));
            Ok(())
        })??;
    }

    #[test]
    fn a_call_that_is_encoded_more_often_than_the_host_does_is_refused(encodings in 3..6_usize) {
        let outcome = read(&envelope(&json!({ "name": "HelloTool" }), encodings), |_| ());
        prop_assert!(outcome.is_err());
    }
}
