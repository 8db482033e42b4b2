//! An invocation as the host posts it to a custom handler: the `Data` and `Metadata` envelope, byte
//! for byte.
//!
//! Three serialisers write it one after the other. The MCP extension turns the call into text with
//! `System.Text.Json`; the host quotes that text with `Json.NET`, because it passes every input on
//! as JSON; and the HTTP client quotes it once more as a member of the body. Each has its own idea
//! of what must be escaped.

use function_app::{Function, Prompt, PropertyBinding, Resource};
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};
use uuid::Uuid;

use super::{
    dotnet::{
        date,
        newtonsoft::{self, Json},
        system_text_json,
    },
    headers::Headers,
};

/// The host's request for one call.
#[derive(Debug)]
pub struct Invocation {
    /// `X-Azure-Functions-InvocationId`.
    pub id: Uuid,
    /// The body's text.
    pub body: String,
}

impl Invocation {
    /// Writes the envelope for a call of a function.
    ///
    /// # Errors
    /// Arguments that are not a JSON object.
    pub fn new<'a>(function: impl Into<Inputs<'a>>, call: &Call) -> serde_json::Result<Self> {
        let function = function.into();
        let system = SystemData {
            method_name: function.function.to_owned(),
            utc_now: date::now(),
            random_guid: Uuid::new_v4(),
        };
        Ok(Self {
            id: Uuid::new_v4(),
            body: envelope(&function, call, &system)?,
        })
    }
}

/// The inputs of a function.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    function: &'a str,
    trigger: &'a str,
    bindings: &'a [PropertyBinding],
}

impl<'a> Inputs<'a> {
    /// The function's name: the path that the host posts to.
    pub(super) fn function_name(&self) -> &'a str {
        self.function
    }
}

impl<'a> From<&'a Function> for Inputs<'a> {
    fn from(tool: &'a Function) -> Self {
        Self {
            function: &tool.name,
            trigger: &tool.trigger_name,
            bindings: &tool.property_bindings,
        }
    }
}

impl<'a> From<&'a Resource> for Inputs<'a> {
    fn from(resource: &'a Resource) -> Self {
        Self {
            function: &resource.name,
            trigger: &resource.trigger_name,
            bindings: &[],
        }
    }
}

impl<'a> From<&'a Prompt> for Inputs<'a> {
    fn from(prompt: &'a Prompt) -> Self {
        Self {
            function: &prompt.name,
            trigger: &prompt.trigger_name,
            bindings: &prompt.argument_bindings,
        }
    }
}

/// A client's call, as far as the extension knows it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The target of the call.
    pub target: Target,
    /// The client that calls.
    pub client: Client,
}

/// The target of a call.
#[derive(Clone, Debug)]
pub enum Target {
    /// A tool.
    Tool {
        /// Its name as the client wrote it.
        name: String,
        /// The arguments' JSON text, if the client sent any.
        arguments: Option<Box<RawValue>>,
    },
    /// A resource.
    Resource {
        /// Its URI as the client wrote it.
        uri: String,
        /// The values of the URI template's parameters.
        parameters: Vec<(String, String)>,
    },
    /// A prompt.
    Prompt {
        /// Its name as the client wrote it.
        name: String,
        /// The arguments' JSON text, if the client sent any.
        arguments: Option<Box<RawValue>>,
    },
}

/// The client of a call.
#[derive(Clone, Debug)]
pub struct Client {
    /// Every header of its request.
    pub headers: Headers,
    /// Its transport to the extension.
    pub transport: Transport,
    /// Its `clientInfo`, where the extension still has it.
    pub info: Option<ClientInfo>,
}

/// A transport of MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP.
    StreamableHttp,
    /// HTTP with SSE, of the protocol of 2024-11-05. The headers of a call are those of the request that opened the
    /// stream, not those of the request that sent the call.
    HttpSse,
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::StreamableHttp => "http-streamable",
            Self::HttpSse => "http-sse",
        }
    }
}

/// `clientInfo` of `initialize`.
#[derive(Clone, Debug, Serialize)]
pub struct ClientInfo {
    /// The client's name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// `Metadata.sys`.
struct SystemData {
    method_name: String,
    utc_now: String,
    random_guid: Uuid,
}

fn envelope(function: &Inputs, call: &Call, system: &SystemData) -> serde_json::Result<String> {
    let text = call.to_text()?;
    let quoted_text = Value::String(newtonsoft::to_string(&text)?);
    let arguments = call.target.arguments()?;

    let mut data = Map::new();
    data.insert(function.trigger.to_owned(), quoted_text.clone());
    for binding in function.bindings {
        let value = arguments
            .as_ref()
            .and_then(|arguments| arguments.text(&binding.property));
        data.insert(
            binding.name.clone(),
            newtonsoft::to_string(&value.unwrap_or_default())?.into(),
        );
    }

    let mut metadata = Map::new();
    metadata.insert(
        format!("mcp{}context", call.target.kind()),
        call.context(arguments.as_ref()),
    );
    // The host omits every key with this ending, and so one copy of the caller's tokens.
    if !function.trigger.to_ascii_lowercase().ends_with("trigger") {
        metadata.insert(function.trigger.to_owned(), quoted_text);
    }
    if let Some(session_id) = call.client.headers.session_id() {
        metadata.insert(
            "mcpsessionid".into(),
            newtonsoft::to_string(session_id)?.into(),
        );
    }
    if let Target::Resource { uri, parameters } = &call.target {
        let uri = ("mcpresourceuri".to_owned(), uri);
        let parameters = parameters.iter().map(|(name, value)| (name.clone(), value));
        for (name, value) in std::iter::once(uri).chain(parameters) {
            metadata.insert(name, newtonsoft::to_string(value)?.into());
        }
    }
    if let Some(arguments) = &arguments {
        metadata.insert(format!("mcp{}args", call.target.kind()), arguments.texts());
    }
    metadata.insert(
        "sys".into(),
        json!({
            "MethodName": system.method_name,
            "UtcNow": system.utc_now,
            "RandGuid": system.random_guid.to_string(),
        }),
    );
    with_members_of(&text, &data, &metadata)
}

/// The envelope. The host also copies the members of the call itself into `Metadata`, those that
/// are not lists.
fn with_members_of(
    call: &str,
    data: &Map<String, Value>,
    metadata: &Map<String, Value>,
) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Envelope<'a> {
        #[serde(rename = "Data")]
        data: &'a Map<String, Value>,
        #[serde(rename = "Metadata")]
        metadata: Metadata<'a>,
    }
    struct Metadata<'a>(&'a Map<String, Value>, Vec<(String, Json)>);

    impl Serialize for Metadata<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeMap as _;
            let mut map = serializer.serialize_map(None)?;
            for (name, value) in self.0 {
                map.serialize_entry(name, value)?;
            }
            for (name, value) in &self.1 {
                map.serialize_entry(name, value)?;
            }
            map.end()
        }
    }

    let Ok(Json::Object(members)) = Json::parse(call) else {
        return Err(serde::de::Error::custom("the call is not a JSON object"));
    };
    let mut copied = Vec::new();
    for (name, value) in members {
        match value {
            Json::Array(_) => {}
            Json::Object(_) => copied.push((name, value)),
            scalar => copied.push((name, Json::Text(newtonsoft::to_string(&scalar)?))),
        }
    }
    newtonsoft::to_string(&Envelope {
        data,
        metadata: Metadata(metadata, copied),
    })
}

impl Target {
    /// The part of the names in `Metadata` that tells the kind.
    fn kind(&self) -> &'static str {
        match self {
            Self::Tool { .. } => "tool",
            Self::Resource { .. } => "resource",
            Self::Prompt { .. } => "prompt",
        }
    }

    fn arguments(&self) -> serde_json::Result<Option<Arguments>> {
        match self {
            Self::Tool { arguments, .. } | Self::Prompt { arguments, .. } => {
                arguments.as_deref().map(Arguments::parse).transpose()
            }
            Self::Resource { .. } => Ok(None),
        }
    }
}

impl Call {
    /// The call as the extension writes it: the text that the handler unpacks from `Data`.
    fn to_text(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct InvocationContext<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            name: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            uri: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            arguments: Option<Arguments>,
            #[serde(skip_serializing_if = "Option::is_none", rename = "sessionid")]
            session_id: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none", rename = "clientinfo")]
            client_info: Option<&'a ClientInfo>,
            transport: TransportContext<'a>,
        }
        #[derive(Serialize)]
        struct TransportContext<'a> {
            name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none", rename = "sessionId")]
            session_id: Option<&'a str>,
            properties: Properties<'a>,
        }
        #[derive(Serialize)]
        struct Properties<'a> {
            headers: &'a Headers,
        }

        let (name, uri) = match &self.target {
            Target::Tool { name, .. } | Target::Prompt { name, .. } => (Some(name.as_str()), None),
            Target::Resource { uri, .. } => (None, Some(uri.as_str())),
        };
        let session_id = self.client.headers.session_id();
        system_text_json::to_string(&InvocationContext {
            name,
            uri,
            arguments: self.target.arguments()?,
            session_id,
            client_info: self.client.info.as_ref(),
            transport: TransportContext {
                name: self.client.transport.name(),
                session_id,
                properties: Properties {
                    headers: &self.client.headers,
                },
            },
        })
    }

    /// `Metadata.mcptoolcontext` and its counterparts: the extension's object as `Json.NET` sees it, with .NET's names,
    /// and with kinds in place of the arguments.
    fn context(&self, arguments: Option<&Arguments>) -> Value {
        let headers = &self.client.headers;
        let mut context = Map::new();
        match &self.target {
            Target::Tool { name, .. } | Target::Prompt { name, .. } => {
                context.insert("Name".into(), json!(name));
                context.insert("Arguments".into(), json!(arguments.map(Arguments::kinds)));
            }
            Target::Resource { uri, .. } => {
                context.insert("Uri".into(), json!(uri));
            }
        }
        context.insert("SessionId".into(), json!(headers.session_id()));
        let client_info = self.client.info.as_ref().map(|info| {
            json!({
                "Name": info.name,
                "Title": null,
                "Version": info.version,
                "Icons": null,
                "WebsiteUrl": null,
            })
        });
        context.insert("ClientInfo".into(), json!(client_info));
        context.insert(
            "Transport".into(),
            json!({
                "Name": self.client.transport.name(),
                "SessionId": headers.session_id(),
                "Properties": { "headers": headers },
            }),
        );
        context.into()
    }
}

/// The arguments, in the client's order; of repeated ones, the last.
struct Arguments(Vec<(String, Box<RawValue>)>);

impl Arguments {
    fn parse(arguments: &RawValue) -> serde_json::Result<Self> {
        let members = system_text_json::members(arguments.get())?;
        let entries = members
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Self(entries.collect()))
    }

    /// An argument as `JsonElement.ToString()` writes it: texts as they are, everything else as
    /// JSON, null as nothing.
    fn text(&self, name: &str) -> Option<String> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| text_of(value))
    }

    fn texts(&self) -> Value {
        self.0
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(text_of(value))))
            .collect()
    }

    /// The arguments as `Json.NET` writes a `JsonElement`: the number of its kind and nothing else.
    fn kinds(&self) -> Value {
        let kind = |value: &RawValue| match value.get().as_bytes().first() {
            Some(b'{') => 1,
            Some(b'[') => 2,
            Some(b'"') => 3,
            Some(b't') => 5,
            Some(b'f') => 6,
            Some(b'n') => 7,
            _ => 4,
        };
        self.0
            .iter()
            .map(|(name, value)| (name.clone(), json!({ "ValueKind": kind(value) })))
            .collect()
    }
}

impl Serialize for Arguments {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

fn text_of(value: &RawValue) -> String {
    match value.get() {
        "true" => "True".into(),
        "false" => "False".into(),
        "null" => String::new(),
        text if text.starts_with('"') => serde_json::from_str(text).unwrap_or_default(),
        _ => system_text_json::to_string(value).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(trigger: &str) -> Inputs<'_> {
        Inputs {
            function: "HelloTool",
            trigger,
            bindings: &[],
        }
    }

    fn call(arguments: &str) -> Call {
        Call {
            target: Target::Tool {
                name: "HelloTool".into(),
                arguments: Some(RawValue::from_string(arguments.into()).unwrap()),
            },
            client: Client {
                headers: Headers::new([
                    ("Accept", b"application/json, text/event-stream".as_slice()),
                    ("Host", b"myapp.azurewebsites.net"),
                    ("Authorization", b"Bearer eyJhbGci.AAA.BBB"),
                    ("Content-Type", b"application/json"),
                    ("Mcp-Session-Id", b"Q29uc2lkZXI_ZmFrZQ"),
                    ("X-MS-CLIENT-PRINCIPAL", b"eyJhdXRo+Zg=="),
                    ("X-MS-TOKEN-AAD-ACCESS-TOKEN", b"eyJ0eXAi.CCC.DDD"),
                ]),
                transport: Transport::StreamableHttp,
                info: None,
            },
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
        let body = envelope(&function("mcpTrigger"), &call("{}"), &system()).unwrap();
        assert_eq!(body, include_str!("../../tests/fixtures/envelope-a.json"));
    }

    #[test]
    fn any_other_trigger_name_adds_a_copy_of_the_call() {
        let arguments = r#"{"greeting":"hi","n":3,"nested":{"a":[1]}}"#;
        let body = envelope(&function("context"), &call(arguments), &system()).unwrap();
        assert_eq!(body, include_str!("../../tests/fixtures/envelope-b.json"));
    }

    #[test]
    fn data_holds_a_text_within_a_text() {
        let body = envelope(&function("mcpTrigger"), &call(r#"{"a":"ü"}"#), &system()).unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        let once: String =
            serde_json::from_str(body["Data"]["mcpTrigger"].as_str().unwrap()).unwrap();
        let twice: Value = serde_json::from_str(&once).unwrap();
        assert_eq!(twice["arguments"]["a"], "ü");
    }

    #[test]
    fn a_call_without_arguments_and_session_has_no_member_for_them() {
        let call = Call {
            target: Target::Tool {
                name: "t".into(),
                arguments: None,
            },
            client: Client {
                headers: Headers::default(),
                transport: Transport::HttpSse,
                info: None,
            },
        };
        assert_eq!(
            call.to_text().unwrap(),
            r#"{"name":"t","transport":{"name":"http-sse","properties":{"headers":{}}}}"#
        );
    }

    #[test]
    fn an_argument_bound_by_itself_comes_as_quoted_text() {
        let bindings = ["s", "n", "b", "o", "z", "missing"].map(|name| PropertyBinding {
            name: name.into(),
            property: name.into(),
            is_required: true,
        });
        let function = Inputs {
            bindings: &bindings,
            ..function("mcpTrigger")
        };
        let call = call(r#"{"s":"hi","n":1.50,"b":true,"o":{"a": [1]},"z":null}"#);
        let body = envelope(&function, &call, &system()).unwrap();
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
    fn debug_output_has_no_header_values() {
        assert!(!format!("{:?}", call("{}")).contains("eyJhbGci"));
    }
}
