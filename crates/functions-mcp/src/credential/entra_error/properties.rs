//! Properties that hold for any input.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use super::EntraError;

/// The longest text for the log, in bytes.
const MAX_LINE: usize = 2048;

const FIELDS: [&str; 6] = [
    "error",
    "suberror",
    "error_codes",
    "claims",
    "trace_id",
    "correlation_id",
];

fn line(body: &[u8]) -> String {
    let error = EntraError::parse(body);
    error.kind(false, None, None);
    error.to_string()
}

/// A body whose fields are all `value`.
fn body(value: &Value) -> String {
    let fields = FIELDS.map(|name| (name.to_owned(), value.clone()));
    Value::from_iter(fields).to_string()
}

fn is_one_short_line(line: &str) -> bool {
    line.len() < MAX_LINE && !line.contains(char::is_control)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        vec(any::<char>(), 0..200).prop_map(|text| json!(String::from_iter(text))),
        vec(any::<u64>(), 0..20).prop_map(|codes| json!(codes)),
        any::<i64>().prop_map(|number| json!(number)),
        select(vec![
            json!(null),
            json!(true),
            json!({}),
            json!([[], "1", 1.5, -1])
        ]),
    ]
}

proptest! {
    #[test]
    fn a_body_of_any_bytes_gives_one_short_line(body in vec(any::<u8>(), 0..1000)) {
        prop_assert!(is_one_short_line(&line(&body)));
    }

    #[test]
    fn a_body_of_any_fields_gives_one_short_line(
        fields in vec((select(&FIELDS[..]), value()), 0..8),
    ) {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
        let line = line(Value::from_iter(fields).to_string().as_bytes());
        prop_assert!(is_one_short_line(&line), "{}", line);
    }

    #[test]
    fn a_body_of_any_depth_gives_one_short_line(depth in 0..200_usize) {
        let nested = "[".repeat(depth) + &"]".repeat(depth);
        for body in [nested.clone(), format!("{{\"error\":{nested}}}"), format!("{{\"other\":{nested}}}")] {
            prop_assert!(is_one_short_line(&line(body.as_bytes())));
        }
    }
}

#[test]
fn a_body_of_a_mebibyte_gives_one_short_line() {
    for character in ["a", "\n", "\"", "\u{1b}", "\u{10ffff}"] {
        let line = line(body(&json!(character.repeat(1 << 18))).as_bytes());
        assert!(is_one_short_line(&line), "{line}");
    }
    let line = line(body(&json!(vec![u64::MAX; 1 << 16])).as_bytes());
    assert!(is_one_short_line(&line), "{line}");
}
