//! The outputs of a deployment, which `azd env get-value` prints.

use std::collections::BTreeSet;

use crate::bicep::{self, descendants};

/// The outputs that the documentation lists and scripts rely on. An app may add more.
const PROMISED: [&str; 16] = [
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AUTH_ENABLED",
    "AUTH_REDIRECT_URI",
    "AZURE_FUNCTION_NAME",
    "AZURE_LOCATION",
    "AZURE_RESOURCE_GROUP_NAME",
    "AZURE_TENANT_ID",
    "CONFIGURED_REDIRECT_URIS",
    "CONFIGURED_SCOPES",
    "ENTRA_APPLICATION_ID",
    "ENTRA_APPLICATION_OBJECT_ID",
    "ENTRA_IDENTIFIER_URI",
    "ENTRA_SERVICE_PRINCIPAL_ID",
    "PRE_AUTHORIZED_CLIENT_IDS",
    "SERVICE_MCP_DEFAULT_HOSTNAME",
    "SERVICE_MCP_NAME",
];

#[test]
fn the_outputs_are_those_that_were_promised() {
    let main = bicep::file("main.bicep");
    let outputs: BTreeSet<_> = main
        .outputs()
        .into_iter()
        .map(|output| output.name)
        .collect();
    for output in PROMISED {
        assert!(outputs.contains(output), "{output}");
    }
}

#[test]
fn nothing_reads_a_secret_so_none_can_be_put_out() {
    for file in bicep::files() {
        for node in descendants(file.top()) {
            if node.kind() == "call_expression" {
                let text = file.text(node);
                let function = text.split('(').next().unwrap();
                let function = function.rsplit('.').next().unwrap();
                let reads_secret = function.starts_with("list") || function == "getSecret";
                assert!(!reads_secret, "{text} in {}", file.name);
            }
        }
        // An app may have secret settings of its own.
        let secure: BTreeSet<_> = file
            .parameters()
            .into_iter()
            .filter(|parameter| parameter.has_decorator("secure"))
            .map(|parameter| parameter.name)
            .collect();
        for declaration in file.outputs().into_iter().chain(file.variables()) {
            for node in descendants(declaration.node) {
                let is_secret = node.kind() == "identifier" && secure.contains(file.text(node));
                assert!(!is_secret, "{} in {}", declaration.name, file.name);
            }
        }
    }
}
