//! The places where files hold the project's name.

use std::error::Error;

use serde_json::Value;

use super::{
    name::Name,
    project::Project,
    text::{between, replace_once},
};

const MANIFEST: &str = "Cargo.toml";
const LOCK: &str = "Cargo.lock";
const SERVICE: &str = "infra/function-app.bicep";

/// Gives the project this name.
///
/// # Errors
/// Fails when a crate of the project has the name, or a file does not hold the old name where it should.
pub fn set(project: &mut Project, name: &Name) -> Result<(), Box<dyn Error>> {
    let package = between(&project.text(MANIFEST)?, "\n[package]\nname = \"", "\"")?.to_owned();
    let tag = |service: &str| format!("'azd-service-name': '{service}'");
    let service = between(&project.text(SERVICE)?, "'azd-service-name': '", "'")?.to_owned();
    let name = name.to_string();
    let lock = project.text(LOCK)?;
    if lock.contains(&format!("\nname = \"{name}\"\n")) {
        return Err(format!(
            "{name} is the name of a crate that the project is made of: take another"
        )
        .into());
    }

    project.change(MANIFEST, |text| {
        let entry = |package| format!("\n[package]\nname = \"{package}\"\n");
        let text = replace_once(text, &entry(&package), &entry(&name))?;
        let tools = |package| format!("\ntools = {{ package = \"{package}\",");
        let text = replace_once(&text, &tools(&package), &tools(&name))?;
        // MIT is the licence of crates/; the project's own is its author's choice.
        replace_once(&text, "\nlicense.workspace = true\n", "\n")
    })?;
    // Other packages depend on it there too. Cargo sorts the entries afterwards.
    project.put(
        LOCK,
        lock.replace(&format!("\"{package}\""), &format!("\"{name}\"")),
    );
    project.change("host.json", |text| {
        set_string(text, "/extensions/mcp/serverName", &name)
    })?;

    // azd deploys the service to the resource that is tagged with its name.
    project.change(SERVICE, |text| {
        replace_once(text, &tag(&service), &tag(&name))
    })?;
    project.change("azure.yaml", |text| {
        let line = |name: &str| format!("\nname: {name}\n");
        let application = between(text, "\nname: ", "\n")?;
        let text = replace_once(text, &line(application), &line(&name))?;
        let key = |service: &str| format!("\nservices:\n  {service}:\n");
        replace_once(&text, &key(&service), &key(&name))
    })?;

    project.change_if_there(".devcontainer/devcontainer.json", |text| {
        set_string(text, "/name", &name)
    })?;
    project.change_if_there(".vscode/tasks.json", |text| {
        let option = |package| format!("\"profile.dev.package.{package}.debug=true\"");
        replace_once(text, &option(&package), &option(&name))
    })?;
    Ok(())
}

/// Sets a string in a JSON text, and keeps the formatting of the rest.
fn set_string(json: &str, pointer: &str, value: &str) -> Result<String, String> {
    let parsed: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let present = parsed
        .pointer(pointer)
        .filter(|present| present.is_string());
    let present = present.ok_or_else(|| format!("{pointer} is no string"))?;
    let key = pointer.rsplit('/').next().unwrap_or(pointer);
    let member = |value: &Value| format!("\"{key}\": {value}");
    replace_once(json, &member(present), &member(&value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_in_json_is_set_and_nothing_else() {
        let json = "{\n  \"name\": \"a\",\n  \"inner\": { \"name\": \"b\" }\n}\n";
        assert_eq!(
            set_string(json, "/inner/name", "c").unwrap(),
            json.replace("\"b\"", "\"c\"")
        );
        assert!(set_string(json, "/inner", "c").is_err());
        assert!(set_string(json, "/other", "c").is_err());
    }
}
