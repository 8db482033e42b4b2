//! Each Azure cloud: the infrastructure and the handler agree on its endpoints and audience.

use std::collections::BTreeSet;

use functions_mcp::Cloud;

use crate::bicep;

/// The clouds that the handler supports, from the error message for an unknown one.
fn handlers_clouds() -> BTreeSet<String> {
    let problem = "no such cloud".parse::<Cloud>().unwrap_err();
    let names = problem.strip_prefix("must be one of ").unwrap();
    names.split(", ").map(str::to_owned).collect()
}

#[test]
fn infrastructure_and_handler_know_the_same_clouds() {
    let file = bicep::file("clouds.bicep");
    let clouds = file.properties(file.variable("clouds").value());
    let names: BTreeSet<_> = clouds.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, handlers_clouds());

    for (name, endpoints) in clouds {
        let cloud: Cloud = name.parse().unwrap();
        let endpoint = |property| file.string(file.property(endpoints, property)).unwrap();
        assert_eq!(endpoint("authority"), cloud.authority(), "{name}");
        assert_eq!(endpoint("graphEndpoint"), cloud.graph(), "{name}");
        assert_eq!(
            endpoint("tokenExchangeAudience"),
            cloud.token_exchange_audience(),
            "{name}"
        );
        assert_eq!(file.properties(endpoints).len(), 3, "{name}");
    }
}

#[test]
fn the_clouds_parameter_offers_every_cloud() {
    let main = bicep::file("main.bicep");
    let parameter = main
        .parameters()
        .into_iter()
        .find(|parameter| parameter.name == "cloud")
        .unwrap();
    let offered: BTreeSet<_> = bicep::descendants(parameter.node)
        .into_iter()
        .filter_map(|node| main.string(node).map(str::to_owned))
        .collect();
    assert_eq!(offered, handlers_clouds());
}

#[test]
fn federated_credential_and_handler_are_given_the_same_audience_and_authority() {
    let main = bicep::file("main.bicep");
    let given = |module: &str, parameter: &str| {
        let parameters = main.module(module).property("params");
        main.text(main.property(parameters, parameter))
    };
    assert_eq!(
        given("entraApp", "tokenExchangeAudience"),
        given("functionApp", "tokenExchangeAudience")
    );
    assert_eq!(
        given("entraApp", "issuer"),
        given("authentication", "issuer")
    );
    let endpoints = given("functionApp", "endpoints");
    let issuer = main.text(main.variable(given("entraApp", "issuer")).value());
    assert_eq!(
        issuer,
        format!("'${{{endpoints}.authority}}/${{tenant().tenantId}}/v2.0'")
    );

    let entra = bicep::file("entra-app.bicep");
    let credential = entra.resource("managedIdentity");
    assert_eq!(
        entra.text(credential.property("audiences")),
        "[tokenExchangeAudience]"
    );
    assert_eq!(entra.text(credential.property("issuer")), "issuer");

    let settings = crate::app_settings::of_the_function_app();
    assert_eq!(settings["TokenExchangeAudience"], "tokenExchangeAudience");
    assert_eq!(settings["AZURE_AUTHORITY_HOST"], "endpoints.authority");
    assert_eq!(
        settings["MICROSOFT_GRAPH_ENDPOINT"],
        "endpoints.graphEndpoint"
    );
    assert_eq!(settings["AZURE_CLOUD"], "cloudName");
}
