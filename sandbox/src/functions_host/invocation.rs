//! A tool call as the host posts it to a custom handler: the `Data` and `Metadata` envelope, byte
//! for byte.
//!
//! Three serialisers write it one after the other. The MCP extension turns the call into text with
//! `System.Text.Json`; the host quotes that text with Newtonsoft's `Json.NET`, because it passes
//! every input on as JSON; and the HTTP client quotes it once more as a member of the body. Each
//! has its own idea of what must be escaped.

use std::io;

use serde::ser::{Serialize, Serializer};
use serde_json::ser::{CharEscape, Formatter};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::app_files::Function;

/// What the host sends for one tool call.
#[derive(Debug)]
pub struct Invocation {
    /// `X-Azure-Functions-InvocationId`.
    pub id: Uuid,
    /// The body's text.
    pub body: String,
}

impl Invocation {
    /// Writes the envelope for a call of `function`.
    ///
    /// # Errors
    /// Arguments that are not a JSON object.
    pub fn new(function: &Function, request: &ToolRequest) -> serde_json::Result<Self> {
        let body = envelope(function, request, &SystemData::new(&function.name))?;
        Ok(Self {
            id: Uuid::new_v4(),
            body,
        })
    }
}

/// What the extension knows of a client's tool call.
#[derive(Debug, Clone)]
pub struct ToolRequest {
    /// The tool's name as the client wrote it.
    pub tool_name: String,
    /// The arguments' JSON text, if the client sent any.
    pub arguments: Option<Box<RawValue>>,
    /// Every header of the client's request.
    pub headers: Headers,
}

/// The headers of a client's request, in the form in which they reach the handler.
#[derive(Clone, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Takes the headers; values of one name are joined by commas.
    pub fn new<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut joined: Vec<(String, String)> = Vec::new();
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value);
            match joined
                .iter_mut()
                .find(|(other, _)| other.eq_ignore_ascii_case(name))
            {
                Some((_, values)) => {
                    values.push(',');
                    values.push_str(&value);
                }
                None => joined.push((spelling(name), value.into_owned())),
            }
        }
        joined.sort();
        Self(joined)
    }

    /// The value of a header, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The caller's name, if App Service Authentication gave it.
    pub fn caller(&self) -> Option<&str> {
        self.get("X-MS-CLIENT-PRINCIPAL-NAME")
    }

    /// The client's session, if it sent one.
    fn session_id(&self) -> Option<&str> {
        self.get("Mcp-Session-Id")
    }
}

/// Only the names: values hold tokens and keys.
impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The host's web server spells the headers that it knows in their usual way and leaves others as
/// they came. Here they come in lower case, as most HTTP clients send them.
fn spelling(name: &str) -> String {
    const KNOWN: [&str; 26] = [
        "Accept",
        "Accept-Charset",
        "Accept-Encoding",
        "Accept-Language",
        "Access-Control-Request-Headers",
        "Access-Control-Request-Method",
        "Authorization",
        "Cache-Control",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Cookie",
        "Date",
        "Expect",
        "Host",
        "Keep-Alive",
        "Origin",
        "Pragma",
        "Referer",
        "TE",
        "Transfer-Encoding",
        "Upgrade",
        "Upgrade-Insecure-Requests",
        "User-Agent",
        "X-Requested-With",
    ];
    match KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        Some(known) => (*known).to_owned(),
        // The names that App Service Authentication adds.
        None if name.starts_with("x-ms-") => name.to_ascii_uppercase(),
        None => name.to_owned(),
    }
}

/// `Metadata.sys`.
struct SystemData {
    method_name: String,
    utc_now: String,
    random_guid: Uuid,
}

impl SystemData {
    fn new(function: &str) -> Self {
        let now = OffsetDateTime::now_utc();
        Self {
            method_name: function.to_owned(),
            // .NET counts in steps of 100 ns.
            utc_now: format!(
                "{}T{:02}:{:02}:{:02}.{:07}Z",
                now.date(),
                now.hour(),
                now.minute(),
                now.second(),
                now.nanosecond() / 100
            ),
            random_guid: Uuid::new_v4(),
        }
    }
}

fn envelope(
    function: &Function,
    request: &ToolRequest,
    system: &SystemData,
) -> serde_json::Result<String> {
    let call = call_text(request)?;
    let quoted_call = Value::String(newtonsoft(&call)?);
    let arguments = match &request.arguments {
        Some(arguments) => Some(Arguments::parse(arguments)?),
        None => None,
    };

    let mut data = Map::new();
    data.insert(function.trigger_name.clone(), quoted_call.clone());
    for binding in &function.property_bindings {
        let text = arguments
            .as_ref()
            .and_then(|arguments| arguments.text(&binding.property));
        data.insert(
            binding.name.clone(),
            newtonsoft(&text.unwrap_or_default())?.into(),
        );
    }

    let session_id = request.headers.session_id();
    let mut metadata = Map::new();
    metadata.insert(
        "mcptoolcontext".into(),
        tool_context(request, arguments.as_ref()),
    );
    // The host leaves out every key with this ending, and so one copy of the caller's tokens.
    if !function
        .trigger_name
        .to_ascii_lowercase()
        .ends_with("trigger")
    {
        metadata.insert(function.trigger_name.clone(), quoted_call);
    }
    if let Some(session_id) = session_id {
        metadata.insert("mcpsessionid".into(), newtonsoft(session_id)?.into());
    }
    if let Some(arguments) = &arguments {
        metadata.insert("mcptoolargs".into(), arguments.texts());
    }
    metadata.insert(
        "sys".into(),
        json!({
            "MethodName": system.method_name,
            "UtcNow": system.utc_now,
            "RandGuid": system.random_guid.to_string(),
        }),
    );
    // The host also copies the members of the call itself, those that are not lists.
    let members: Map<String, Value> = serde_json::from_str(&call)?;
    for (name, value) in members {
        let value = match value {
            Value::Array(_) => continue,
            Value::Object(_) => value,
            scalar => newtonsoft(&scalar)?.into(),
        };
        metadata.insert(name, value);
    }

    newtonsoft(&json!({ "Data": data, "Metadata": metadata }))
}

/// The call in the extension's words: what the handler finds when it has unpacked `Data`.
fn call_text(request: &ToolRequest) -> serde_json::Result<String> {
    #[derive(serde::Serialize)]
    struct ToolInvocationContext<'a> {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        arguments: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none", rename = "sessionid")]
        session_id: Option<&'a str>,
        transport: Transport<'a>,
    }
    #[derive(serde::Serialize)]
    struct Transport<'a> {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none", rename = "sessionId")]
        session_id: Option<&'a str>,
        properties: Properties<'a>,
    }
    #[derive(serde::Serialize)]
    struct Properties<'a> {
        headers: &'a Headers,
    }

    let session_id = request.headers.session_id();
    system_text_json(&ToolInvocationContext {
        name: &request.tool_name,
        arguments: request.arguments.as_deref(),
        session_id,
        transport: Transport {
            name: "http-streamable",
            session_id,
            properties: Properties {
                headers: &request.headers,
            },
        },
    })
}

/// `Metadata.mcptoolcontext`: the extension's object as Newtonsoft sees it, with the names of .NET
/// and kinds in place of arguments.
fn tool_context(request: &ToolRequest, arguments: Option<&Arguments>) -> Value {
    json!({
        "Name": request.tool_name,
        "Arguments": arguments.map(Arguments::kinds),
        "SessionId": request.headers.session_id(),
        "ClientInfo": null,
        "Transport": {
            "Name": "http-streamable",
            "SessionId": request.headers.session_id(),
            "Properties": { "headers": request.headers },
        },
    })
}

/// The arguments one by one, in the client's order, each with its JSON text.
struct Arguments(Vec<(String, Value, Box<RawValue>)>);

impl Arguments {
    fn parse(arguments: &RawValue) -> serde_json::Result<Self> {
        let values: Map<String, Value> = serde_json::from_str(arguments.get())?;
        let mut texts: std::collections::HashMap<String, Box<RawValue>> =
            serde_json::from_str(arguments.get())?;
        let entries = values.into_iter().filter_map(|(name, value)| {
            let text = texts.remove(&name)?;
            Some((name, value, text))
        });
        Ok(Self(entries.collect()))
    }

    /// An argument as `JsonElement.ToString()` writes it: texts as they are, everything else as
    /// JSON, null as nothing.
    fn text(&self, name: &str) -> Option<String> {
        self.0
            .iter()
            .find(|(other, ..)| other == name)
            .map(|(_, value, text)| match value {
                Value::String(value) => value.clone(),
                Value::Bool(true) => "True".into(),
                Value::Bool(false) => "False".into(),
                Value::Null => String::new(),
                Value::Number(_) | Value::Array(_) | Value::Object(_) => text.get().to_owned(),
            })
    }

    fn texts(&self) -> Value {
        self.0
            .iter()
            .map(|(name, ..)| (name.clone(), Value::from(self.text(name))))
            .collect()
    }

    /// What Newtonsoft makes of a `JsonElement`: the number of its kind and nothing else.
    fn kinds(&self) -> Value {
        let kind = |value: &Value| match value {
            Value::Object(_) => 1,
            Value::Array(_) => 2,
            Value::String(_) => 3,
            Value::Number(_) => 4,
            Value::Bool(true) => 5,
            Value::Bool(false) => 6,
            Value::Null => 7,
        };
        self.0
            .iter()
            .map(|(name, value, _)| (name.clone(), json!({ "ValueKind": kind(value) })))
            .collect()
    }
}

fn newtonsoft(value: &(impl Serialize + ?Sized)) -> serde_json::Result<String> {
    serialize(value, Newtonsoft)
}

fn system_text_json(value: &impl Serialize) -> serde_json::Result<String> {
    serialize(value, SystemTextJson)
}

fn serialize(
    value: &(impl Serialize + ?Sized),
    formatter: impl Formatter,
) -> serde_json::Result<String> {
    let mut text = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut text, formatter,
    ))?;
    String::from_utf8(text).map_err(serde::ser::Error::custom)
}

/// Newtonsoft escapes three line separators more than JSON demands.
struct Newtonsoft;

impl Formatter for Newtonsoft {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            match character {
                '\u{85}' | '\u{2028}' | '\u{2029}' => {
                    write!(writer, "\\u{:04x}", u32::from(character))?
                }
                _ => write!(writer, "{character}")?,
            }
        }
        Ok(())
    }
}

/// `System.Text.Json` with its default encoder escapes all but printable ASCII, and of that what
/// HTML gives a meaning.
struct SystemTextJson;

impl Formatter for SystemTextJson {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            match character {
                '"' | '&' | '\'' | '+' | '<' | '>' | '`' => write_utf16(writer, character)?,
                ' '..='~' => write!(writer, "{character}")?,
                _ => write_utf16(writer, character)?,
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::Quote => write_utf16(writer, '"'),
            CharEscape::ReverseSolidus => writer.write_all(br"\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(br"\b"),
            CharEscape::FormFeed => writer.write_all(br"\f"),
            CharEscape::LineFeed => writer.write_all(br"\n"),
            CharEscape::CarriageReturn => writer.write_all(br"\r"),
            CharEscape::Tab => writer.write_all(br"\t"),
            CharEscape::AsciiControl(byte) => write_utf16(writer, char::from(byte)),
        }
    }

    /// The client's own JSON: numbers keep their spelling, strings are written anew, white space
    /// goes.
    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((before, from_quote)) = rest.find('"').map(|quote| rest.split_at(quote)) {
            write_without_white_space(writer, before)?;
            let mut strings = serde_json::Deserializer::from_str(from_quote).into_iter::<String>();
            let string = strings.next().transpose()?.unwrap_or_default();
            string.serialize(&mut serde_json::Serializer::with_formatter(
                &mut *writer,
                SystemTextJson,
            ))?;
            rest = &from_quote[strings.byte_offset()..];
        }
        write_without_white_space(writer, rest)
    }
}

fn write_utf16<W: ?Sized + io::Write>(writer: &mut W, character: char) -> io::Result<()> {
    character
        .encode_utf16(&mut [0; 2])
        .iter()
        .try_for_each(|unit| write!(writer, "\\u{unit:04X}"))
}

fn write_without_white_space<W: ?Sized + io::Write>(writer: &mut W, json: &str) -> io::Result<()> {
    json.split_ascii_whitespace()
        .try_for_each(|part| writer.write_all(part.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(trigger_name: &str) -> Function {
        Function {
            name: "HelloTool".into(),
            trigger_name: trigger_name.into(),
            tool_name: "HelloTool".into(),
            description: String::new(),
            input_schema: Map::new(),
            output_schema: None,
            metadata: None,
            use_result_schema: true,
            property_bindings: Vec::new(),
            fault: None,
        }
    }

    fn request(arguments: &str) -> ToolRequest {
        ToolRequest {
            tool_name: "HelloTool".into(),
            arguments: Some(RawValue::from_string(arguments.into()).unwrap()),
            headers: Headers(
                [
                    ("Accept", "application/json, text/event-stream"),
                    ("Host", "myapp.azurewebsites.net"),
                    ("Content-Type", "application/json"),
                    ("Authorization", "Bearer eyJhbGci.AAA.BBB"),
                    ("Mcp-Session-Id", "Q29uc2lkZXI_ZmFrZQ"),
                    ("X-MS-CLIENT-PRINCIPAL", "eyJhdXRo+Zg=="),
                    ("X-MS-TOKEN-AAD-ACCESS-TOKEN", "eyJ0eXAi.CCC.DDD"),
                ]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            ),
        }
    }

    fn system() -> SystemData {
        SystemData {
            method_name: "HelloTool".into(),
            utc_now: "2026-08-20T12:00:00.1234567Z".into(),
            random_guid: "6f1f0b8e-6a0e-4c5a-9d5f-0a4f7f0d9b11".parse().unwrap(),
        }
    }

    #[test]
    fn a_trigger_whose_name_ends_in_trigger_keeps_one_copy_of_the_call_out() {
        let body = envelope(&function("mcpTrigger"), &request("{}"), &system()).unwrap();
        assert_eq!(body, include_str!("../../tests/fixtures/envelope-a.json"));
    }

    #[test]
    fn any_other_trigger_name_adds_a_copy_of_the_call() {
        let arguments = r#"{"greeting":"hi","n":3,"nested":{"a":[1]}}"#;
        let body = envelope(&function("context"), &request(arguments), &system()).unwrap();
        assert_eq!(body, include_str!("../../tests/fixtures/envelope-b.json"));
    }

    #[test]
    fn data_holds_a_text_within_a_text() {
        let body = envelope(&function("mcpTrigger"), &request(r#"{"a":"ü"}"#), &system()).unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        let once: String =
            serde_json::from_str(body["Data"]["mcpTrigger"].as_str().unwrap()).unwrap();
        let twice: Value = serde_json::from_str(&once).unwrap();
        assert_eq!(twice["arguments"]["a"], "ü");
    }

    #[test]
    fn the_extension_escapes_what_is_not_plain_ascii_or_means_something_in_html() {
        assert_eq!(
            system_text_json(&"a\"&'+<>`\\/\u{7f}é😀\u{1f}\n").unwrap(),
            r#""a\u0022\u0026\u0027\u002B\u003C\u003E\u0060\\/\u007F\u00E9\uD83D\uDE00\u001F\n""#
        );
    }

    #[test]
    fn arguments_keep_the_spelling_of_numbers_and_lose_white_space() {
        let arguments: &RawValue =
            serde_json::from_str(r#"{ "x" : [1.50, 1e2, -0], "é" : "a \" b", "y" : {} }"#).unwrap();
        assert_eq!(
            system_text_json(&arguments).unwrap(),
            r#"{"x":[1.50,1e2,-0],"\u00E9":"a \u0022 b","y":{}}"#
        );
    }

    #[test]
    fn a_call_without_arguments_and_session_has_no_member_for_them() {
        let request = ToolRequest {
            tool_name: "t".into(),
            arguments: None,
            headers: Headers::default(),
        };
        assert_eq!(
            call_text(&request).unwrap(),
            r#"{"name":"t","transport":{"name":"http-streamable","properties":{"headers":{}}}}"#
        );
    }

    #[test]
    fn an_argument_bound_by_itself_comes_as_quoted_text() {
        let mut function = function("mcpTrigger");
        for name in ["s", "n", "b", "o", "z", "missing"] {
            function
                .property_bindings
                .push(super::super::app_files::PropertyBinding {
                    name: name.into(),
                    property: name.into(),
                });
        }
        let request = request(r#"{"s":"hi","n":1.50,"b":true,"o":{"a":[1]},"z":null}"#);
        let body = envelope(&function, &request, &system()).unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        let bound = |name: &str| body["Data"][name].as_str().unwrap().to_owned();
        assert_eq!(bound("s"), r#""hi""#);
        assert_eq!(bound("n"), r#""1.50""#);
        assert_eq!(bound("b"), r#""True""#);
        assert_eq!(bound("o"), r#""{\"a\":[1]}""#);
        assert_eq!(bound("z"), r#""""#);
        assert_eq!(bound("missing"), r#""""#);
    }

    #[test]
    fn values_of_one_header_are_joined_and_known_names_spelt_as_usual() {
        let headers = Headers::new([
            ("accept", b"application/json".as_slice()),
            ("x-ms-client-principal", b"e30="),
            ("accept", b"text/event-stream"),
            ("x-functions-key", b"k"),
        ]);
        assert_eq!(
            serde_json::to_string(&headers).unwrap(),
            r#"{"Accept":"application/json,text/event-stream","X-MS-CLIENT-PRINCIPAL":"e30=","x-functions-key":"k"}"#
        );
    }

    #[test]
    fn debug_output_has_no_header_values() {
        assert!(!format!("{:?}", request("{}")).contains("eyJhbGci"));
    }
}
