//! The client's headers are found in any case, and refused when they occur twice.

use std::collections::HashMap;

use functions_mcp::internals::{DuplicateHeader, Headers};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;

use crate::support::text;

const NAMES: [&str; 4] = [
    "Authorization",
    "X-MS-CLIENT-PRINCIPAL",
    "X-MS-TOKEN-AAD-ACCESS-TOKEN",
    "X-MS-TOKEN-AAD-ID-TOKEN",
];

fn name() -> impl Strategy<Value = String> {
    let any_case = (select(&NAMES[..]), vec(any::<bool>(), 27)).prop_map(|(name, upper)| {
        let in_case = |(character, upper): (char, &bool)| match upper {
            true => character.to_ascii_uppercase(),
            false => character.to_ascii_lowercase(),
        };
        name.chars().zip(&upper).map(in_case).collect()
    });
    // Unicode folds the Kelvin sign to "k" and the long s to "s"; HTTP does not.
    let look_alike = select(
        &[
            "X-MS-TO\u{212a}EN-AAD-ID-TOKEN",
            "X-M\u{17f}-CLIENT-PRINCIPAL",
        ][..],
    );
    prop_oneof![6 => any_case, 1 => look_alike.prop_map(str::to_owned), 1 => text()]
}

fn to_json(headers: &[(String, String)]) -> String {
    let member = |(name, value): &(String, String)| {
        [name, value]
            .map(|text| Value::from(text.as_str()).to_string())
            .join(":")
    };
    let members: Vec<_> = headers.iter().map(member).collect();
    format!("{{{}}}", members.join(","))
}

proptest! {
    #[test]
    fn a_header_is_found_in_any_case_and_refused_when_there_are_two(
        headers in vec((name(), text()), 0..6),
    ) {
        let mut model = HashMap::<_, Vec<_>>::new();
        for (name, value) in &headers {
            model.entry(name.to_ascii_lowercase()).or_default().push(value.as_str());
        }
        let json = to_json(&headers);
        for read in [Headers::from_iter(headers.clone()), serde_json::from_str(&json)?] {
            for name in NAMES {
                let values = model.get(&name.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
                let expected = match values {
                    [] => Ok(None),
                    [value] => Ok(Some(*value)),
                    _ => Err(DuplicateHeader(name)),
                };
                prop_assert_eq!(read.get(name), expected);
            }
        }
    }
}
