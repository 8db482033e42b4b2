//! `function.json`: what a function offers to MCP clients, read as the MCP extension does.
//!
//! The extension is hard on some mistakes and easy on others. Where the function cannot be set up,
//! the host leaves it out and starts with the others; where its trigger cannot be listened to, the
//! whole host does not start. The sandbox's `recordings/mcp-extension` (`odd`, `fatal`) has a case
//! of each.

use serde_json::{Map, Value, json};

use crate::{
    error::AppFilesError,
    section::{Section, same},
};

/// A function with an MCP tool trigger.
#[derive(Debug)]
pub struct Function {
    /// The folder's name: the path that the host posts to.
    pub name: String,
    /// The trigger's `name`: the key of the invocation in the host's envelope.
    pub trigger_name: String,
    /// The tool's name for MCP clients.
    pub tool_name: String,
    /// What the tool does, for the model.
    pub description: String,
    /// JSON Schema of the arguments.
    pub input_schema: Map<String, Value>,
    /// JSON Schema of the structured result.
    pub output_schema: Option<Map<String, Value>>,
    /// The tool's `_meta`.
    pub metadata: Option<Map<String, Value>>,
    /// Whether the handler's `ReturnValue` is an envelope with a type rather than plain text.
    pub use_result_schema: bool,
    /// `mcpToolProperty` bindings: arguments that the host also hands over by themselves.
    pub property_bindings: Vec<PropertyBinding>,
    /// Why no call succeeds, if none does.
    pub fault: Option<CallFault>,
}

/// A function with an MCP resource trigger.
#[derive(Debug)]
pub struct Resource {
    /// The folder's name: the path that the host posts to.
    pub name: String,
    /// The trigger's `name`: the key of the invocation in the host's envelope.
    pub trigger_name: String,
    /// The resource's URI; a template if it has parameters: `store://item/{id}`.
    pub uri: String,
    /// The resource's name for MCP clients.
    pub resource_name: String,
    /// The name for people.
    pub title: Option<String>,
    /// What it is, for the model.
    pub description: Option<String>,
    /// The media type of the content.
    pub mime_type: Option<String>,
    /// The resource's `_meta`.
    pub metadata: Option<Map<String, Value>>,
    /// Why no call succeeds, if none does.
    pub fault: Option<CallFault>,
}

impl Resource {
    /// Whether the URI is a template.
    pub fn is_template(&self) -> bool {
        self.uri.contains('{')
    }

    /// What two URIs have in common that the extension does not tell apart: the case of letters, and
    /// the names of parameters.
    pub(crate) fn shape(&self) -> String {
        let mut shape = String::new();
        let mut parts = self.uri.split('{');
        shape.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (_, literal) = part.split_once('}').unwrap_or(("", part));
            shape.push_str("{}");
            shape.push_str(literal);
        }
        shape.to_lowercase()
    }
}

/// A function with an MCP prompt trigger.
#[derive(Debug)]
pub struct Prompt {
    /// The folder's name: the path that the host posts to.
    pub name: String,
    /// The trigger's `name`: the key of the invocation in the host's envelope.
    pub trigger_name: String,
    /// The prompt's name for MCP clients.
    pub prompt_name: String,
    /// The name for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// `promptArguments`: name, title, description and required of each, as written.
    pub arguments: Option<Vec<Value>>,
    /// `icons`, as written.
    pub icons: Option<Vec<Value>>,
    /// The prompt's `_meta`.
    pub metadata: Option<Map<String, Value>>,
    /// Whether the handler's `ReturnValue` is an envelope with a type rather than plain text.
    pub use_result_schema: bool,
    /// `mcpPromptArgument` bindings: arguments that the host also hands over by themselves.
    pub argument_bindings: Vec<PropertyBinding>,
}

/// An `mcpToolProperty` or `mcpPromptArgument` input binding.
#[derive(Debug)]
pub struct PropertyBinding {
    /// The key in the envelope's `Data`.
    pub name: String,
    /// The argument that it holds.
    pub property: String,
    /// Whether the argument must be there. The host looks at it for prompts alone.
    pub is_required: bool,
}

/// Why every call of a function fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFault {
    /// The host cannot make what the trigger's `dataType` or `cardinality` asks for: the handler is
    /// not called.
    Input,
    /// The host cannot do with the answer what the `$return` binding asks for.
    Output,
}

/// What one function.json stands for.
pub(crate) enum Content {
    Tool(Function),
    Resource(Resource),
    Prompt(Prompt),
    /// A trigger that is not MCP's.
    Other,
}

/// What the host does about a mistake.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It leaves the function out.
    LeftOut(AppFilesError),
    /// It does not start.
    Fatal(AppFilesError),
}

impl From<AppFilesError> for Refusal {
    fn from(error: AppFilesError) -> Self {
        Self::LeftOut(error)
    }
}

/// Whether the host takes the folder's name for that of a function.
pub(crate) fn is_function_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && characters.all(|other| other.is_ascii_alphanumeric() || matches!(other, '_' | '-'))
        && name.len() <= 128
}

/// Reads the function.json of the function `name`. Faults come with their explanation.
pub(crate) fn read(
    name: &str,
    file: &Section,
) -> Result<(Content, Option<AppFilesError>), Refusal> {
    let bindings = bindings(file)?;
    let (triggers, others): (Vec<_>, Vec<_>) = bindings.iter().partition(|one| is_trigger(one));
    let problem = match triggers[..] {
        [trigger] => return read_trigger(name, trigger, &others),
        [] => "No trigger binding specified.",
        _ => "Multiple trigger bindings defined.",
    };
    Err(file.refuse("bindings", problem).into())
}

/// Reads the function with this trigger and these other bindings.
fn read_trigger(
    name: &str,
    trigger: &Section,
    others: &[&Section],
) -> Result<(Content, Option<AppFilesError>), Refusal> {
    let kind = trigger.required_text("type")?;
    let own_bindings = if same(&kind, "mcpToolTrigger") {
        Some(("mcpToolProperty", "propertyName"))
    } else if same(&kind, "mcpPromptTrigger") {
        Some(("mcpPromptArgument", "argumentName"))
    } else if same(&kind, "mcpResourceTrigger") {
        None
    } else {
        return Ok((Content::Other, None));
    };

    if trigger
        .text("direction")?
        .is_none_or(|direction| !same(&direction, "in"))
    {
        return Err(trigger.refuse("direction", "must be \"in\"").into());
    }
    // The first one counts.
    let mut faults = input_faults(trigger)?;
    let mut arguments = Vec::new();
    for binding in others {
        let kind = binding.required_text("type")?;
        let is_out = binding
            .text("direction")?
            .is_some_and(|way| !same(&way, "in"));
        match own_bindings {
            Some((own, argument)) if same(&kind, own) && !is_out => {
                arguments.push(argument_binding(binding, argument)?);
            }
            _ if same(&kind, "http") && is_out && binding.required_text("name")? == "$return" => {
                let problem =
                    binding.refuse("type", "must not be \"http\": with it every call fails");
                faults.push((CallFault::Output, problem));
            }
            _ => return Err(binding.refuse("type", &not_modelled(&kind)).into()),
        }
    }
    let (fault, problem) = faults.into_iter().next().unzip();

    let content = if same(&kind, "mcpToolTrigger") {
        Content::Tool(tool(name, trigger, arguments, fault)?)
    } else if same(&kind, "mcpPromptTrigger") {
        Content::Prompt(prompt(name, trigger, arguments)?)
    } else {
        Content::Resource(resource(name, trigger, fault)?)
    };
    Ok((content, problem))
}

fn not_modelled(kind: &str) -> String {
    format!(
        "\"{kind}\" next to an MCP trigger is not modelled by the sandbox; \
        an out binding also changes results that look like Base64"
    )
}

/// What in the trigger makes every call fail.
fn input_faults(trigger: &Section) -> Result<Vec<(CallFault, AppFilesError)>, AppFilesError> {
    let mut faults = Vec::new();
    for (property, harmless) in [
        ("dataType", &["string", "undefined"][..]),
        ("cardinality", &["one"]),
    ] {
        let is_harmless = |value: &String| harmless.iter().any(|harmless| same(harmless, value));
        if trigger
            .text(property)?
            .is_some_and(|value| !is_harmless(&value))
        {
            let problem = trigger.refuse(property, "must be left out: with it every call fails");
            faults.push((CallFault::Input, problem));
        }
    }
    Ok(faults)
}

/// The bindings, each with a name of its own.
fn bindings<'a>(file: &Section<'a>) -> Result<Vec<Section<'a>>, AppFilesError> {
    let bindings = match file.get("bindings") {
        Some(Value::Array(bindings)) if !bindings.is_empty() => bindings,
        _ => return Err(file.refuse("bindings", "must be a list with the function's trigger")),
    };
    let bindings = bindings
        .iter()
        .enumerate()
        .map(|(index, binding)| match binding {
            Value::Object(object) => Ok(file.child(&format!("bindings[{index}]"), object)),
            _ => Err(file.refuse("bindings", "must hold objects")),
        })
        .collect::<Result<Vec<_>, _>>()?;

    let mut names: Vec<String> = Vec::new();
    for binding in &bindings {
        let name = binding.required_text("name")?;
        if !is_binding_name(&name) && name != "$return" {
            return Err(binding.refuse(
                "name",
                &format!("\"{name}\" is invalid: a letter, then up to 127 letters and digits"),
            ));
        }
        if names.iter().any(|other| same(other, &name)) {
            return Err(binding.refuse(
                "name",
                &format!("\"{name}\" is taken by another binding of the function"),
            ));
        }
        names.push(name);
    }
    Ok(bindings)
}

fn is_binding_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && characters.all(|character| character.is_ascii_alphanumeric())
        && name.len() <= 128
}

fn is_trigger(binding: &Section) -> bool {
    binding
        .text("type")
        .ok()
        .flatten()
        .is_some_and(|kind| kind.to_ascii_lowercase().ends_with("trigger"))
}

/// A binding of one argument, whose name is in the property `argument`.
fn argument_binding(binding: &Section, argument: &str) -> Result<PropertyBinding, AppFilesError> {
    // The two kinds differ in no other than this.
    if argument == "propertyName" {
        binding.required_text("propertyType")?;
    }
    binding
        .text("description")?
        .ok_or_else(|| binding.refuse("description", "is missing"))?;
    Ok(PropertyBinding {
        is_required: binding
            .flag("isRequired")?
            .ok_or_else(|| binding.refuse("isRequired", "is missing"))?,
        name: binding.required_text("name")?,
        property: binding.required_text(argument)?,
    })
}

fn tool(
    name: &str,
    trigger: &Section,
    property_bindings: Vec<PropertyBinding>,
    fault: Option<CallFault>,
) -> Result<Function, Refusal> {
    let tool_name = trigger.required_text("toolName")?;
    let description = trigger
        .text("description")?
        .ok_or_else(|| trigger.refuse("description", "is missing"))?;
    // The host turns each of these to text before the extension looks into any.
    let input_schema = json_text(trigger, "inputSchema")?;
    let tool_properties = json_text(trigger, "toolProperties")?;
    let output_schema = json_text(trigger, "outputSchema")?;
    let metadata = metadata(trigger)?;

    let input_schema = if trigger.flag("useWorkerInputSchema")?.unwrap_or(false) {
        let schema = input_schema.ok_or_else(|| {
            Refusal::Fatal(trigger.refuse(
                "inputSchema",
                "is required when useWorkerInputSchema is true",
            ))
        })?;
        object_schema(trigger, "inputSchema", schema).map_err(Refusal::Fatal)?
    } else {
        schema_of_properties(trigger, tool_properties.unwrap_or("[]")).map_err(Refusal::Fatal)?
    };
    let output_schema = output_schema
        .map(|schema| object_schema(trigger, "outputSchema", schema))
        .transpose()
        .map_err(Refusal::Fatal)?;
    Ok(Function {
        name: name.to_owned(),
        trigger_name: trigger.required_text("name")?,
        tool_name,
        description,
        input_schema,
        output_schema,
        metadata,
        use_result_schema: trigger.flag("useResultSchema")?.unwrap_or(false),
        property_bindings,
        fault,
    })
}

fn resource(name: &str, trigger: &Section, fault: Option<CallFault>) -> Result<Resource, Refusal> {
    let resource_name = trigger.required_text("resourceName")?;
    let uri = trigger.required_text("uri")?;
    let metadata = metadata(trigger)?;
    let fatal = |problem: &str| Refusal::Fatal(trigger.refuse("uri", problem));
    if !is_absolute(&uri) {
        return Err(fatal("must be an absolute URI, with a scheme"));
    }
    if uri.contains("}{") {
        return Err(fatal("must have some text between two parameters"));
    }
    Ok(Resource {
        name: name.to_owned(),
        trigger_name: trigger.required_text("name")?,
        uri,
        resource_name,
        title: trigger.text("title")?,
        description: trigger.text("description")?,
        mime_type: trigger.text("mimeType")?,
        metadata,
        fault,
    })
}

/// Whether the URI begins with a scheme (RFC 3986, section 3.1).
fn is_absolute(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|other| other.is_ascii_alphanumeric() || matches!(other, '+' | '-' | '.'))
    })
}

fn prompt(
    name: &str,
    trigger: &Section,
    argument_bindings: Vec<PropertyBinding>,
) -> Result<Prompt, Refusal> {
    let prompt_name = trigger.required_text("promptName")?;
    let arguments = json_text(trigger, "promptArguments")?;
    let icons = json_text(trigger, "icons")?;
    let metadata = metadata(trigger)?;
    let list = |property, text: Option<&str>| {
        text.map(|text| json_list(trigger, property, text))
            .transpose()
            .map_err(Refusal::Fatal)
    };
    Ok(Prompt {
        name: name.to_owned(),
        trigger_name: trigger.required_text("name")?,
        prompt_name,
        title: trigger.text("title")?,
        description: trigger.text("description")?,
        arguments: list("promptArguments", arguments)?,
        icons: list("icons", icons)?,
        metadata,
        use_result_schema: trigger.flag("useResultSchema")?.unwrap_or(false),
        argument_bindings,
    })
}

/// Text that holds JSON. JSON itself is refused, since the host cannot convert it to the text that
/// it wants.
fn json_text<'a>(section: &Section<'a>, name: &str) -> Result<Option<&'a str>, AppFilesError> {
    match section.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(section.refuse(
            name,
            "must be JSON within a text, such as \"[]\", not JSON itself",
        )),
    }
}

fn parse(section: &Section, name: &str, text: &str) -> Result<Value, AppFilesError> {
    serde_json::from_str(text)
        .map_err(|error| section.refuse(name, &format!("is not valid JSON: {error}")))
}

fn json_object(
    section: &Section,
    name: &str,
    text: &str,
) -> Result<Map<String, Value>, AppFilesError> {
    match parse(section, name, text)? {
        Value::Object(object) => Ok(object),
        _ => Err(section.refuse(name, "must hold a JSON object")),
    }
}

fn json_list(section: &Section, name: &str, text: &str) -> Result<Vec<Value>, AppFilesError> {
    match parse(section, name, text)? {
        Value::Array(list) => Ok(list),
        _ => Err(section.refuse(name, "must hold a JSON list")),
    }
}

/// `metadata`: unlike a schema, what is wrong with it concerns its function alone.
fn metadata(trigger: &Section) -> Result<Option<Map<String, Value>>, AppFilesError> {
    const NAME: &str = "metadata";
    json_text(trigger, NAME)?
        .map(|text| json_object(trigger, NAME, text))
        .transpose()
}

/// A JSON Schema of the shape that the extension accepts.
fn object_schema(
    section: &Section,
    name: &str,
    text: &str,
) -> Result<Map<String, Value>, AppFilesError> {
    let schema = json_object(section, name, text)?;
    if schema.get("type") != Some(&json!("object")) {
        return Err(section.refuse(
            name,
            "must be a schema with \"type\": \"object\" at its root",
        ));
    }
    if schema
        .get("properties")
        .is_some_and(|properties| !properties.is_object())
    {
        return Err(section.refuse(name, "\"properties\" must be an object"));
    }
    if schema
        .get("required")
        .is_some_and(|required| !required.is_array())
    {
        return Err(section.refuse(name, "\"required\" must be a list"));
    }
    Ok(schema)
}

/// The schema that the extension makes of `toolProperties`.
fn schema_of_properties(
    trigger: &Section,
    text: &str,
) -> Result<Map<String, Value>, AppFilesError> {
    const NAME: &str = "toolProperties";
    let list = json_list(trigger, NAME, text)?;
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (index, entry) in list.iter().enumerate() {
        let Value::Object(entry) = entry else {
            return Err(trigger.refuse(NAME, "must hold a list of objects"));
        };
        let entry = trigger.child(&format!("{NAME}[{index}]"), entry);
        let name = entry.required_text("propertyName")?;
        let kind = entry.required_text("propertyType")?;
        let mut schema = Map::from_iter([("type".into(), json!(kind))]);
        let values = entry.texts("enumValues")?;
        if !values.is_empty() {
            schema.insert("enum".into(), json!(values));
        }
        if entry.flag("isArray")?.unwrap_or(false) {
            schema = Map::from_iter([
                ("type".into(), json!("array")),
                ("items".into(), schema.into()),
            ]);
        }
        let description = entry.text("description")?;
        schema.insert("description".into(), json!(description.unwrap_or_default()));
        if entry.flag("isRequired")?.unwrap_or(false) && !required.contains(&json!(name)) {
            required.push(json!(name));
        }
        properties.insert(name, schema.into());
    }
    Ok(Map::from_iter([
        ("type".into(), json!("object")),
        ("properties".into(), properties.into()),
        ("required".into(), required.into()),
    ]))
}
