//! Checks the app's files, and what `func start` needs besides.

use std::{collections::BTreeMap, path::Path};

use function_app::AppFiles;
use functions_mcp::{Settings, ToolDefinition, names};

use super::{azurite::Azurite, finding::Finding};
use crate::functions;

/// The variable that overrides host.json's executable for Core Tools.
const EXECUTABLE: &str = "AzureFunctionsJobHost__customHandler__description__defaultExecutablePath";

/// Checks the app at `root`, which defines `tools`, and its storage.
pub async fn check(root: &Path, tools: &[ToolDefinition], azurite: &Azurite) -> Vec<Finding> {
    let mut findings = vec![function_files(root, tools)];
    let app = match AppFiles::load(root) {
        Ok(app) => app,
        Err(error) => {
            findings.push(Finding::fail(error.to_string(), "correct the file"));
            return findings;
        }
    };
    findings.push(Finding::ok(
        "the Functions host can read host.json and local.settings.json",
    ));
    findings.extend(
        app.warnings
            .iter()
            .map(|warning| Finding::fail(warning.to_string(), "correct the file or the setting")),
    );
    findings.push(settings(&app.local_settings));
    findings.push(handler(root, &app.host.custom_handler.executable));
    let storage = app.local_settings.get("AzureWebJobsStorage");
    if storage.is_some_and(|storage| storage == "UseDevelopmentStorage=true") {
        findings.extend(azurite.check().await);
    }
    findings
}

fn function_files(root: &Path, tools: &[ToolDefinition]) -> Finding {
    match functions::check(root, tools) {
        Ok(()) => Finding::ok("each tool has its function.json"),
        Err(error) => Finding::fail(error.to_string(), "cargo xtask functions"),
    }
}

/// Checks that the handler accepts the settings that Core Tools pass to it.
fn settings(local_settings: &BTreeMap<String, String>) -> Finding {
    let lookup = |name: &str| match name {
        names::PORT => Some("1".to_owned()),
        names::ENVIRONMENT => Some("Development".to_owned()),
        name => local_settings.get(name).cloned(),
    };
    match Settings::from_lookup(lookup) {
        Ok(_) => Finding::ok("the handler accepts the settings in local.settings.json"),
        Err(error) => Finding::fail(error.to_string(), "correct it in local.settings.json"),
    }
}

fn handler(root: &Path, executable: &str) -> Finding {
    if root.join(executable).is_file() {
        return Finding::ok(format!("the handler is built: {executable}"));
    }
    let text = format!("there is no {executable}");
    let on_windows = format!("{executable}.exe");
    if root.join(&on_windows).is_file() {
        // The host uses the name unchanged.
        Finding::warn(
            text,
            format!(
                "{EXECUTABLE} must be {on_windows}, as README.md has it; needed for `func start`"
            ),
        )
    } else {
        Finding::warn(text, "cargo build; needed for `func start`")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;
    use test_app::tools::registry;

    use super::*;
    use crate::doctor::{
        azurite::nowhere,
        finding::{Verdict, assert_found},
    };

    /// A copy of the test app's files, with the path of the handler as in a real app.
    fn app() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let tools = registry().definitions();
        let functions = tools
            .iter()
            .map(|tool| format!("{}/function.json", tool.name));
        for name in functions.chain(["host.json".to_owned(), "local.settings.json".to_owned()]) {
            let copy = folder.path().join(&name);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(test_app::root().join(name), copy).unwrap();
        }
        let built = "../../../../target/debug/test-handler";
        edit(&folder, "host.json", built, "target/debug/handler");
        folder
    }

    /// Replaces a part of one of the app's files.
    fn edit(app: &TempDir, name: &str, from: &str, to: &str) {
        let path = app.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    async fn examine(app: &TempDir) -> Vec<Finding> {
        check(app.path(), &registry().definitions(), &nowhere()).await
    }

    async fn assert_fault(app: &TempDir, text: &str, remedy: &str) {
        assert_found(&examine(app).await, Verdict::Fail, text, remedy);
    }

    #[tokio::test]
    async fn nothing_is_wrong_with_this_app() {
        let app = app();
        let findings = examine(&app).await;
        assert!(
            findings
                .iter()
                .all(|finding| finding.verdict != Verdict::Fail),
            "{findings:#?}"
        );
        assert_found(
            &findings,
            Verdict::Warn,
            "there is no target/debug/handler",
            "cargo build",
        );
        fs::create_dir_all(app.path().join("target/debug")).unwrap();
        fs::write(app.path().join("target/debug/handler.exe"), "").unwrap();
        let findings = examine(&app).await;
        assert_found(
            &findings,
            Verdict::Warn,
            "there is no target/debug/handler",
            "must be target/debug/handler.exe",
        );
        fs::write(app.path().join("target/debug/handler"), "").unwrap();
        let findings = examine(&app).await;
        assert_found(&findings, Verdict::Ok, "the handler is built", "");
    }

    #[tokio::test]
    async fn a_tool_without_its_function_json_is_found() {
        let app = app();
        let tool = registry().definitions()[0].name;
        fs::remove_file(app.path().join(tool).join("function.json")).unwrap();
        assert_fault(
            &app,
            &format!("{tool}/function.json"),
            "cargo xtask functions",
        )
        .await;
    }

    #[tokio::test]
    async fn a_host_json_that_the_host_refuses_is_found() {
        let app = app();
        edit(&app, "host.json", r#""2.0""#, r#""1.0""#);
        assert_fault(&app, "host.json", "correct the file").await;
    }

    #[tokio::test]
    async fn a_tool_that_the_host_leaves_out_is_found() {
        let app = app();
        let tool = registry().definitions()[0].name;
        let file = format!("{tool}/function.json");
        edit(&app, &file, "\"description\"", "\"explanation\"");
        let fault = format!("the host leaves {tool} out: {file}: bindings[0].description");
        assert_fault(&app, &fault, "correct the file").await;
    }

    #[tokio::test]
    async fn another_worker_runtime_is_found() {
        let app = app();
        edit(&app, "local.settings.json", r#""custom""#, r#""node""#);
        assert_fault(&app, "FUNCTIONS_WORKER_RUNTIME", "correct the file").await;
    }

    #[tokio::test]
    async fn missing_storage_is_found() {
        let app = app();
        edit(
            &app,
            "local.settings.json",
            "UseDevelopmentStorage=true",
            "",
        );
        assert_fault(&app, "AzureWebJobsStorage", "correct the file").await;
    }

    #[tokio::test]
    async fn a_setting_that_the_handler_refuses_is_found() {
        let app = app();
        edit(
            &app,
            "local.settings.json",
            r#""AZURE_TENANT_ID": """#,
            r#""AZURE_TENANT_ID": "contoso""#,
        );
        assert_fault(&app, "AZURE_TENANT_ID", "local.settings.json").await;
    }

    #[tokio::test]
    async fn azurite_is_not_asked_for_where_the_storage_is_another() {
        let app = app();
        edit(
            &app,
            "local.settings.json",
            "UseDevelopmentStorage=true",
            "AccountName=a",
        );
        let findings = examine(&app).await;
        assert!(
            findings
                .iter()
                .all(|finding| !finding.to_string().contains("Azurite")),
            "{findings:#?}"
        );
    }
}
