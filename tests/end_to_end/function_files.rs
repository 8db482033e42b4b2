//! The files that the Functions host and Core Tools read.

use handler::{mcp::function_json::function_json, tools};
use sandbox::functions_host::AppFiles;

use crate::support::root;

#[test]
fn the_host_accepts_the_apps_files_and_finds_every_tool() {
    let app = AppFiles::load(root()).unwrap();
    let found: Vec<_> = app
        .functions
        .iter()
        .map(|function| function.tool_name.as_str())
        .collect();
    let defined: Vec<_> = tools::registry()
        .definitions()
        .iter()
        .map(|tool| tool.name)
        .collect();
    assert_eq!(found, defined);
}

#[test]
fn function_json_is_what_the_tools_definition_says() {
    for tool in tools::registry().definitions() {
        let path = root().join(tool.name).join("function.json");
        let committed = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            committed,
            function_json(&tool).unwrap(),
            "run `cargo xtask functions`"
        );
    }
}

#[test]
fn core_tools_start_what_cargo_build_makes() {
    let app = AppFiles::load(root()).unwrap();
    assert_eq!(app.local_settings["FUNCTIONS_WORKER_RUNTIME"], "custom");
    assert_eq!(
        app.local_settings["AzureWebJobsStorage"],
        "UseDevelopmentStorage=true"
    );
    let executable = &app.local_settings["AzureFunctionsJobHost__customHandler__description__defaultExecutablePath"];
    assert_eq!(executable, "target/debug/handler");
}
