//! What VS Code reads: `mcp.json`, which names the servers that it connects to, and tasks, debug configurations and
//! recommended extensions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// With `false`, Core Tools start the new host before they stop the old one, which never stops.
const SEQUENTIAL_RESTART: &str = "AzureFunctionsJobHost__SequentialRestart";
const EXECUTABLE: &str = "AzureFunctionsJobHost__customHandler__description__defaultExecutablePath";

fn json_file(path: &str) -> Value {
    serde_json::from_str(&crate::read(path)).unwrap()
}

fn mcp_json() -> Value {
    json_file(".vscode/mcp.json")
}

fn texts<'a>(values: impl IntoIterator<Item = &'a Value>) -> Vec<&'a str> {
    values.into_iter().filter_map(Value::as_str).collect()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn there_is_a_remote_and_a_local_server() {
    let servers = &mcp_json()["servers"];
    assert_eq!(
        servers["remote-mcp-function"],
        json!({
            "type": "http",
            "url": "https://${input:functionapp-host}/runtime/webhooks/mcp",
            "headers": { "x-functions-key": "${input:functions-mcp-extension-system-key}" }
        })
    );
    assert_eq!(
        servers["local-mcp-function"],
        json!({ "type": "http", "url": "http://localhost:7071/runtime/webhooks/mcp" })
    );
}

#[test]
fn vs_code_asks_for_each_input_and_hides_the_key() {
    let mcp_json = mcp_json();
    let servers = mcp_json["servers"].to_string();
    let used: BTreeSet<_> = servers
        .split("${input:")
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap())
        .collect();
    let inputs = mcp_json["inputs"].as_array().unwrap();
    let asked: BTreeSet<_> = inputs
        .iter()
        .map(|input| input["id"].as_str().unwrap())
        .collect();
    assert_eq!(asked, used);
    for input in inputs {
        assert_eq!(input["type"], "promptString");
        assert!(input["description"].is_string());
        let is_key = input["id"].as_str().unwrap().ends_with("key");
        assert_eq!(input["password"] == true, is_key, "{input}");
    }
}

#[test]
fn every_task_that_another_needs_exists() {
    let tasks_json = json_file(".vscode/tasks.json");
    let tasks = array(&tasks_json["tasks"]);
    let labels = texts(tasks.iter().map(|task| &task["label"]));
    let distinct: BTreeSet<_> = labels.iter().collect();
    assert_eq!(distinct.len(), tasks.len(), "{labels:?}");

    let launch_json = json_file(".vscode/launch.json");
    let configurations = array(&launch_json["configurations"]);
    let ended = array(&tasks_json["inputs"])
        .iter()
        .map(|input| &input["args"]);
    let needed = tasks
        .iter()
        .flat_map(|task| array(&task["dependsOn"]))
        .chain(ended)
        .chain(configurations.iter().flat_map(|configuration| {
            [
                &configuration["preLaunchTask"],
                &configuration["postDebugTask"],
            ]
        }));
    let needed = texts(needed);
    assert!(!needed.is_empty());
    for label in needed {
        assert!(labels.contains(&label), "{label}");
    }
}

#[test]
fn the_debugger_waits_for_what_the_sandbox_prints() {
    let tasks_json = json_file(".vscode/tasks.json");
    let task = array(&tasks_json["tasks"])
        .iter()
        .find(|task| task["label"] == "sandbox for the debugger")
        .unwrap();
    let ready = task["problemMatcher"]["background"]["endsPattern"]
        .as_str()
        .unwrap();
    let banner = crate::read("crates/sandbox/src/terminal/banner.rs");
    assert!(banner.contains(ready), "{ready}");
}

/// The tasks that run Core Tools.
fn func_tasks(tasks_json: &Value) -> Vec<&Value> {
    let tasks: Vec<_> = array(&tasks_json["tasks"])
        .iter()
        .filter(|task| task["command"] == "func start")
        .collect();
    assert!(!tasks.is_empty());
    tasks
}

#[test]
fn core_tools_survive_a_changed_file() {
    let tasks_json = json_file(".vscode/tasks.json");
    for task in func_tasks(&tasks_json) {
        let common = &task["options"]["env"];
        let windows = &task["windows"]["options"]["env"];
        for environment in [common, windows] {
            assert_eq!(environment[SEQUENTIAL_RESTART], "false", "{task}");
        }
        // Correct whether VS Code merges the Windows variables with the common ones or replaces them.
        let common = common.as_object().unwrap();
        assert!(
            common.iter().all(|(name, value)| windows[name] == *value),
            "{task}"
        );
    }

    // Core Tools set the variable before they read these files.
    for file in ["local.settings.json", "host.json"] {
        assert!(!crate::read(file).contains("equentialRestart"), "{file}");
    }
}

/// The Functions host uses the executable's name unchanged: on Windows it must end with `.exe`.
#[test]
fn core_tools_find_the_handler_that_cargo_builds() {
    let local_settings = json_file("local.settings.json");
    let executable = local_settings["Values"][EXECUTABLE].as_str().unwrap();
    let on_windows = format!("{executable}.exe");
    let tasks_json = json_file(".vscode/tasks.json");
    for task in func_tasks(&tasks_json) {
        assert_eq!(task["options"]["env"][EXECUTABLE], Value::Null);
        let windows = &task["windows"]["options"]["env"];
        assert_eq!(windows[EXECUTABLE], on_windows, "{task}");
    }
}

#[test]
fn core_tools_are_ready_when_they_say_so() {
    let tasks_json = json_file(".vscode/tasks.json");
    let ready = "Worker process started and initialized.";
    for task in func_tasks(&tasks_json) {
        let background = &task["problemMatcher"]["background"];
        assert_eq!(task["isBackground"], true);
        assert_eq!(background["endsPattern"], ready.replace('.', "\\."));
    }
}

#[test]
fn the_debugger_finds_the_handler_that_cargo_builds_for_it() {
    for configuration in array(&json_file(".vscode/launch.json")["configurations"]) {
        let program = "${workspaceFolder}/target/debug/handler";
        assert_eq!(configuration["program"], program);
        assert_eq!(
            configuration["windows"]["program"],
            format!("{program}.exe")
        );
    }
    let tasks = crate::read(".vscode/tasks.json");
    let package = concat!(
        "profile.dev.package.",
        env!("CARGO_PKG_NAME"),
        ".debug=true"
    );
    assert!(tasks.contains(package), "{package}");
}

#[test]
fn the_dev_container_has_the_extensions_that_are_recommended() {
    let recommended = json_file(".vscode/extensions.json");
    let container = json_file(".devcontainer/devcontainer.json");
    let installed = &container["customizations"]["vscode"]["extensions"];
    assert!(!array(installed).is_empty());
    assert_eq!(recommended["recommendations"], *installed);
}
