//! azure.yaml agrees with the infrastructure that azd deploys to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::bicep::{self, descendants};

/// The part of azd's schema 1.0 that these tests read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AzureYaml {
    name: String,
    required_versions: BTreeMap<String, String>,
    services: BTreeMap<String, Value>,
    hooks: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Service {
    language: String,
    dist: String,
    hooks: BTreeMap<String, Value>,
}

/// Rejects misspelt properties.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hook {
    posix: Script,
    windows: Script,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    shell: String,
    run: String,
    #[serde(default)]
    interactive: bool,
}

fn azure_yaml() -> AzureYaml {
    serde_saphyr::from_str(&crate::read("azure.yaml")).unwrap()
}

/// The name of the service that azd deploys from this folder, and the service. An app may have others.
fn service() -> (String, Service) {
    let services = azure_yaml().services;
    let mut here = services
        .into_iter()
        .filter(|(_, service)| service["host"] == "function" && service["project"] == ".");
    let (name, service) = here.next().unwrap();
    assert!(here.next().is_none(), "two services are this folder");
    (name, serde_json::from_value(service).unwrap())
}

fn hook(hooks: &BTreeMap<String, Value>, name: &str) -> Hook {
    serde_json::from_value(hooks[name].clone()).unwrap()
}

#[test]
fn azd_knows_how_to_deploy_the_one_service() {
    let azure_yaml = azure_yaml();
    assert!(!azure_yaml.name.is_empty());
    // The first version with the language `custom`.
    assert_eq!(azure_yaml.required_versions["azd"], ">= 1.20.0");
    let (_, service) = service();
    assert_eq!(service.language, "custom");
    // azd resolves the path against the current directory, which must be the service's folder.
    assert_eq!(service.dist, "dist/mcp.zip");
}

#[test]
fn azd_packs_with_cargo_on_every_system_before_it_uploads() {
    let (_, service) = service();
    let Hook { posix, windows } = hook(&service.hooks, "prepackage");
    assert_eq!(
        (posix.shell.as_str(), windows.shell.as_str()),
        ("sh", "pwsh")
    );
    assert_eq!(
        (posix.run.as_str(), windows.run.as_str()),
        ("cargo xtask package", "cargo xtask package")
    );
    let ignored = crate::read(".gitignore");
    assert!(ignored.lines().any(|line| line == "/dist/"));
}

#[test]
fn azd_finds_the_function_app_by_the_tag_of_the_service() {
    let mut tagged = Vec::new();
    for file in bicep::files() {
        for object in descendants(file.top()) {
            if object.kind() == "object" {
                let properties = file.properties(object);
                let tags = properties
                    .iter()
                    .filter(|(name, _)| *name == "azd-service-name");
                tagged.extend(tags.map(|(_, value)| {
                    (file.name.clone(), file.string(*value).unwrap().to_owned())
                }));
            }
        }
    }
    let (service, _) = service();
    tagged.retain(|(_, tag)| *tag == service);
    assert_eq!(tagged, [("function-app.bicep".to_owned(), service)]);
    let main = bicep::file("main.bicep");
    let tags = main.properties(main.variable("tags").value());
    let (name, value) = tags[0];
    assert_eq!(
        (name, main.text(value)),
        ("azd-env-name", "environmentName")
    );
}

#[test]
fn what_users_are_told_after_provisioning_comes_from_outputs() {
    let Hook { posix, windows } = hook(&azure_yaml().hooks, "postprovision");
    // Without `interactive`, azd clears their output.
    assert!(posix.interactive && windows.interactive);
    assert_eq!(
        (posix.shell.as_str(), windows.shell.as_str()),
        ("sh", "pwsh")
    );

    let main = bicep::file("main.bicep");
    let outputs: BTreeSet<_> = main
        .outputs()
        .into_iter()
        .map(|output| output.name)
        .collect();
    let posix_variables = variables(&posix.run, "$");
    assert_eq!(posix_variables, variables(&windows.run, "${env:"));
    assert!(posix_variables.is_subset(&outputs), "{posix_variables:?}");

    let plain = |script: &str| script.replace("${env:", "$").replace('}', "");
    for line in [
        "/.auth/login/aad",
        "/runtime/webhooks/mcp",
        "systemKeys.mcp_extension",
    ] {
        let told = |script: &Script| {
            let lines = plain(&script.run);
            lines
                .lines()
                .find(|text| text.contains(line))
                .map(|text| text.trim().to_owned())
        };
        assert!(told(&posix).is_some(), "{line}");
        assert_eq!(told(&posix), told(&windows));
    }
}

/// The environment variables in a script.
fn variables<'a>(script: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    script
        .split(prefix)
        .skip(1)
        .map(|rest| {
            let end =
                rest.find(|character: char| character != '_' && !character.is_ascii_uppercase());
            &rest[..end.unwrap_or(rest.len())]
        })
        .collect()
}
