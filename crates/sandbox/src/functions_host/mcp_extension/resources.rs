//! Resources: the lists, and the results of `resources/read` from a handler's answers.
//!
//! Source: recordings `resources`.

use function_app::Resource;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    content::{Problem, ResourceContents},
    tools::{members, raw, text_member},
};
use crate::functions_host::dotnet::newtonsoft::Json;

/// The result of `resources/list`.
#[derive(Serialize)]
pub(super) struct ResourceList<'a> {
    resources: Vec<ListedResource<'a>>,
}

/// The result of `resources/templates/list`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TemplateList<'a> {
    resource_templates: Vec<ListedResource<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedResource<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_template: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Box<RawValue>>,
}

impl<'a> ListedResource<'a> {
    fn of(resource: &'a Resource) -> Self {
        let uri = Some(resource.uri.as_str());
        let is_template = resource.is_template();
        Self {
            name: &resource.resource_name,
            title: resource.title.as_deref(),
            uri: uri.filter(|_| !is_template),
            uri_template: uri.filter(|_| is_template),
            description: resource.description.as_deref(),
            mime_type: resource.mime_type.as_deref(),
            meta: super::meta(resource.metadata.as_ref()),
        }
    }
}

impl<'a> ResourceList<'a> {
    pub(super) fn of(resources: impl Iterator<Item = &'a Resource>) -> Self {
        Self {
            resources: resources
                .filter(|resource| !resource.is_template())
                .map(ListedResource::of)
                .collect(),
        }
    }
}

impl<'a> TemplateList<'a> {
    pub(super) fn of(resources: impl Iterator<Item = &'a Resource>) -> Self {
        Self {
            resource_templates: resources
                .filter(|resource| resource.is_template())
                .map(ListedResource::of)
                .collect(),
        }
    }
}

/// The resource of a URI, and the values of its template's parameters. The fixed parts match in any case.
pub(super) fn find<'a>(
    resources: impl Iterator<Item = &'a Resource> + Clone,
    uri: &str,
) -> Option<(&'a Resource, Vec<(String, String)>)> {
    let exact = resources
        .clone()
        .find(|resource| !resource.is_template() && resource.uri.eq_ignore_ascii_case(uri));
    exact.map(|resource| (resource, Vec::new())).or_else(|| {
        resources
            .filter(|resource| resource.is_template())
            .find_map(|resource| Some((resource, match_template(&resource.uri, uri)?)))
    })
}

/// The values of a template's parameters. In the path, a value ends at `/`, `?` or `#`; in the
/// query, at `&` or `#`.
fn match_template(template: &str, uri: &str) -> Option<Vec<(String, String)>> {
    let Some((fixed, rest)) = template.split_once('{') else {
        return uri.eq_ignore_ascii_case(template).then(Vec::new);
    };
    let (name, following) = rest.split_once('}')?;
    let value_and_more = strip_prefix_ignoring_case(uri, fixed)?;
    let ends = if fixed.ends_with(['?', '&']) {
        ['&', '#', '#']
    } else {
        ['/', '?', '#']
    };
    let longest = value_and_more.find(ends).unwrap_or(value_and_more.len());
    // The longest value with which the rest of the template still fits.
    (1..=longest)
        .rev()
        .filter(|end| value_and_more.is_char_boundary(*end))
        .find_map(|end| {
            let (value, more) = value_and_more.split_at(end);
            let mut found = vec![(name.to_owned(), value.to_owned())];
            found.extend(match_template(following, more)?);
            Some(found)
        })
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The result of `resources/read`.
#[derive(Serialize)]
pub(super) struct ReadResult {
    contents: Vec<ResourceContents>,
}

impl ReadResult {
    /// Reads the return value of the resource's function: contents within an envelope, or else the text itself.
    pub(super) fn read(
        resource: &Resource,
        uri: &str,
        return_value: &Json,
    ) -> Result<Self, Problem> {
        let text = match return_value {
            Json::Null => return Ok(Self { contents: vec![] }),
            Json::Text(text) => text,
            _ => return Err("Expected string or byte[].".into()),
        };
        let contents = match read_envelope(text) {
            Enveloped::Contents(mut contents) => {
                if contents.uri.is_empty() {
                    contents.uri = uri.to_owned();
                }
                contents.mime_type = contents
                    .mime_type
                    .filter(|kind| !kind.is_empty())
                    .or_else(|| resource.mime_type.clone());
                contents
            }
            Enveloped::Broken(problem) => return Err(problem),
            Enveloped::No => ResourceContents {
                uri: uri.to_owned(),
                mime_type: resource.mime_type.clone(),
                text: Some(text.clone()),
                blob: None,
                meta: None,
            },
        };
        Ok(Self {
            contents: vec![contents],
        })
    }
}

/// A returned text, as the extension takes it.
enum Enveloped {
    /// `{"content": "…"}` with contents in JSON.
    Contents(ResourceContents),
    /// Such an envelope with invalid contents.
    Broken(Problem),
    /// Any other text.
    No,
}

fn read_envelope(text: &str) -> Enveloped {
    let Ok(members) = members(text) else {
        return Enveloped::No;
    };
    let is_null = members
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("content") && value.get() == "null");
    if is_null {
        return Enveloped::Broken("\"content\" is null".into());
    }
    let Ok(Some(content)) = text_member(&members, "content") else {
        return Enveloped::No;
    };
    match raw(&content) {
        Ok(content) if content.get().starts_with('{') || content.get() == "null" => {
            match ResourceContents::read(&content) {
                Ok(contents) => Enveloped::Contents(contents),
                Err(problem) => Enveloped::Broken(problem),
            }
        }
        _ => Enveloped::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_gives_its_parameters() {
        for (template, uri, values) in [
            ("test://item/{id}", "TEST://item/5", Some(vec!["5"])),
            (
                "test://item/{id}",
                "test://item/a%20b%2Fü",
                Some(vec!["a%20b%2Fü"]),
            ),
            ("test://item/{id}", "test://item/a/b", None),
            ("test://item/{id}", "test://item/", None),
            (
                "test://{a}items{b}",
                "test://xitemsyitemsz",
                Some(vec!["xitemsy", "z"]),
            ),
            ("test://x?{q}&{r}", "test://x?a/b&c", Some(vec!["a/b", "c"])),
        ] {
            let found = match_template(template, uri);
            let found = found.as_ref().map(|found| {
                let values = found.iter().map(|(_, value)| value.as_str());
                values.collect::<Vec<_>>()
            });
            assert_eq!(found, values, "{template} {uri}");
        }
    }
}
