//! The parameters that users can set: main.bicep and main.parameters.json agree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::bicep;

/// The environment variable that sets each parameter, from main.parameters.json.
fn variables() -> BTreeMap<String, String> {
    let file: Value = serde_json::from_str(&crate::read("infra/main.parameters.json")).unwrap();
    assert_eq!(file["contentVersion"], "1.0.0.0");
    assert_eq!(
        file["$schema"],
        "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#"
    );
    file["parameters"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(parameter, setting)| {
            let keys: Vec<_> = setting.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["value"], "{parameter}");
            let value = setting["value"].as_str().unwrap();
            let variable = value
                .strip_prefix("${")
                .and_then(|rest| rest.strip_suffix('}'));
            (parameter.clone(), variable.unwrap().to_owned())
        })
        .collect()
}

#[test]
fn every_parameter_can_be_set_with_azd_env_set() {
    let main = bicep::file("main.bicep");
    let declared: BTreeSet<_> = main
        .parameters()
        .iter()
        .map(|parameter| parameter.name.to_owned())
        .collect();
    let settable: BTreeSet<_> = variables().into_keys().collect();
    assert_eq!(settable, declared);
}

#[test]
fn no_two_parameters_are_set_by_one_variable() {
    let variables = variables();
    let distinct: BTreeSet<_> = variables.values().collect();
    assert_eq!(distinct.len(), variables.len());
}

#[test]
fn azd_asks_for_nothing_but_environment_and_location() {
    let main = bicep::file("main.bicep");
    let required: Vec<_> = main
        .parameters()
        .into_iter()
        .filter(|parameter| !parameter.is_optional())
        .map(|parameter| parameter.name)
        .collect();
    assert_eq!(required, ["environmentName", "location"]);
    // azd sets these two by itself.
    let variables = variables();
    assert_eq!(variables["environmentName"], "AZURE_ENV_NAME");
    assert_eq!(variables["location"], "AZURE_LOCATION");
}

#[test]
fn tools_may_read_the_profile_unless_more_is_asked_for() {
    let main = bicep::file("main.bicep");
    let permissions = main
        .parameters()
        .into_iter()
        .find(|parameter| parameter.name == "delegatedPermissions");
    let by_default = main.string(permissions.unwrap().value()).unwrap();
    assert!(
        by_default.split(',').any(|name| name.trim() == "User.Read"),
        "{by_default}"
    );
}
