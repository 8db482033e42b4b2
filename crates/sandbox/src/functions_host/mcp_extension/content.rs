//! Content blocks and resource contents as the extension's SDK reads them from a handler's answer
//! and writes them for a client.
//!
//! Source: recordings `answers`; `ContentBlock.Converter` and `ResourceContents.Converter` of the
//! C# SDK 0.4.0-preview.3.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::functions_host::dotnet::{
    date, number,
    system_text_json::{self, Members},
};

/// Why an answer cannot be read.
pub(super) type Problem = String;

/// A content block. Unknown members are lost.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ContentBlock {
    Text {
        text: String,
        #[serde(flatten)]
        rest: Rest,
    },
    Image(Media),
    Audio(Media),
    Resource {
        resource: ResourceContents,
        #[serde(flatten)]
        rest: Rest,
    },
    ResourceLink {
        uri: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        #[serde(rename = "mimeType", skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<i64>,
        #[serde(flatten)]
        rest: Rest,
    },
}

/// An image or audio.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Media {
    data: String,
    mime_type: String,
    #[serde(flatten)]
    rest: Rest,
}

/// The members that every block may have.
#[derive(Debug, Serialize)]
pub(super) struct Rest {
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Annotations>,
}

/// The contents of a resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceContents {
    pub uri: String,
    pub mime_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Box<RawValue>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotations {
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<Vec<Role>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<String>,
}

/// The speaker of a message, or its audience.
#[derive(Clone, Copy, Debug, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    User,
    Assistant,
}

#[derive(Debug)]
struct Priority(f32);

impl Serialize for Priority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The shortest text for a number of 32 bits.
        let text = number::shortest(self.0.to_string().parse().unwrap_or_default());
        RawValue::from_string(text)
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl ContentBlock {
    /// A block of text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            rest: Rest {
                meta: None,
                annotations: None,
            },
        }
    }

    /// The text of a block of text.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Reads a block.
    pub(super) fn read(json: &RawValue) -> Result<Self, Problem> {
        let members = object(json)?;
        refuse_unknown_objects(&members)?;
        Ok(match optional_text(&members, "type")?.as_deref() {
            Some("text") => Self::Text {
                text: required_text(&members, "text")?,
                rest: Rest::read(&members)?,
            },
            Some("image") => Self::Image(Media::read(&members)?),
            Some("audio") => Self::Audio(Media::read(&members)?),
            Some("resource") => Self::Resource {
                resource: members
                    .get("resource")
                    .map(ResourceContents::read)
                    .transpose()?
                    .ok_or("a block has no \"resource\"")?,
                rest: Rest::read(&members)?,
            },
            Some("resource_link") => Self::ResourceLink {
                uri: required_text(&members, "uri")?,
                name: required_text(&members, "name")?,
                description: optional_text(&members, "description")?,
                mime_type: optional_text(&members, "mimeType")?,
                size: match members.get("size") {
                    None => None,
                    Some(size) => Some(
                        serde_json::from_str(size.get())
                            .map_err(|_| "\"size\" is not a whole number")?,
                    ),
                },
                rest: Rest {
                    meta: None,
                    annotations: annotations(&members)?,
                },
            },
            kind => return Err(format!("a block has the unknown type {kind:?}")),
        })
    }
}

impl Media {
    fn read(members: &Members) -> Result<Self, Problem> {
        Ok(Self {
            data: required_text(members, "data")?,
            mime_type: required_text(members, "mimeType")?,
            rest: Rest::read(members)?,
        })
    }
}

impl Rest {
    fn read(members: &Members) -> Result<Self, Problem> {
        Ok(Self {
            meta: meta(members)?,
            annotations: annotations(members)?,
        })
    }
}

impl ResourceContents {
    /// Reads contents; the URI is empty if missing.
    pub(super) fn read(json: &RawValue) -> Result<Self, Problem> {
        let members = object(json)?;
        let text = |name: &str| optional_text(&members, name);
        let blob = text("blob")?;
        let contents = Self {
            uri: text("uri")?.unwrap_or_default(),
            mime_type: text("mimeType")?,
            text: text("text")?.filter(|_| blob.is_none()),
            blob,
            meta: meta(&members)?,
        };
        if contents.text.is_none() && contents.blob.is_none() {
            return Err("a resource has neither \"text\" nor \"blob\"".into());
        }
        Ok(contents)
    }
}

/// Refuses objects in unknown members. The extension's reader does not skip such a member: an object in it ends the
/// block too early, and the call fails.
fn refuse_unknown_objects(members: &Members) -> Result<(), Problem> {
    const KNOWN: [&str; 11] = [
        "type",
        "text",
        "name",
        "data",
        "mimeType",
        "uri",
        "description",
        "size",
        "resource",
        "annotations",
        "_meta",
    ];
    let unknown = members
        .iter()
        .find(|(name, value)| !KNOWN.contains(name) && value.get().contains('{'));
    unknown.map_or(Ok(()), |(name, _)| {
        Err(format!("a content block has an unknown \"{name}\""))
    })
}

/// Reads the members of an object.
pub(super) fn object(json: &RawValue) -> Result<Members<'_>, Problem> {
    system_text_json::members(json.get()).map_err(|error| error.to_string())
}

/// Reads a string; `None` if it is missing or null.
pub(super) fn optional_text(members: &Members, name: &str) -> Result<Option<String>, Problem> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => {
            serde_json::from_str(value.get()).map_err(|_| format!("\"{name}\" is not a string"))
        }
    }
}

/// Reads a string of a content block.
fn required_text(members: &Members, name: &str) -> Result<String, Problem> {
    optional_text(members, name)?.ok_or_else(|| format!("a block has no \"{name}\""))
}

/// Reads `_meta`: an object or nothing.
pub(super) fn meta(members: &Members) -> Result<Option<Box<RawValue>>, Problem> {
    match members.get_ignoring_case("_meta") {
        None => Ok(None),
        Some(meta) if meta.get().starts_with('{') => Ok(Some(meta.to_owned())),
        Some(_) => Err("\"_meta\" is not an object".into()),
    }
}

fn annotations(members: &Members) -> Result<Option<Annotations>, Problem> {
    let Some(json) = members
        .get("annotations")
        .filter(|json| json.get() != "null")
    else {
        return Ok(None);
    };
    let members = object(json)?;
    let read = |name: &str| members.get(name).map(RawValue::get);
    let refused = |name: &str| format!("\"annotations\" has an invalid \"{name}\"");
    Ok(Some(Annotations {
        audience: match read("audience") {
            None => None,
            Some(json) => serde_json::from_str(json).map_err(|_| refused("audience"))?,
        },
        priority: match read("priority") {
            None => None,
            Some(json) => serde_json::from_str::<Option<f32>>(json)
                .map_err(|_| refused("priority"))?
                .map(Priority),
        },
        last_modified: match optional_text(&members, "lastModified")? {
            None => None,
            Some(text) => {
                Some(date::date_time_offset(&text).ok_or_else(|| refused("lastModified"))?)
            }
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(json: &str) -> Result<String, Problem> {
        let json: Box<RawValue> = serde_json::from_str(json).unwrap();
        let block = ContentBlock::read(&json)?;
        Ok(system_text_json::to_string(&block).unwrap())
    }

    #[test]
    fn a_block_keeps_what_the_sdk_knows() {
        for (json, kept) in [
            (
                r#"{"text":"x","type":"text","title":"y","n":[1],"annotations":{"priority":1,"audience":["user"],"lastModified":"2026-01-02T03:04:05Z"},"_meta":{"a":1}}"#,
                r#"{"type":"text","text":"x","_meta":{"a":1},"annotations":{"audience":["user"],"priority":1,"lastModified":"2026-01-02T03:04:05\u002B00:00"}}"#,
            ),
            (
                r#"{"type":"resource_link","uri":"test://x","name":"x","title":"y","size":3,"_meta":{}}"#,
                r#"{"type":"resource_link","uri":"test://x","name":"x","size":3}"#,
            ),
            (
                r#"{"type":"resource","resource":{"uri":"test://x","text":"y","blob":"aGk="}}"#,
                r#"{"type":"resource","resource":{"uri":"test://x","mimeType":null,"blob":"aGk="}}"#,
            ),
        ] {
            assert_eq!(rewritten(json).unwrap(), kept);
        }
    }

    #[test]
    fn what_the_sdk_cannot_read_fails() {
        for json in [
            "1",
            "{}",
            r#"{"type":"text"}"#,
            r#"{"type":"text","text":1}"#,
            r#"{"Type":"text","Text":"x"}"#,
            r#"{"type":"video","data":"x"}"#,
            r#"{"type":"text","text":"x","icons":[{"src":"https://example.com/i.png"}]}"#,
            r#"{"type":"text","text":"x","extra":{}}"#,
            r#"{"type":"text","text":"x","_meta":1}"#,
            r#"{"type":"resource","resource":{"uri":"test://x"}}"#,
            r#"{"type":"resource_link","uri":"test://x","name":"x","size":1.5}"#,
        ] {
            assert!(rewritten(json).is_err(), "{json}");
        }
    }
}
