//! All files of an app together: which functions the host starts with, and what is wrong with the
//! others.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    environment::environment_variables,
    error::AppFilesError,
    function_json::{self, Content, Function, Prompt, Refusal, Resource},
    host_json::HostFile,
    local_settings,
    platform::Platform,
    section::{Section, read_object, same},
};

/// A function app's files, with which the host starts.
#[derive(Debug)]
pub struct AppFiles {
    /// The app's folder, absolute.
    pub root: PathBuf,
    /// host.json with the settings that replace values in it.
    pub host: HostFile,
    /// The functions with an MCP tool trigger, in the order of their names.
    pub functions: Vec<Arc<Function>>,
    /// The functions with an MCP resource trigger, in the order of their names.
    pub resources: Vec<Arc<Resource>>,
    /// The functions with an MCP prompt trigger, in the order of their names.
    pub prompts: Vec<Arc<Prompt>>,
    /// Functions with another trigger, which are none of MCP's.
    pub other_functions: Vec<String>,
    /// What does not keep the host from starting, and is hardly what the author meant.
    pub warnings: Vec<Warning>,
    /// `Values` of local.settings.json; empty without that file, and in Azure.
    pub local_settings: BTreeMap<String, String>,
}

/// Something in the app's files that the host starts with, and that keeps a part of the app from
/// working.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The host leaves the function out. Nothing but its log says so.
    LeftOut {
        /// The function.
        function: String,
        /// What is wrong with it.
        problem: AppFilesError,
    },
    /// A setting takes the function away.
    Disabled {
        /// The function.
        function: String,
        /// The setting.
        setting: String,
    },
    /// No call of the function succeeds.
    CallsFail {
        /// The function.
        function: String,
        /// Why not.
        problem: AppFilesError,
    },
    /// No call of the MCP endpoint succeeds.
    EndpointFails(AppFilesError),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftOut { function, problem } => {
                write!(f, "the host leaves {function} out: {problem}")
            }
            Self::Disabled { function, setting } => {
                write!(
                    f,
                    "the host leaves {function} out: the setting {setting} is true"
                )
            }
            Self::CallsFail { function, problem } => {
                write!(f, "no call of {function} succeeds: {problem}")
            }
            Self::EndpointFails(problem) => problem.fmt(f),
        }
    }
}

impl AppFiles {
    /// Reads and checks the app in `folder` as Core Tools do. Settings of this process's environment
    /// replace values as they do for the host.
    ///
    /// # Errors
    /// What keeps the host from starting: the file, the property and what is wrong with it.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self, AppFilesError> {
        Self::load_with_settings(folder, Platform::CoreTools, [])
    }

    /// Reads and checks the app as on `platform`, with `settings` that win over the environment and
    /// over local.settings.json, which Azure does not read.
    ///
    /// # Errors
    /// What keeps the host from starting: the file, the property and what is wrong with it.
    pub fn load_with_settings<'a>(
        folder: impl AsRef<Path>,
        platform: Platform,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, AppFilesError> {
        let folder = folder.as_ref();
        let root =
            std::path::absolute(folder).map_err(|error| AppFilesError::reading(folder, &error))?;
        let local_settings = match platform {
            Platform::Azure => BTreeMap::new(),
            Platform::CoreTools => local_settings::read(&root)?,
        };
        let settings: Vec<_> = local_settings
            .clone()
            .into_iter()
            .chain(environment_variables())
            .chain(
                settings
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            )
            .collect();

        let host = HostFile::read(&root, &settings)?;
        let mut app = Self {
            warnings: host
                .mcp
                .fault()
                .map(Warning::EndpointFails)
                .into_iter()
                .collect(),
            root,
            host,
            functions: Vec::new(),
            resources: Vec::new(),
            prompts: Vec::new(),
            other_functions: Vec::new(),
            local_settings,
        };
        for name in app.function_folders()? {
            app.read_function(name, &settings)?;
        }
        Ok(app)
    }

    /// The function whose tool has this name, without regard to case.
    pub fn function_of_tool(&self, tool_name: &str) -> Option<&Arc<Function>> {
        self.functions
            .iter()
            .find(|function| same(&function.tool_name, tool_name))
    }

    /// Every folder that holds a function.json.
    fn function_folders(&self) -> Result<Vec<String>, AppFilesError> {
        let mut names: Vec<String> = fs::read_dir(&self.root)
            .map_err(|error| AppFilesError::reading(&self.root, &error))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| self.root.join(name).join("function.json").is_file())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Adds the function in the folder `name`, if the host does.
    fn read_function(
        &mut self,
        name: String,
        settings: &[(String, String)],
    ) -> Result<(), AppFilesError> {
        if let Some(setting) = disabling_setting(&name, settings) {
            self.warnings.push(Warning::Disabled {
                function: name,
                setting,
            });
            return Ok(());
        }
        let path = format!("{name}/function.json");
        match self.content_of(&name, &path) {
            Ok((content, fault)) => {
                self.warnings
                    .extend(fault.map(|problem| Warning::CallsFail {
                        function: name.clone(),
                        problem,
                    }));
                self.add(name, &path, content)
            }
            Err(Refusal::Fatal(problem)) => Err(problem),
            Err(Refusal::LeftOut(problem)) => {
                self.warnings.push(Warning::LeftOut {
                    function: name,
                    problem,
                });
                Ok(())
            }
        }
    }

    fn content_of(
        &self,
        name: &str,
        path: &str,
    ) -> Result<(Content, Option<AppFilesError>), Refusal> {
        if !function_json::is_function_name(name) {
            return Err(Refusal::LeftOut(AppFilesError {
                file: path.to_owned(),
                property: None,
                problem: "its folder's name is no name of a function: a letter, then up to 127 \
                    letters, digits, '_' and '-'"
                    .to_owned(),
            }));
        }
        let file = read_object(&self.root, path)?;
        function_json::read(name, &Section::of_file(&file, path))
    }

    /// Adds a function. Two that clients could not tell apart keep the host from starting.
    fn add(&mut self, name: String, path: &str, content: Content) -> Result<(), AppFilesError> {
        let twin = match &content {
            Content::Tool(tool) => self
                .function_of_tool(&tool.tool_name)
                .map(|twin| ("toolName", &tool.tool_name, "tool", &twin.name)),
            Content::Resource(resource) => self
                .resources
                .iter()
                .find(|other| other.shape() == resource.shape())
                .map(|twin| ("uri", &resource.uri, "resource", &twin.name)),
            Content::Prompt(prompt) => self
                .prompts
                .iter()
                .find(|other| same(&other.prompt_name, &prompt.prompt_name))
                .map(|twin| ("promptName", &prompt.prompt_name, "prompt", &twin.name)),
            Content::Other => None,
        };
        if let Some((property, value, kind, twin)) = twin {
            return Err(AppFilesError {
                file: path.to_owned(),
                property: Some(format!("bindings: {property}")),
                problem: format!("\"{value}\" is also the {kind} of the function {twin}"),
            });
        }
        match content {
            Content::Tool(tool) => self.functions.push(Arc::new(tool)),
            Content::Resource(resource) => self.resources.push(Arc::new(resource)),
            Content::Prompt(prompt) => self.prompts.push(Arc::new(prompt)),
            Content::Other => self.other_functions.push(name),
        }
        Ok(())
    }
}

/// The setting that takes the function away, if there is one. Of several of one name the last
/// counts.
///
/// Source: "How to disable functions in Azure Functions".
fn disabling_setting(function: &str, settings: &[(String, String)]) -> Option<String> {
    let name = format!("AzureWebJobs.{function}.Disabled");
    let (_, value) = settings.iter().rfind(|(setting, _)| same(setting, &name))?;
    (same(value, "true") || value == "1").then_some(name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::*;
    use crate::host_json::WebhookAuthorization;

    /// An app in a temporary folder.
    struct TestApp(TempDir);

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

            let app = Self(tempfile::tempdir().unwrap());
            fs::write(app.0.path().join("host.json"), host.to_string()).unwrap();
            fs::write(
                app.0.path().join("local.settings.json"),
                settings.to_string(),
            )
            .unwrap();
            app.add_function("HelloTool", &json!({ "bindings": [trigger] }));
            app
        }

        /// Adds a valid tool of the same name with one more binding, if that has members.
        fn add_tool(&self, name: &str, binding: Value) {
            let mut bindings = vec![json!({
                "type": "mcpToolTrigger",
                "direction": "in",
                "name": "mcpTrigger",
                "toolName": name,
                "description": "Another",
            })];
            if binding != json!({}) {
                bindings.push(binding);
            }
            self.add_function(name, &json!({ "bindings": bindings }));
        }

        fn add_function(&self, name: &str, content: &Value) {
            fs::create_dir(self.0.path().join(name)).unwrap();
            fs::write(
                self.0.path().join(name).join("function.json"),
                content.to_string(),
            )
            .unwrap();
        }

        /// Why the host does not start.
        fn problem(&self) -> String {
            AppFiles::load(&self.0).unwrap_err().to_string()
        }

        /// The only warning.
        fn warning(&self) -> String {
            match &AppFiles::load(&self.0).unwrap().warnings[..] {
                [warning] => warning.to_string(),
                others => panic!("{others:?}"),
            }
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
        assert_eq!(
            files.host.mcp.webhook_authorization,
            WebhookAuthorization::System
        );
        assert_eq!(files.warnings, []);
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
        let files = AppFiles::load_with_settings(&app.0, Platform::CoreTools, [own]).unwrap();
        assert_eq!(files.host.custom_handler.executable, "target/debug/handler");
        assert_eq!(files.host.custom_handler.arguments, ["--a", "b c"]);
        assert_eq!(files.host.function_timeout, Duration::from_millis(1500));
        assert_eq!(files.host.mcp.name, "Own");
    }

    type Change = fn(&mut Value, &mut Value, &mut Value);

    #[test]
    fn what_keeps_the_host_from_starting_is_refused_with_file_and_property() {
        let cases: [(Change, &str); 17] = [
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
                |_, _, trigger| trigger["toolProperties"] = json!("[{}]"),
                "bindings[0].toolProperties[0].propertyName",
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
                |_, _, trigger| trigger["toolProperties"] = json!("x"),
                "bindings[0].toolProperties: is not valid JSON",
            ),
            (
                |_, _, trigger| {
                    trigger["useWorkerInputSchema"] = json!(true);
                    trigger["inputSchema"] = json!("{\"type\":\"array\"}");
                },
                "bindings[0].inputSchema",
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
    fn a_function_that_the_host_leaves_out_is_left_out_alone_and_named() {
        let cases: [(Change, &str); 9] = [
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
                |_, _, trigger| trigger["metadata"] = json!("[]"),
                "bindings[0].metadata",
            ),
            (
                |_, _, trigger| trigger["inputSchema"] = json!({ "type": "object" }),
                "bindings[0].inputSchema: must be JSON within",
            ),
            (
                |_, _, trigger| trigger["outputSchema"] = json!({ "type": "object" }),
                "bindings[0].outputSchema: must be JSON within",
            ),
            (
                |_, _, trigger| trigger["metadata"] = json!({ "type": "object" }),
                "bindings[0].metadata: must be JSON within",
            ),
        ];
        for (change, expected) in cases {
            let app = TestApp::with(change);
            app.add_tool("Other", json!({}));
            let warning = app.warning();
            assert!(
                warning.starts_with("the host leaves HelloTool out: HelloTool/function.json: ")
                    && warning.contains(expected),
                "{warning} does not contain {expected}"
            );
            let files = AppFiles::load(&app.0).unwrap();
            assert_eq!(files.functions.len(), 1);
            assert_eq!(files.functions[0].name, "Other");
        }
    }

    #[test]
    fn what_the_host_starts_with_and_fails_to_call_is_served_with_a_warning() {
        let cases: [(Change, &str); 3] = [
            (
                |_, _, trigger| trigger["dataType"] = json!("binary"),
                "bindings[0].dataType",
            ),
            (
                |_, _, trigger| trigger["cardinality"] = json!("many"),
                "bindings[0].cardinality",
            ),
            (
                |host, _, _| {
                    host["extensions"] =
                        json!({ "mcp": { "system": { "webhookAuthorizationLevel": "None" } } })
                },
                "extensions.mcp.system.webhookAuthorizationLevel",
            ),
        ];
        for (change, expected) in cases {
            let app = TestApp::with(change);
            let warning = app.warning();
            assert!(warning.contains(expected), "{warning}");
            assert_eq!(AppFiles::load(&app.0).unwrap().functions.len(), 1);
        }
    }

    #[test]
    fn a_description_may_be_empty_but_not_missing() {
        let app = TestApp::with(|_, _, trigger| trigger["description"] = json!(""));
        assert_eq!(AppFiles::load(&app.0).unwrap().functions.len(), 1);
    }

    #[test]
    fn a_folder_whose_name_is_no_name_of_a_function_is_left_out() {
        let app = TestApp::with(|_, _, _| ());
        app.add_tool("Bad.Name", json!({}));
        assert!(
            app.warning()
                .contains("Bad.Name/function.json: its folder's name")
        );
    }

    #[test]
    fn a_property_binding_needs_a_description_and_whether_it_is_required() {
        let complete = json!({
            "type": "mcpToolProperty",
            "direction": "in",
            "name": "x",
            "propertyName": "x",
            "propertyType": "string",
            "description": "x",
            "isRequired": false,
        });
        for missing in ["description", "isRequired"] {
            let mut binding = complete.clone();
            binding.as_object_mut().unwrap().remove(missing);
            let app = TestApp::with(|_, _, _| ());
            app.add_tool("Other", binding);
            let warning = app.warning();
            assert!(
                warning.contains(&format!("bindings[1].{missing}")),
                "{warning}"
            );
        }
        let app = TestApp::with(|_, _, _| ());
        app.add_tool("Other", complete);
        let files = AppFiles::load(&app.0).unwrap();
        assert_eq!(files.functions[1].property_bindings[0].property, "x");
    }

    #[test]
    fn azure_never_sees_the_local_settings() {
        let app = TestApp::with(|_, settings, _| {
            settings["Values"] = json!({
                "AzureFunctionsJobHost__customHandler__description__defaultExecutablePath": "local",
                "AzureWebJobs.HelloTool.Disabled": "true",
            });
        });
        let files = AppFiles::load_with_settings(&app.0, Platform::Azure, []).unwrap();
        assert_eq!(files.host.custom_handler.executable, "handler");
        assert_eq!(files.functions.len(), 1);
        assert!(files.local_settings.is_empty());
        assert!(app.problem().contains("FUNCTIONS_WORKER_RUNTIME"));
    }

    #[test]
    fn a_setting_takes_a_function_away() {
        let app = TestApp::with(|_, settings, _| {
            settings["Values"]["AzureWebJobs.HelloTool.Disabled"] = json!("true");
        });
        assert!(
            app.warning()
                .contains("the setting AzureWebJobs.HelloTool.Disabled is true")
        );
        let own = ("AzureWebJobs.HelloTool.Disabled", "false");
        let files = AppFiles::load_with_settings(&app.0, Platform::CoreTools, [own]).unwrap();
        assert_eq!(files.functions.len(), 1);
    }

    #[test]
    fn resources_and_prompts_are_read_and_their_names_are_their_own() {
        let resource = |uri: &str| {
            json!({ "bindings": [{
                "type": "mcpResourceTrigger",
                "direction": "in",
                "name": "context",
                "uri": uri,
                "resourceName": "r",
            }] })
        };
        let prompt = |name: &str, arguments: &str| {
            json!({ "bindings": [{
                "type": "mcpPromptTrigger",
                "direction": "in",
                "name": "context",
                "promptName": name,
                "promptArguments": arguments,
            }] })
        };
        let app = TestApp::with(|_, _, _| ());
        app.add_function("A", &resource("test://x/{a}"));
        app.add_function("B", &resource("test://x/a"));
        app.add_function("C", &prompt("p", r#"[{"name":"a"}]"#));
        let files = AppFiles::load(&app.0).unwrap();
        assert_eq!(files.resources.len(), 2);
        assert!(files.resources[0].is_template() && !files.resources[1].is_template());
        assert_eq!(files.prompts[0].arguments.as_ref().unwrap().len(), 1);

        for (function, expected) in [
            (
                resource("TEST://x/A"),
                "also the resource of the function B",
            ),
            (
                resource("test://x/{b}"),
                "also the resource of the function A",
            ),
            (resource("relative/path"), "must be an absolute URI"),
            (resource("test://x/{a}{b}"), "between two parameters"),
            (prompt("P", "[]"), "also the prompt of the function C"),
            (prompt("q", "x"), "promptArguments: is not valid JSON"),
        ] {
            app.add_function("D", &function);
            let problem = app.problem();
            assert!(problem.starts_with("D/function.json"), "{problem}");
            assert!(problem.contains(expected), "{problem}");
            fs::remove_dir_all(app.0.path().join("D")).unwrap();
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
                json!([trigger, { "type": "queue", "direction": "out", "name": "q" }]),
                "bindings[1].type",
            ),
        ] {
            let app = TestApp::with(|_, _, _| ());
            app.add_function("Other", &json!({ "bindings": bindings }));
            let warning = app.warning();
            assert!(
                warning.contains(": Other/function.json: ") && warning.contains(expected),
                "{warning}"
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
