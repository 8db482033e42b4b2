//! `host.json`: the process behind the functions and how the MCP server introduces itself.

use std::{path::Path, time::Duration};

use serde_json::{Map, Value};

use crate::{
    error::AppFilesError,
    section::{Section, read_object, same},
};

const FILE: &str = "host.json";

/// Settings with this prefix replace values of the file:
/// `AzureFunctionsJobHost__customHandler__description__arguments`.
const SETTING_PREFIX: &str = "AzureFunctionsJobHost__";

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
    /// `encryptClientState`: whether clients get session ids that they cannot read.
    pub encrypt_client_state: bool,
    /// `messageOptions.useAbsoluteUriForEndpoint`: whether the SSE transport tells clients the whole
    /// address to send messages to.
    pub absolute_message_endpoint: bool,
    /// `system.webhookAuthorizationLevel`: whom the host lets call.
    pub webhook_authorization: WebhookAuthorization,
}

/// `extensions.mcp.system.webhookAuthorizationLevel` of host.json: whom the host lets call an
/// extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookAuthorization {
    /// Those with the system key; what the host does without the property.
    System,
    /// Anybody.
    Anonymous,
    /// The host does not know the level, and answers every call with 500.
    Unknown,
}

impl HostFile {
    /// Reads the file in `root`, with values replaced by `settings`; later ones win.
    pub(crate) fn read(root: &Path, settings: &[(String, String)]) -> Result<Self, AppFilesError> {
        let mut file = read_object(root, FILE)?;
        for (name, value) in settings {
            if let Some(path) = strip_prefix_ignore_case(name, SETTING_PREFIX) {
                replace(&mut file, path, value);
            }
        }
        Self::of(&Section::of_file(&file, FILE))
    }

    fn of(file: &Section) -> Result<Self, AppFilesError> {
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
        let inner = |name| {
            section
                .map(|section| section.section(name))
                .transpose()
                .map(Option::flatten)
        };
        let encrypt_client_state = section
            .map(|section| section.flag("encryptClientState"))
            .transpose()?
            .flatten();
        let absolute_message_endpoint = inner("messageOptions")?
            .map(|options| options.flag("useAbsoluteUriForEndpoint"))
            .transpose()?
            .flatten();
        let level = inner("system")?
            .map(|system| system.text("webhookAuthorizationLevel"))
            .transpose()?
            .flatten();
        Ok(Self {
            name: text("serverName")?.unwrap_or_else(|| "Azure Functions MCP server".into()),
            version: text("serverVersion")?.unwrap_or_else(|| "1.0.0".into()),
            instructions: text("instructions")?,
            encrypt_client_state: encrypt_client_state.unwrap_or(true),
            absolute_message_endpoint: absolute_message_endpoint.unwrap_or(false),
            webhook_authorization: match level.as_deref() {
                None => WebhookAuthorization::System,
                Some(level) if same(level, "System") => WebhookAuthorization::System,
                Some(level) if same(level, "Anonymous") => WebhookAuthorization::Anonymous,
                Some(_) => WebhookAuthorization::Unknown,
            },
        })
    }

    /// Why every call of the MCP endpoint fails, if host.json says something by which it does.
    pub(crate) fn fault(&self) -> Option<AppFilesError> {
        (self.webhook_authorization == WebhookAuthorization::Unknown).then(|| AppFilesError {
            file: FILE.to_owned(),
            property: Some("extensions.mcp.system.webhookAuthorizationLevel".to_owned()),
            problem: "must be \"System\" or \"Anonymous\": with any other value the host answers \
                every call with 500"
                .to_owned(),
        })
    }
}

/// Sets the value at a path such as `customHandler__description__arguments`.
fn replace(object: &mut Map<String, Value>, path: &str, value: &str) {
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
        None => *entry = Value::String(value.to_owned()),
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

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    same(start, prefix).then_some(rest)
}
