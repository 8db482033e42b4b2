//! The files that the Functions host and Core Tools read agree with the tools in the registry.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::Path};

use function_app::AppFiles;

/// The repository's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_host_accepts_the_apps_files_and_finds_every_tool() {
    let app = AppFiles::load(root()).unwrap();
    let found: BTreeSet<_> = app
        .functions
        .iter()
        .map(|function| function.tool_name.as_str())
        .collect();
    let tools = tools::registry().definitions();
    let defined: BTreeSet<_> = tools.iter().map(|tool| tool.name).collect();
    assert_eq!(found, defined, "run `cargo xtask functions`");
}

#[test]
fn function_json_is_what_the_tools_definition_says() {
    for tool in tools::registry().definitions() {
        let path = root().join(tool.name).join("function.json");
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            committed,
            tool.function_json().unwrap(),
            "run `cargo xtask functions`"
        );
    }
}

#[test]
fn core_tools_start_what_cargo_build_makes() {
    let app = AppFiles::load(root()).unwrap();
    let setting = |name| app.local_settings.get(name).map(String::as_str);
    assert_eq!(setting("FUNCTIONS_WORKER_RUNTIME"), Some("custom"));
    assert_eq!(
        setting("AzureFunctionsJobHost__customHandler__description__defaultExecutablePath"),
        Some("target/debug/handler")
    );
    // The MCP extension keeps a queue there.
    assert!(setting("AzureWebJobsStorage").is_some());
}
