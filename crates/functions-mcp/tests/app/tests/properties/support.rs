//! Inputs of any kind, of any shape, and damaged.

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Map, Number, Value};

/// Text of any characters, printable or not, of one to four bytes.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        vec(any::<char>(), 0..40).prop_map(String::from_iter)
    ]
}

/// JSON of any shape. Its numbers are often the largest or the smallest of their kind.
pub fn json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number().prop_map(Value::Number),
        text().prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((text(), inner), 0..6).prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        (0..100_u64).prop_map(|below| Number::from(u64::MAX - below)),
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        any::<f64>().prop_filter_map("JSON has no such number", Number::from_f64),
    ]
}

/// `text` with a few characters replaced, added, taken away or cut off.
pub fn damaged(text: &str) -> impl Strategy<Value = String> + use<> {
    let original: Vec<char> = text.chars().collect();
    vec((any::<Index>(), damage()), 1..6).prop_map(move |edits| {
        let mut text = original.clone();
        for (index, damage) in edits.into_iter().filter(|_| !original.is_empty()) {
            let at = index.index(original.len()).min(text.len());
            match damage {
                Damage::Insert(character) => text.insert(at, character),
                Damage::CutOff => text.truncate(at),
                Damage::Replace(character) if at < text.len() => text[at] = character,
                Damage::Remove if at < text.len() => drop(text.remove(at)),
                Damage::Replace(_) | Damage::Remove => {}
            }
        }
        text.into_iter().collect()
    })
}

#[derive(Clone, Debug)]
enum Damage {
    Replace(char),
    Insert(char),
    Remove,
    CutOff,
}

fn damage() -> impl Strategy<Value = Damage> {
    let character = || prop_oneof![4 => prop::char::range(' ', '~'), 1 => any::<char>()];
    prop_oneof![
        8 => character().prop_map(Damage::Replace),
        4 => character().prop_map(Damage::Insert),
        4 => Just(Damage::Remove),
        1 => Just(Damage::CutOff),
    ]
}
