//! `docs/deploy.md`: every parameter, output and cloud is documented.

use std::collections::BTreeSet;

use functions_mcp::Cloud;
use serde_json::Value;

const PAGE: &str = "docs/deploy.md";

#[test]
fn the_documentation_has_every_cloud() {
    // The error message for an unknown cloud lists the supported ones.
    let problem = "no such cloud".parse::<Cloud>().unwrap_err();
    let names = problem.strip_prefix("must be one of ").unwrap();
    let rows = crate::table_rows(PAGE);
    for name in names.split(", ") {
        let cloud: Cloud = name.parse().unwrap();
        let row = [
            name,
            cloud.authority(),
            cloud.token_exchange_audience(),
            cloud.graph(),
        ];
        let row = row.map(|cell| format!("`{cell}`"));
        assert!(rows.iter().any(|cells| *cells == row), "{row:?}");
    }
}

#[test]
fn the_documentation_has_every_output() {
    let main = crate::read("infra/main.bicep");
    let outputs: BTreeSet<_> = main
        .lines()
        .filter_map(|line| line.strip_prefix("output ")?.split(' ').next())
        .collect();
    assert!(outputs.len() > 10, "{outputs:?}");
    let rows = crate::table_rows(PAGE);
    for output in outputs {
        let cell = format!("`{output}`");
        assert!(rows.iter().any(|row| row[0].contains(&cell)), "{output}");
    }
}

#[test]
fn the_documentation_has_every_parameter() {
    let file = crate::read("infra/main.parameters.json");
    let file: Value = serde_json::from_str(&file).unwrap();
    let rows = crate::table_rows(PAGE);
    for (parameter, setting) in file["parameters"].as_object().unwrap() {
        let variable = setting["value"].as_str().unwrap();
        let variable = variable.trim_start_matches("${").trim_end_matches('}');
        let cells = [variable, parameter].map(|name| format!("`{name}`"));
        assert!(rows.iter().any(|row| row.starts_with(&cells)), "{cells:?}");
    }
}
