//! azure.yaml together with the infrastructure that azd deploys to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::bicep::{self, descendants};

/// The part of azd's schema, version 1.0, that this app uses: a misspelt property is one too many.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AzureYaml {
    name: String,
    required_versions: BTreeMap<String, String>,
    services: BTreeMap<String, Service>,
    hooks: BTreeMap<String, Hook>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    project: String,
    language: String,
    host: String,
    dist: String,
    hooks: BTreeMap<String, Hook>,
}

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

#[test]
fn azd_knows_how_to_deploy_the_one_service() {
    let azure_yaml = azure_yaml();
    assert_eq!(azure_yaml.name, env!("CARGO_PKG_NAME"));
    // The first with the language `custom`.
    assert_eq!(azure_yaml.required_versions["azd"], ">= 1.20.0");
    assert_eq!(azure_yaml.services.len(), 1);
    let service = &azure_yaml.services["mcp"];
    assert_eq!(
        (service.language.as_str(), service.host.as_str()),
        ("custom", "function")
    );
    // `dist` is taken from the current directory, so that must be the service's.
    assert_eq!(
        (service.project.as_str(), service.dist.as_str()),
        (".", "dist/mcp.zip")
    );
}

#[test]
fn azd_packs_with_cargo_on_every_system_before_it_uploads() {
    let azure_yaml = azure_yaml();
    let hooks = &azure_yaml.services["mcp"].hooks;
    assert_eq!(hooks.keys().collect::<Vec<_>>(), ["prepackage"]);
    let Hook { posix, windows } = &hooks["prepackage"];
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
    assert_eq!(
        tagged,
        [("function-app.bicep".to_owned(), "mcp".to_owned())]
    );
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
    let azure_yaml = azure_yaml();
    assert_eq!(
        azure_yaml.hooks.keys().collect::<Vec<_>>(),
        ["postprovision"]
    );
    let Hook { posix, windows } = &azure_yaml.hooks["postprovision"];
    // Without it, azd clears what they print.
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
        assert!(told(posix).is_some(), "{line}");
        assert_eq!(told(posix), told(windows));
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
