//! The files of an app, as they are read here, held against what the real host made of them
//! (`recordings/mcp-extension` of the sandbox: `odd` and `fatal`).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use function_app::{AppFiles, AppFilesError, Platform};
use serde_json::Value;

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sandbox/recordings")
}

fn recording(file: &str) -> Value {
    let text = fs::read_to_string(recordings().join("mcp-extension").join(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A recorded app's files as they are read here.
fn app(name: &str) -> Result<AppFiles, AppFilesError> {
    let folder = tempfile::tempdir().unwrap();
    for (file, content) in recording("apps.json")[name].as_object().unwrap() {
        let file = folder.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content.to_string()).unwrap();
    }
    let disabled = ("AzureWebJobs.DisabledSetting.Disabled", "true");
    AppFiles::load_with_settings(&folder, Platform::Azure, [disabled])
}

#[test]
fn the_functions_are_those_that_the_real_host_takes() {
    /// The names that a list of the real host held.
    fn recorded(file: &str, list: &str) -> Vec<String> {
        let answer = recording(file);
        let message = answer["response"]["sse"][0]["data"].as_str().unwrap();
        let message: Value = serde_json::from_str(message).unwrap();
        let entries = message["result"][list].as_array().unwrap();
        let name = |entry: &Value| entry["name"].as_str().unwrap().to_owned();
        entries.iter().map(name).collect()
    }
    let app = app("odd").unwrap();
    let tools: Vec<_> = app.functions.iter().map(|tool| &tool.tool_name).collect();
    let resources: Vec<_> = app.resources.iter().map(|one| &one.resource_name).collect();
    let prompts: Vec<_> = app
        .prompts
        .iter()
        .map(|prompt| &prompt.prompt_name)
        .collect();
    for (ours, file, list) in [
        (tools, "odd/tools-list.json", "tools"),
        (resources, "odd/resources-list.json", "resources"),
        (prompts, "odd/prompts-list.json", "prompts"),
    ] {
        assert_eq!(ours, recorded(file, list).iter().collect::<Vec<_>>());
    }
}

#[test]
fn the_apps_that_keep_the_host_down_are_those_that_keep_the_real_one_down() {
    let cases: Vec<_> = fs::read_dir(recordings().join("mcp-extension/fatal"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(cases.len(), 13);
    for file in cases {
        let case = file.strip_suffix(".json").unwrap();
        let is_down = recording(&format!("fatal/{file}"))["response"]["status"] == 503;
        let app = app(&format!("fatal-{case}"));
        assert_eq!(app.is_err(), is_down, "{case}: {app:?}");
    }
}
