//! The files of a function app — `host.json`, `local.settings.json` and each `function.json` — read
//! and checked as the Functions host and its MCP extension do, so that what they would refuse after
//! a deployment is refused here.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// Settings with this prefix replace values of host.json:
/// `AzureFunctionsJobHost__customHandler__description__arguments`.
const HOST_FILE_PREFIX: &str = "AzureFunctionsJobHost__";

/// A function app's files, found valid.
#[derive(Debug)]
pub struct AppFiles {
    /// The app's folder, absolute.
    pub root: PathBuf,
    /// host.json with the settings that replace values in it.
    pub host: HostFile,
    /// The functions with an MCP tool trigger, in the order of their names.
    pub functions: Vec<Arc<Function>>,
    /// Functions with another trigger, which the sandbox leaves alone.
    pub other_functions: Vec<String>,
    /// `Values` of local.settings.json; empty without that file.
    pub local_settings: BTreeMap<String, String>,
}

/// What host.json says, as far as it concerns a custom handler and the MCP extension.
#[derive(Debug)]
pub struct HostFile {
    /// `customHandler`: the process behind the functions.
    pub custom_handler: CustomHandler,
    /// `functionTimeout`: after this long the host gives an invocation up and kills the process.
    pub function_timeout: Duration,
    /// `extensions.mcp`: how the MCP server introduces itself.
    pub mcp: McpServer,
}

/// `customHandler` of host.json.
#[derive(Debug)]
pub struct CustomHandler {
    /// `description.defaultExecutablePath`, as written.
    pub executable: String,
    /// `description.arguments`, then the quoted `defaultWorkerPath`, then `workerArguments`.
    pub arguments: Vec<String>,
    /// `description.workingDirectory`, relative to the app's folder.
    pub working_directory: Option<String>,
    /// `description.useStdErrorStreamForErrorsOnly`: whether every line on stderr is an error.
    pub stderr_for_errors_only: bool,
    /// `initializationTimeout`: how long the process may take until it answers.
    pub initialization_timeout: Duration,
}

/// `extensions.mcp` of host.json.
#[derive(Debug)]
pub struct McpServer {
    /// `serverName`.
    pub name: String,
    /// `serverVersion`.
    pub version: String,
    /// `instructions`.
    pub instructions: Option<String>,
    /// Whether `system.webhookAuthorizationLevel` asks for the system key (`System`, the default)
    /// or not (`Anonymous`).
    pub needs_system_key: bool,
}

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
}

/// An `mcpToolProperty` input binding.
#[derive(Debug)]
pub struct PropertyBinding {
    /// The key in the envelope's `Data`.
    pub name: String,
    /// The tool argument that it holds.
    pub property: String,
}

impl AppFiles {
    /// Reads and checks the app in `folder`. Settings of this process's environment replace values
    /// as they do for the host.
    ///
    /// # Errors
    /// Names the file, the property and what is wrong with it.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self, AppFilesError> {
        Self::load_with_settings(folder, [])
    }

    /// Like [`load`](Self::load), with `settings` that win over the environment and
    /// local.settings.json.
    ///
    /// # Errors
    /// Names the file, the property and what is wrong with it.
    pub fn load_with_settings<'a>(
        folder: impl AsRef<Path>,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, AppFilesError> {
        let folder = folder.as_ref();
        let root =
            std::path::absolute(folder).map_err(|error| AppFilesError::reading(folder, &error))?;
        let local_settings = local_settings(&root)?;

        let mut host = read_object(&root, "host.json")?;
        let settings = settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let replacements = local_settings
            .clone()
            .into_iter()
            .chain(environment_variables())
            .chain(settings);
        for (name, value) in replacements {
            if let Some(path) = strip_prefix_ignore_case(&name, HOST_FILE_PREFIX) {
                replace(&mut host, path, value);
            }
        }

        let host = HostFile::read(&Section::of_file(&host, "host.json"))?;
        let (functions, other_functions) = functions(&root)?;
        Ok(Self {
            root,
            host,
            functions,
            other_functions,
            local_settings,
        })
    }

    /// The function whose tool has this name, without regard to case.
    pub fn function_of_tool(&self, tool_name: &str) -> Option<&Arc<Function>> {
        self.functions
            .iter()
            .find(|function| same(&function.tool_name, tool_name))
    }
}

impl HostFile {
    fn read(file: &Section) -> Result<Self, AppFilesError> {
        if file.text("version")?.as_deref() != Some("2.0") {
            return Err(file.refuse("version", "must be \"2.0\""));
        }

        let bundle = file.section("extensionBundle")?.ok_or_else(|| {
            file.refuse("extensionBundle", "is missing: it brings the MCP extension")
        })?;
        for property in ["id", "version"] {
            bundle.required_text(property)?;
        }

        let handler = file.section("customHandler")?.ok_or_else(|| {
            file.refuse(
                "customHandler",
                "is missing: the app has no process to call",
            )
        })?;
        if handler.text("configurationProfile")?.as_deref() == Some("mcp-custom-handler") {
            return Err(handler.refuse(
                "configurationProfile",
                "\"mcp-custom-handler\" is for processes that speak MCP themselves, \
                not for functions with an MCP tool trigger",
            ));
        }

        let mcp = file
            .section("extensions")?
            .map(|extensions| extensions.section("mcp"))
            .transpose()?
            .flatten();
        Ok(Self {
            custom_handler: CustomHandler::read(&handler)?,
            // The default of every plan but Consumption, Flex Consumption included.
            function_timeout: file
                .duration("functionTimeout")?
                .unwrap_or(Duration::from_secs(30 * 60)),
            mcp: McpServer::read(mcp.as_ref())?,
        })
    }
}

impl CustomHandler {
    fn read(section: &Section) -> Result<Self, AppFilesError> {
        let description = section
            .section("description")?
            .ok_or_else(|| section.refuse("description", "Missing worker Description."))?;
        let executable = description
            .text("defaultExecutablePath")?
            .unwrap_or_default();
        if executable.trim().is_empty() {
            return Err(description.refuse(
                "defaultExecutablePath",
                "WorkerDescription DefaultExecutablePath cannot be empty",
            ));
        }

        let mut arguments = description.texts("arguments")?;
        arguments.extend(
            description
                .text("defaultWorkerPath")?
                .map(|path| format!("\"{path}\"")),
        );
        arguments.extend(description.texts("workerArguments")?);

        Ok(Self {
            executable,
            arguments,
            working_directory: description.text("workingDirectory")?,
            stderr_for_errors_only: description
                .flag("useStdErrorStreamForErrorsOnly")?
                .unwrap_or(true),
            initialization_timeout: section
                .duration("initializationTimeout")?
                .unwrap_or(Duration::from_secs(30)),
        })
    }
}

impl McpServer {
    fn read(section: Option<&Section>) -> Result<Self, AppFilesError> {
        let text = |name| {
            section
                .map(|section| section.text(name))
                .transpose()
                .map(Option::flatten)
        };
        let system = section
            .map(|section| section.section("system"))
            .transpose()?
            .flatten();
        let needs_system_key = match &system {
            None => true,
            Some(system) => match system.text("webhookAuthorizationLevel")?.as_deref() {
                None => true,
                Some(level) if same(level, "System") => true,
                Some(level) if same(level, "Anonymous") => false,
                Some(_) => {
                    return Err(system.refuse(
                        "webhookAuthorizationLevel",
                        "must be \"System\" or \"Anonymous\"",
                    ));
                }
            },
        };
        Ok(Self {
            name: text("serverName")?.unwrap_or_else(|| "Azure Functions MCP server".into()),
            version: text("serverVersion")?.unwrap_or_else(|| "1.0.0".into()),
            instructions: text("instructions")?,
            needs_system_key,
        })
    }
}

/// The variables of this process, those that are Unicode.
pub(super) fn environment_variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// `Values` of local.settings.json, if there is one.
fn local_settings(root: &Path) -> Result<BTreeMap<String, String>, AppFilesError> {
    const FILE: &str = "local.settings.json";
    if !root.join(FILE).exists() {
        return Ok(BTreeMap::new());
    }
    let file = read_object(root, FILE)?;
    let file = Section::of_file(&file, FILE);
    if file.flag("IsEncrypted")? == Some(true) {
        return Err(file.refuse("IsEncrypted", "encrypted settings cannot be read here"));
    }
    let values = file
        .section("Values")?
        .ok_or_else(|| file.refuse("Values", "is missing"))?;
    if values.text("FUNCTIONS_WORKER_RUNTIME")?.as_deref() != Some("custom") {
        return Err(values.refuse(
            "FUNCTIONS_WORKER_RUNTIME",
            "must be \"custom\" for a custom handler",
        ));
    }
    if values
        .text("AzureWebJobsStorage")?
        .unwrap_or_default()
        .is_empty()
    {
        return Err(values.refuse(
            "AzureWebJobsStorage",
            "is missing: the MCP extension needs a storage account \
            (\"UseDevelopmentStorage=true\" for Azurite)",
        ));
    }
    values
        .object
        .keys()
        .map(|name| Ok((name.clone(), values.text(name)?.unwrap_or_default())))
        .collect()
}

/// The app's functions: every folder that holds a function.json. Those with another trigger come by
/// name only.
fn functions(root: &Path) -> Result<(Vec<Arc<Function>>, Vec<String>), AppFilesError> {
    let mut names: Vec<String> = fs::read_dir(root)
        .map_err(|error| AppFilesError::reading(root, &error))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| root.join(name).join("function.json").is_file())
        .collect();
    names.sort();

    let mut functions: Vec<Arc<Function>> = Vec::new();
    let mut others = Vec::new();
    for name in names {
        let path = format!("{name}/function.json");
        let file = read_object(root, &path)?;
        let file = Section::of_file(&file, &path);
        let Some(function) = Function::read(&name, &file)? else {
            others.push(name);
            continue;
        };
        if let Some(twin) = functions
            .iter()
            .find(|other| same(&other.tool_name, &function.tool_name))
        {
            let problem = format!(
                "\"{}\" is also the tool of the function {}",
                function.tool_name, twin.name
            );
            return Err(file.refuse("bindings: toolName", &problem));
        }
        functions.push(Arc::new(function));
    }
    Ok((functions, others))
}

impl Function {
    /// Reads one function.json; `None` when its trigger is of another type.
    fn read(name: &str, file: &Section) -> Result<Option<Self>, AppFilesError> {
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

        let is_trigger = |binding: &&Section| {
            binding
                .text("type")
                .ok()
                .flatten()
                .is_some_and(|kind| kind.to_ascii_lowercase().ends_with("trigger"))
        };
        let mut triggers = bindings.iter().filter(is_trigger);
        let trigger = match (triggers.next(), triggers.next()) {
            (Some(trigger), None) => trigger,
            (None, _) => return Err(file.refuse("bindings", "No trigger binding specified.")),
            (Some(_), Some(_)) => {
                return Err(file.refuse("bindings", "Multiple trigger bindings defined."));
            }
        };
        if !same(&trigger.required_text("type")?, "mcpToolTrigger") {
            return Ok(None);
        }

        let mut property_bindings = Vec::new();
        for binding in bindings.iter().filter(|binding| !is_trigger(binding)) {
            let kind = binding.required_text("type")?;
            if !same(&kind, "mcpToolProperty")
                || binding
                    .text("direction")?
                    .is_some_and(|way| !same(&way, "in"))
            {
                return Err(binding.refuse(
                    "type",
                    &format!(
                        "\"{kind}\" next to an MCP tool trigger is not modelled by the sandbox; \
                        an out binding also changes results that look like Base64"
                    ),
                ));
            }
            for property in ["propertyType", "description"] {
                binding.required_text(property)?;
            }
            binding
                .flag("isRequired")?
                .ok_or_else(|| binding.refuse("isRequired", "is missing"))?;
            property_bindings.push(PropertyBinding {
                name: binding.required_text("name")?,
                property: binding.required_text("propertyName")?,
            });
        }
        Self::read_trigger(name, trigger, property_bindings).map(Some)
    }

    fn read_trigger(
        name: &str,
        trigger: &Section,
        property_bindings: Vec<PropertyBinding>,
    ) -> Result<Self, AppFilesError> {
        if trigger
            .text("direction")?
            .is_none_or(|direction| !same(&direction, "in"))
        {
            return Err(trigger.refuse("direction", "must be \"in\""));
        }
        for property in ["dataType", "cardinality"] {
            if trigger.get(property).is_some() {
                return Err(
                    trigger.refuse(property, "must be left out: with it every call may fail")
                );
            }
        }
        let input_schema = if trigger.flag("useWorkerInputSchema")?.unwrap_or(false) {
            trigger.schema("inputSchema")?.ok_or_else(|| {
                trigger.refuse(
                    "inputSchema",
                    "is required when useWorkerInputSchema is true",
                )
            })?
        } else {
            trigger.schema_of_properties()?
        };
        Ok(Self {
            name: name.to_owned(),
            trigger_name: trigger.required_text("name")?,
            tool_name: trigger.required_text("toolName")?,
            description: trigger.required_text("description")?,
            input_schema,
            output_schema: trigger.schema("outputSchema")?,
            metadata: trigger.json_object("metadata")?,
            use_result_schema: trigger.flag("useResultSchema")?.unwrap_or(false),
            property_bindings,
        })
    }
}

fn is_binding_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && characters.all(|character| character.is_ascii_alphanumeric())
        && name.len() <= 128
}

/// An object in one of the files, and where it is, for messages. Names are found without regard to
/// case, and texts stand for numbers and flags, as in .NET's configuration.
struct Section<'a> {
    file: &'a str,
    path: String,
    object: &'a Map<String, Value>,
}

impl<'a> Section<'a> {
    fn of_file(object: &'a Map<String, Value>, file: &'a str) -> Self {
        Self {
            file,
            path: String::new(),
            object,
        }
    }

    fn child(&self, name: &str, object: &'a Map<String, Value>) -> Self {
        let separator = if self.path.is_empty() { "" } else { "." };
        Self {
            file: self.file,
            path: format!("{}{separator}{name}", self.path),
            object,
        }
    }

    fn refuse(&self, property: &str, problem: &str) -> AppFilesError {
        let separator = if self.path.is_empty() { "" } else { "." };
        AppFilesError {
            file: self.file.to_owned(),
            property: Some(format!("{}{separator}{property}", self.path)),
            problem: problem.to_owned(),
        }
    }

    /// The property's value; JSON's `null` is as good as none.
    fn get(&self, name: &str) -> Option<&'a Value> {
        find(self.object, name).filter(|value| !value.is_null())
    }

    fn section(&self, name: &str) -> Result<Option<Section<'a>>, AppFilesError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(self.child(name, object))),
            Some(_) => Err(self.refuse(name, "must be an object")),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>, AppFilesError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
            Some(_) => Err(self.refuse(name, "must be a text")),
        }
    }

    fn required_text(&self, name: &str) -> Result<String, AppFilesError> {
        match self.text(name)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(self.refuse(name, "is required and must be a text that is not empty")),
        }
    }

    /// A list of texts; also as a JSON list within a text, which is how a setting can give it.
    fn texts(&self, name: &str) -> Result<Vec<String>, AppFilesError> {
        let refused = || self.refuse(name, "must be a list of texts");
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| refused()),
            Some(value) => serde_json::from_value(value.clone()).map_err(|_| refused()),
        }
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, AppFilesError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) if same(&text, "true") => Ok(Some(true)),
            Some(text) if same(&text, "false") => Ok(Some(false)),
            Some(_) => Err(self.refuse(name, "must be true or false")),
        }
    }

    /// A .NET `TimeSpan`: `hh:mm:ss`, or `-1` for no limit.
    fn duration(&self, name: &str) -> Result<Option<Duration>, AppFilesError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        if text == "-1" {
            return Ok(Some(Duration::MAX));
        }
        let parts: Option<Vec<f64>> = text.split(':').map(|part| part.parse().ok()).collect();
        match parts.as_deref() {
            Some([hours, minutes, seconds]) => {
                Duration::try_from_secs_f64(hours * 3600.0 + minutes * 60.0 + seconds)
                    .ok()
                    .map(Some)
            }
            _ => None,
        }
        .ok_or_else(|| self.refuse(name, "must be a time such as \"00:05:00\""))
    }

    /// Text that holds JSON. JSON itself is refused, since the host cannot convert it to the text
    /// that it wants.
    fn json_in_text(&self, name: &str) -> Result<Option<Value>, AppFilesError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|error| self.refuse(name, &format!("is not valid JSON: {error}"))),
            Some(_) => Err(self.refuse(
                name,
                "must be JSON within a text, such as \"[]\", not JSON itself",
            )),
        }
    }

    fn json_object(&self, name: &str) -> Result<Option<Map<String, Value>>, AppFilesError> {
        match self.json_in_text(name)? {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(self.refuse(name, "must hold a JSON object")),
        }
    }

    /// A JSON Schema within a text, of the shape that the extension accepts.
    fn schema(&self, name: &str) -> Result<Option<Map<String, Value>>, AppFilesError> {
        let Some(schema) = self.json_object(name)? else {
            return Ok(None);
        };
        if schema.get("type") != Some(&json!("object")) {
            return Err(self.refuse(
                name,
                "must be a schema with \"type\": \"object\" at its root",
            ));
        }
        if schema
            .get("properties")
            .is_some_and(|properties| !properties.is_object())
        {
            return Err(self.refuse(name, "\"properties\" must be an object"));
        }
        if schema
            .get("required")
            .is_some_and(|required| !required.is_array())
        {
            return Err(self.refuse(name, "\"required\" must be a list"));
        }
        Ok(Some(schema))
    }

    /// The schema that the extension makes of `toolProperties`.
    fn schema_of_properties(&self) -> Result<Map<String, Value>, AppFilesError> {
        const NAME: &str = "toolProperties";
        let list = match self.json_in_text(NAME)? {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(self.refuse(NAME, "must hold a JSON list")),
        };
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (index, entry) in list.iter().enumerate() {
            let Value::Object(entry) = entry else {
                return Err(self.refuse(NAME, "must hold a list of objects"));
            };
            let entry = self.child(&format!("{NAME}[{index}]"), entry);
            let name = entry.required_text("propertyName")?;
            let mut schema =
                Map::from_iter([("type".into(), json!(entry.required_text("propertyType")?))]);
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
            schema.insert(
                "description".into(),
                json!(entry.text("description")?.unwrap_or_default()),
            );
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
}

fn read_object(root: &Path, file: &str) -> Result<Map<String, Value>, AppFilesError> {
    let text = fs::read_to_string(root.join(file))
        .map_err(|error| AppFilesError::reading(&root.join(file), &error))?;
    // Editors on Windows may put a byte order mark in front.
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| AppFilesError {
        file: file.to_owned(),
        property: None,
        problem: format!("is not a JSON object: {error}"),
    })
}

/// Sets the value at a path such as `customHandler__description__arguments`.
fn replace(object: &mut Map<String, Value>, path: &str, value: String) {
    let (name, rest) = match path.split_once("__") {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let name = object
        .keys()
        .find(|key| same(key, name))
        .cloned()
        .unwrap_or_else(|| name.to_owned());
    let entry = object.entry(name).or_insert(Value::Null);
    match rest {
        None => *entry = Value::String(value),
        Some(rest) => {
            if !entry.is_object() {
                *entry = Value::Object(Map::new());
            }
            if let Value::Object(inner) = entry {
                replace(inner, rest, value);
            }
        }
    }
}

fn find<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .iter()
        .find(|(key, _)| same(key, name))
        .map(|(_, value)| value)
}

fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    same(start, prefix).then_some(rest)
}

/// A file of the app that the host would not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppFilesError {
    /// The file, relative to the app's folder.
    pub file: String,
    /// The property at fault, if the file could be read.
    pub property: Option<String>,
    /// What is wrong with it.
    pub problem: String,
}

impl AppFilesError {
    fn reading(path: &Path, error: &io::Error) -> Self {
        let problem = match error.kind() {
            io::ErrorKind::NotFound => {
                "does not exist; is this the folder of the function app?".to_owned()
            }
            _ => format!("cannot be read: {error}"),
        };
        Self {
            file: path.display().to_string(),
            property: None,
            problem,
        }
    }
}

impl fmt::Display for AppFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.property {
            Some(property) => write!(f, "{}: {property}: {}", self.file, self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}

impl std::error::Error for AppFilesError {}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// An app in a temporary folder.
    struct TestApp(PathBuf);

    impl TestApp {
        /// A valid app, in which `change` has changed host.json, local.settings.json and the
        /// trigger.
        fn with(change: impl FnOnce(&mut Value, &mut Value, &mut Value)) -> Self {
            let mut host = json!({
                "version": "2.0",
                "extensionBundle": { "id": "Bundle", "version": "[4.36.0, 5.0.0)" },
                "customHandler": { "description": { "defaultExecutablePath": "handler" } },
            });
            let mut settings = json!({
                "IsEncrypted": false,
                "Values": {
                    "FUNCTIONS_WORKER_RUNTIME": "custom",
                    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
                },
            });
            let mut trigger = json!({
                "type": "mcpToolTrigger",
                "direction": "in",
                "name": "mcpTrigger",
                "toolName": "HelloTool",
                "description": "Says hello",
            });
            change(&mut host, &mut settings, &mut trigger);

            let app =
                Self(std::env::temp_dir().join(format!("app-files-{}", Uuid::new_v4().simple())));
            fs::create_dir(&app.0).unwrap();
            fs::write(app.0.join("host.json"), host.to_string()).unwrap();
            fs::write(app.0.join("local.settings.json"), settings.to_string()).unwrap();
            app.add_function("HelloTool", &json!({ "bindings": [trigger] }));
            app
        }

        fn add_function(&self, name: &str, content: &Value) {
            fs::create_dir(self.0.join(name)).unwrap();
            fs::write(self.0.join(name).join("function.json"), content.to_string()).unwrap();
        }

        fn problem(&self) -> String {
            AppFiles::load(&self.0).unwrap_err().to_string()
        }
    }

    impl Drop for TestApp {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_small_app_is_read_with_the_hosts_defaults() {
        let app = TestApp::with(|_, _, _| ());
        let files = AppFiles::load(&app.0).unwrap();
        assert_eq!(files.host.custom_handler.executable, "handler");
        assert!(files.host.custom_handler.stderr_for_errors_only);
        assert_eq!(
            files.host.custom_handler.initialization_timeout,
            Duration::from_secs(30)
        );
        assert_eq!(files.host.function_timeout, Duration::from_secs(1800));
        assert_eq!(files.host.mcp.name, "Azure Functions MCP server");
        assert!(files.host.mcp.needs_system_key);
        let function = files.function_of_tool("hellotool").unwrap();
        assert_eq!(function.name, "HelloTool");
        assert!(!function.use_result_schema);
        assert_eq!(
            Value::from(function.input_schema.clone()),
            json!({ "type": "object", "properties": {}, "required": [] })
        );
    }

    #[test]
    fn settings_replace_values_of_host_json() {
        let app = TestApp::with(|_, settings, _| {
            let values = settings["Values"].as_object_mut().unwrap();
            for (name, value) in [
                (
                    "AzureFunctionsJobHost__customhandler__description__defaultExecutablePath",
                    "target/debug/handler",
                ),
                (
                    "AzureFunctionsJobHost__customHandler__description__arguments",
                    "[\"--a\", \"b c\"]",
                ),
                ("azurefunctionsjobhost__functionTimeout", "00:00:01.5"),
            ] {
                values.insert(name.into(), value.into());
            }
        });
        let own = ("AzureFunctionsJobHost__extensions__mcp__serverName", "Own");
        let files = AppFiles::load_with_settings(&app.0, [own]).unwrap();
        assert_eq!(files.host.custom_handler.executable, "target/debug/handler");
        assert_eq!(files.host.custom_handler.arguments, ["--a", "b c"]);
        assert_eq!(files.host.function_timeout, Duration::from_millis(1500));
        assert_eq!(files.host.mcp.name, "Own");
    }

    #[test]
    fn what_the_host_would_refuse_is_refused_with_file_and_property() {
        type Change = fn(&mut Value, &mut Value, &mut Value);
        let cases: [(Change, &str); 24] = [
            (
                |host, _, _| host["version"] = json!("1.0"),
                "host.json: version",
            ),
            (
                |host, _, _| host["extensionBundle"] = json!(null),
                "host.json: extensionBundle",
            ),
            (
                |host, _, _| host["extensionBundle"]["version"] = json!(""),
                "host.json: extensionBundle.version",
            ),
            (
                |host, _, _| host["customHandler"] = json!(null),
                "host.json: customHandler",
            ),
            (
                |host, _, _| host["customHandler"] = json!({}),
                "host.json: customHandler.description: Missing worker Description.",
            ),
            (
                |host, _, _| {
                    host["customHandler"]["description"]["defaultExecutablePath"] = json!(" ")
                },
                "WorkerDescription DefaultExecutablePath cannot be empty",
            ),
            (
                |host, _, _| {
                    host["customHandler"]["configurationProfile"] = json!("mcp-custom-handler")
                },
                "customHandler.configurationProfile",
            ),
            (
                |host, _, _| host["functionTimeout"] = json!("soon"),
                "host.json: functionTimeout",
            ),
            (
                |host, _, _| {
                    host["extensions"] =
                        json!({ "mcp": { "system": { "webhookAuthorizationLevel": "None" } } })
                },
                "extensions.mcp.system.webhookAuthorizationLevel",
            ),
            (
                |_, settings, _| settings["Values"]["FUNCTIONS_WORKER_RUNTIME"] = json!("node"),
                "local.settings.json: Values.FUNCTIONS_WORKER_RUNTIME",
            ),
            (
                |_, settings, _| settings["Values"]["AzureWebJobsStorage"] = json!(""),
                "local.settings.json: Values.AzureWebJobsStorage",
            ),
            (
                |_, settings, _| settings["IsEncrypted"] = json!(true),
                "local.settings.json: IsEncrypted",
            ),
            (
                |_, _, trigger| trigger["name"] = json!("mcp_trigger"),
                "HelloTool/function.json: bindings[0].name",
            ),
            (
                |_, _, trigger| trigger["direction"] = json!("out"),
                "bindings[0].direction",
            ),
            (
                |_, _, trigger| trigger["description"] = json!(null),
                "bindings[0].description",
            ),
            (
                |_, _, trigger| trigger["toolName"] = json!(""),
                "bindings[0].toolName",
            ),
            (
                |_, _, trigger| trigger["toolProperties"] = json!([]),
                "bindings[0].toolProperties: must be JSON within",
            ),
            (
                |_, _, trigger| trigger["toolProperties"] = json!("[{}]"),
                "bindings[0].toolProperties[0].propertyName",
            ),
            (
                |_, _, trigger| trigger["dataType"] = json!("binary"),
                "bindings[0].dataType",
            ),
            (
                |_, _, trigger| trigger["cardinality"] = json!("many"),
                "bindings[0].cardinality",
            ),
            (
                |_, _, trigger| trigger["useWorkerInputSchema"] = json!(true),
                "bindings[0].inputSchema",
            ),
            (
                |_, _, trigger| trigger["outputSchema"] = json!("{\"type\":\"string\"}"),
                "bindings[0].outputSchema",
            ),
            (
                |_, _, trigger| {
                    trigger["outputSchema"] = json!("{\"type\":\"object\",\"required\":{}}")
                },
                "bindings[0].outputSchema: \"required\"",
            ),
            (
                |_, _, trigger| trigger["metadata"] = json!("[]"),
                "bindings[0].metadata",
            ),
        ];
        for (change, expected) in cases {
            let problem = TestApp::with(change).problem();
            assert!(
                problem.contains(expected),
                "{problem} does not contain {expected}"
            );
        }
    }

    #[test]
    fn a_function_has_exactly_one_trigger_and_distinct_names() {
        let trigger = json!({
            "type": "mcpToolTrigger",
            "direction": "in",
            "name": "a",
            "toolName": "t",
            "description": "d",
        });
        let mut twin = trigger.clone();
        twin["name"] = json!("A");
        for (bindings, expected) in [
            (json!([]), "bindings"),
            (
                json!([{ "type": "blob", "name": "a", "direction": "in" }]),
                "No trigger binding specified.",
            ),
            (
                json!([trigger, { "type": "timerTrigger", "name": "b" }]),
                "Multiple trigger bindings defined.",
            ),
            (json!([trigger, twin]), "bindings[1].name"),
            (
                json!([trigger, { "type": "http", "direction": "out", "name": "$return" }]),
                "bindings[1].type",
            ),
        ] {
            let app = TestApp::with(|_, _, _| ());
            app.add_function("Other", &json!({ "bindings": bindings }));
            let problem = app.problem();
            assert!(
                problem.starts_with("Other/function.json") && problem.contains(expected),
                "{problem}"
            );
        }
    }

    #[test]
    fn two_functions_cannot_offer_one_tool() {
        let app = TestApp::with(|_, _, _| ());
        app.add_function(
            "Other",
            &json!({ "bindings": [{
                "type": "mcpToolTrigger",
                "direction": "in",
                "name": "a",
                "toolName": "HELLOTOOL",
                "description": "d",
            }] }),
        );
        assert!(
            app.problem()
                .contains("also the tool of the function HelloTool")
        );
    }

    #[test]
    fn a_function_with_another_trigger_is_left_alone() {
        let app = TestApp::with(|_, _, _| ());
        app.add_function(
            "Nightly",
            &json!({ "bindings": [{ "type": "timerTrigger", "name": "timer" }] }),
        );
        assert_eq!(AppFiles::load(&app.0).unwrap().other_functions, ["Nightly"]);
    }

    #[test]
    fn a_folder_without_host_json_is_not_an_app() {
        assert!(
            AppFiles::load("no/such/folder")
                .unwrap_err()
                .to_string()
                .contains("host.json: does not exist")
        );
    }
}
