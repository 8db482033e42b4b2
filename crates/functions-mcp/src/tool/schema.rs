//! The schemas of a tool, and the JSON of its output as its schema has it: without null.
//!
//! An optional member is one that may be missing. Models leave an optional argument out, and some clients reject a
//! list of types; a program that reads a result need only check whether a member is there.

use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde::Serialize;
use serde_json::{Value, json};

/// The schema of a tool's arguments.
pub fn of_arguments<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12();
    object_schema::<T>(settings.with_transform(RecursiveTransform(leave_out_null)))
}

/// The schema of a tool's output, as [`json_of`] writes it.
pub fn of_output<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    object_schema::<T>(settings.with_transform(RecursiveTransform(make_nullable_members_optional)))
}

/// The JSON of a tool's output: objects without the members that are null. A null in an array keeps its place.
pub fn json_of(output: &impl Serialize) -> serde_json::Result<Value> {
    let mut json = serde_json::to_value(output)?;
    remove_null_members(&mut json);
    Ok(json)
}

fn remove_null_members(json: &mut Value) {
    match json {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(remove_null_members);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_null_members),
        _ => {}
    }
}

/// The schema of `T` as `settings` see it, in the form that the MCP extension demands: an object with `properties`
/// and `required`.
fn object_schema<T: JsonSchema>(settings: SchemaSettings) -> Schema {
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // The names and comments of Rust types mean nothing to a model; the comments of fields do.
    schema.remove("title");
    schema.remove("description");
    for (keyword, empty) in [("properties", json!({})), ("required", json!([]))] {
        schema.ensure_object().entry(keyword).or_insert(empty);
    }
    schema
}

/// Makes `"type": "string"` of an optional member's `"type": ["string", "null"]`, and leaves null out of its `enum` and
/// `anyOf`, unless nothing else is in them.
fn leave_out_null(schema: &mut Schema) {
    for keyword in ["type", "enum", "anyOf"] {
        let is_null = |value: &Value| match keyword {
            "type" => value == "null",
            "enum" => value.is_null(),
            _ => value["type"] == "null",
        };
        if let Some(Value::Array(values)) = schema.get_mut(keyword)
            && !values.iter().all(is_null)
        {
            values.retain(|value| !is_null(value));
        }
    }
    if let Some(types) = schema.get_mut("type")
        && let Some([only]) = types.as_array().map(Vec::as_slice)
    {
        *types = only.clone();
    }
}

/// Turns members that may be null into members that may be missing.
fn make_nullable_members_optional(schema: &mut Schema) {
    let mut nullable = Vec::new();
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    for (name, property) in properties {
        if allows_null(property) {
            nullable.push(name.clone());
        }
        if let Ok(property) = property.try_into() {
            leave_out_null(property);
        }
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| !nullable.iter().any(|nullable| name == nullable));
    }
}

/// Whether `schema`, by its own keywords, allows null.
fn allows_null(schema: &Value) -> bool {
    let Value::Object(schema) = schema else {
        return schema == &Value::Bool(true);
    };
    schema
        .iter()
        .all(|(keyword, value)| match (keyword.as_str(), value) {
            ("type", Value::Array(types)) => types.iter().any(|name| name == "null"),
            ("type", name) => name == "null",
            ("enum", Value::Array(values)) => values.contains(&Value::Null),
            ("const", value) => value.is_null(),
            ("anyOf" | "oneOf", Value::Array(schemas)) => schemas.iter().any(allows_null),
            ("allOf", Value::Array(schemas)) => schemas.iter().all(allows_null),
            // A type that contains itself, which is an object.
            ("$ref", _) => false,
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema counts")]
    struct Search {
        /// What to look for.
        text: String,
        /// How many at most.
        top: Option<u32>,
        filter: Option<Filter>,
        order: Option<Order>,
        since: Option<Since>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema counts")]
    struct Filter {
        folder: Option<String>,
    }

    #[derive(Deserialize, JsonSchema)]
    enum Order {
        Newest,
        #[serde(rename = "null")]
        None,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema counts")]
    enum Since {
        Day(String),
        Days(u32),
    }

    #[derive(Default, Serialize, JsonSchema)]
    struct Found {
        total: u32,
        /// The best.
        first: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        last: Option<String>,
        colour: Option<Colour>,
        place: Option<Place>,
        raw: Option<Value>,
        any: Value,
        next: Option<Box<Found>>,
        list: Vec<Option<u32>>,
        counts: BTreeMap<String, Option<u32>>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Place {
        street: Option<String>,
        town: String,
    }

    #[derive(Serialize, JsonSchema)]
    enum Colour {
        Red,
    }

    #[test]
    fn an_optional_argument_has_one_type() {
        let schema = of_arguments::<Search>().to_value();
        assert_eq!(schema["required"], json!(["text"]));
        assert_eq!(
            schema["properties"]["text"]["description"],
            "What to look for."
        );
        assert_eq!(schema["properties"]["top"]["type"], "integer");
        assert_eq!(
            schema["properties"]["order"],
            json!({ "type": "string", "enum": ["Newest", "null"] })
        );
        let text = schema.to_string();
        assert!(
            !text.contains("[\"string\",\"null\"]")
                && !text.contains("\"type\":\"null\"")
                && !text.contains("$ref"),
            "{text}"
        );
    }

    #[test]
    fn a_results_schema_demands_what_is_in_every_result() {
        let schema = of_output::<Found>().to_value();
        assert_eq!(schema["required"], json!(["total", "list", "counts"]));
        let properties = &schema["properties"];
        assert_eq!(
            properties["first"],
            json!({ "description": "The best.", "type": "string" })
        );
        assert_eq!(properties["last"]["type"], "string");
        assert_eq!(properties["colour"]["type"], "string");
        assert_eq!(properties["place"]["type"], "object");
        assert_eq!(properties["place"]["required"], json!(["town"]));
        assert_eq!(
            properties["place"]["properties"]["street"]["type"],
            "string"
        );
        assert_eq!(
            properties["list"]["items"]["type"],
            json!(["integer", "null"])
        );
    }

    #[test]
    fn a_result_has_no_member_that_is_null() {
        let found = Found {
            place: Some(Place {
                street: None,
                town: "London".into(),
            }),
            colour: Some(Colour::Red),
            raw: Some(json!([{ "a": null, "b": 1 }])),
            list: vec![None, Some(1)],
            counts: BTreeMap::from([("none".into(), None)]),
            ..Found::default()
        };
        assert_eq!(
            json_of(&found).unwrap(),
            json!({
                "total": 0,
                "colour": "Red",
                "place": { "town": "London" },
                "raw": [{ "b": 1 }],
                "list": [null, 1],
                "counts": {},
            })
        );
    }
}
