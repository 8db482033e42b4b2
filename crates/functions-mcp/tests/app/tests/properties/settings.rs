//! The environment gives valid settings, or an error that names the variable at fault.

use std::collections::HashMap;

use functions_mcp::{
    Settings,
    internals::{CredentialSource, Identity, is_confidential},
    names,
};
use proptest::{
    collection::{hash_set, vec},
    prelude::*,
    sample::select,
};

use crate::support::{damaged, text};

/// Every variable, with a valid value.
const VARIABLES: [(&str, &str); 18] = [
    (names::PORT, "40000"),
    (names::ENVIRONMENT, "Production"),
    (names::CLIENT_ID, "33333333-2222-3333-4444-555555555555"),
    (
        names::MANAGED_IDENTITY_CLIENT_ID,
        "44444444-2222-3333-4444-555555555555",
    ),
    (
        names::ALLOWED_TENANTS,
        "11111111-2222-3333-4444-555555555555, 22222222-2222-3333-4444-555555555555",
    ),
    (
        names::DEFAULT_SCOPES,
        "api://contoso/mcp/user_impersonation",
    ),
    (names::TOKEN_EXCHANGE_AUDIENCE, "api://AzureADTokenExchange"),
    (names::HOSTNAME, "app.azurewebsites.net"),
    (names::IDENTITY_ENDPOINT, "http://127.0.0.1:41/msi/token"),
    (names::CLOUD, "AzureChinaCloud"),
    (names::AUTHORITY_HOST, "https://login.microsoftonline.com"),
    (names::GRAPH_ENDPOINT, "http://[::1]:8080/"),
    (
        names::DEVELOPER_TENANT,
        "55555555-2222-3333-4444-555555555555",
    ),
    (
        names::ALLOWED_CLIENTS,
        "66666666-2222-3333-4444-555555555555",
    ),
    (names::ACCEPT_ID_TOKENS, "false"),
    (
        names::DEVELOPMENT_ALLOWED_HOSTS,
        "box-7071.app.github.dev, 192.168.0.7",
    ),
    (names::CALL_BUDGET, "20"),
    (names::LOG_LEVEL, "debug"),
];

/// A variable with a value of any kind.
fn variable() -> impl Strategy<Value = (&'static str, String)> {
    select(&VARIABLES[..]).prop_flat_map(|(name, suitable)| {
        let value = prop_oneof![
            4 => damaged(suitable),
            2 => text(),
            1 => select(&["", " ", "0", "-1", "99999999999999999999", "Development"][..]).prop_map(str::to_owned),
        ];
        (Just(name), value)
    })
}

/// The variables that only an app in Azure has, and those that a developer's machine has instead.
const IN_AZURE_ONLY: [&str; 2] = [names::CLIENT_ID, names::IDENTITY_ENDPOINT];
const ON_A_LAPTOP: [(&str, &str); 2] = [
    (names::ENVIRONMENT, "Development"),
    (names::HOSTNAME, "localhost:7071"),
];

/// The environment of a deployed app or of a developer's machine, with a few variables removed and others changed.
fn environment() -> impl Strategy<Value = HashMap<&'static str, String>> {
    let unset = hash_set(select(&VARIABLES[..]), 0..3);
    let changed = vec(variable(), 0..3);
    (any::<bool>(), unset, changed).prop_map(|(in_azure, unset, changed)| {
        let set = VARIABLES.iter().filter(|variable| {
            !unset.contains(variable) && (in_azure || !IN_AZURE_ONLY.contains(&variable.0))
        });
        let laptop = ON_A_LAPTOP.iter().filter(|_| !in_azure);
        let suitable = set
            .chain(laptop)
            .map(|(name, value)| (*name, (*value).to_owned()));
        suitable.chain(changed).collect()
    })
}

fn is_set(environment: &HashMap<&str, String>, name: &str) -> bool {
    environment
        .get(name)
        .is_some_and(|value| !value.trim().is_empty())
}

proptest! {
    #[test]
    fn an_environment_of_any_kind_gives_sound_settings_or_names_the_variable_at_fault(
        environment in environment(),
    ) {
        match Settings::from_lookup(|name| environment.get(name).cloned()) {
            Ok(settings) => {
                prop_assert!(is_confidential(&settings.graph.url("/")));
                prop_assert!((1..=230).contains(&settings.call_budget.as_secs()));
                match &settings.identity {
                    Identity::Developer { .. } => {
                        for sign_of_azure in IN_AZURE_ONLY {
                            prop_assert!(!is_set(&environment, sign_of_azure));
                        }
                        let hostname = environment.get(names::HOSTNAME);
                        prop_assert!(!hostname.is_some_and(|name| name.contains("azure")));
                    }
                    Identity::Caller(caller) => {
                        prop_assert!(is_confidential(&caller.authority.url("/")));
                        prop_assert!(!caller.allowed_tenants.is_empty());
                        prop_assert!(caller.audiences.iter().all(|audience| !audience.is_empty()));
                        prop_assert!(!caller.scope.is_empty());
                    }
                }
                let _ = CredentialSource::new(&settings.identity);
            }
            Err(error) => {
                let message = error.to_string();
                let named = message.split(' ').next().unwrap_or_default();
                prop_assert!(VARIABLES.iter().any(|(name, _)| *name == named), "{}", message);
                prop_assert!(!message.contains(char::is_control), "{:?}", message);
            }
        }
    }
}
