//! The handler's environment variables: Bicep or the platform sets each required one. An app may set others for its
//! tools.

use std::collections::BTreeMap;

use functions_mcp::names;

use crate::bicep::{self, descendants};

/// Set by the Functions host, App Service, or App Service Authentication.
const SET_BY_THE_PLATFORM: [&str; 5] = [
    "AZURE_FUNCTIONS_ENVIRONMENT",
    "FUNCTIONS_CUSTOMHANDLER_PORT",
    "IDENTITY_ENDPOINT",
    "WEBSITE_AUTH_CLIENT_ID",
    "WEBSITE_HOSTNAME",
];

/// Set only to override the handler's default.
const OPTIONAL: [&str; 6] = [
    "ACCEPT_ID_TOKENS",
    "ALLOWED_CLIENT_APPLICATIONS",
    "AZURE_TENANT_ID",
    "DEVELOPMENT_ALLOWED_HOSTS",
    "RUST_LOG",
    "TOOL_CALL_TIME_BUDGET_SECONDS",
];

/// Settings that Flex Consumption does not support: it refuses or misreads them.
const NOT_ON_FLEX_CONSUMPTION: [&str; 5] = [
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_RUNTIME",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_RUN_FROM_PACKAGE",
];

/// The app settings in function-app.bicep: their names and their expressions.
pub fn of_the_function_app() -> BTreeMap<String, String> {
    let file = bicep::file("function-app.bicep");
    let settings = file.resource("settings");
    assert_eq!(file.string(settings.property("name")), Some("appsettings"));
    descendants(settings.property("properties"))
        .into_iter()
        .filter(|node| node.kind() == "object")
        .flat_map(|object| file.properties(object))
        .map(|(name, value)| (name.to_owned(), file.text(value).to_owned()))
        .collect()
}

#[test]
fn what_the_handler_reads_is_what_bicep_writes_and_the_platform_sets() {
    let written = of_the_function_app();
    for name in names::ALL {
        let is_set = written.contains_key(name)
            || SET_BY_THE_PLATFORM.contains(&name)
            || OPTIONAL.contains(&name);
        assert!(is_set, "nobody sets {name}");
    }
    for name in SET_BY_THE_PLATFORM {
        assert!(!written.contains_key(name), "the platform sets {name}");
    }
    for name in SET_BY_THE_PLATFORM.into_iter().chain(OPTIONAL) {
        assert!(names::ALL.contains(&name), "nobody reads {name}");
    }
}

#[test]
fn nothing_is_set_that_flex_consumption_does_not_have() {
    let written = of_the_function_app();
    for name in NOT_ON_FLEX_CONSUMPTION {
        assert!(!written.contains_key(name), "{name}");
    }
}

#[test]
fn the_runtime_is_the_one_for_custom_handlers() {
    let file = bicep::file("function-app.bicep");
    let config = file.property(
        file.resource("site").property("properties"),
        "functionAppConfig",
    );
    let runtime = file.property(config, "runtime");
    assert_eq!(file.string(file.property(runtime, "name")), Some("custom"));
    // Azure accepts other versions too, but then never starts the app.
    assert_eq!(file.string(file.property(runtime, "version")), Some("1.0"));
}
