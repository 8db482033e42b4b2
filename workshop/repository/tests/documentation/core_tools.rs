//! `README.md`: its commands start Core Tools as the tasks of VS Code do.

use serde_json::Value;

/// The environment of the task `func start` on Windows, which has every variable.
fn environment() -> Value {
    let tasks: Value = serde_json::from_str(&crate::read(".vscode/tasks.json")).unwrap();
    let tasks = tasks["tasks"].as_array().unwrap();
    let task = tasks.iter().find(|task| task["label"] == "func start");
    task.unwrap()["windows"]["options"]["env"].clone()
}

#[test]
fn core_tools_survive_a_changed_file() {
    let name = "AzureFunctionsJobHost__SequentialRestart";
    let value = environment()[name].as_str().unwrap().to_owned();
    let readme = crate::read("README.md");
    let in_a_posix_shell = format!("{name}={value} func start\n");
    let in_powershell = format!("$env:{name} = \"{value}\"\n");
    for command in [in_a_posix_shell, in_powershell] {
        assert!(readme.contains(&command), "{command}");
    }
}

#[test]
fn core_tools_find_the_handler_that_cargo_builds() {
    let name = "AzureFunctionsJobHost__customHandler__description__defaultExecutablePath";
    let value = environment()[name].as_str().unwrap().to_owned();
    let in_powershell = format!("$env:{name} = \"{value}\"\n");
    assert!(
        crate::read("README.md").contains(&in_powershell),
        "{in_powershell}"
    );
}

#[test]
fn core_tools_are_ready_when_they_say_so() {
    let ready = "Worker process started and initialized.";
    assert!(crate::read("README.md").contains(ready));
}
