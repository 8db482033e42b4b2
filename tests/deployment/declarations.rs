//! The checks of the Bicep files that need no Bicep compiler.

use std::collections::BTreeSet;

use crate::bicep::{self, descendants};

#[test]
fn every_file_is_well_formed() {
    for file in bicep::files() {
        for node in descendants(file.top()) {
            let line = node.start_position().row + 1;
            let text = file.text(node);
            assert!(
                !node.is_error() && !node.is_missing(),
                "{}, line {line}: {text:?}",
                file.name
            );
        }
    }
}

#[test]
fn every_parameter_and_every_output_is_described() {
    for file in bicep::files() {
        for declaration in file.parameters().into_iter().chain(file.outputs()) {
            let name = declaration.name;
            assert!(
                declaration.has_decorator("description"),
                "{} in {}",
                name,
                file.name
            );
        }
    }
}

#[test]
fn every_parameter_is_used() {
    for file in bicep::files() {
        let references = file.references();
        for parameter in file.parameters() {
            assert!(
                references.contains(parameter.name),
                "{} in {}",
                parameter.name,
                file.name
            );
        }
    }
}

#[test]
fn every_module_is_given_the_parameters_that_it_declares() {
    for file in bicep::files() {
        for module in file.modules() {
            let target = bicep::file(module.module_file());
            let given: BTreeSet<_> = file
                .properties(module.property("params"))
                .into_iter()
                .map(|(name, _)| name)
                .collect();
            let parameters = target.parameters();
            let declared: BTreeSet<_> = parameters.iter().map(|parameter| parameter.name).collect();
            let unknown: Vec<_> = given.difference(&declared).collect();
            assert!(unknown.is_empty(), "{} has no {unknown:?}", target.name);
            for parameter in parameters {
                let is_given = parameter.is_optional() || given.contains(parameter.name);
                assert!(is_given, "{} needs {}", target.name, parameter.name);
            }
        }
    }
}

#[test]
fn every_output_that_another_file_refers_to_exists() {
    for file in bicep::files() {
        for module in file.modules() {
            let target = bicep::file(module.module_file());
            let outputs: BTreeSet<_> = target
                .outputs()
                .into_iter()
                .map(|output| output.name)
                .collect();
            let prefix = format!("{}.outputs.", module.name);
            for node in descendants(file.top()) {
                let Some(output) = file.text(node).strip_prefix(&prefix) else {
                    continue;
                };
                if node.kind() == "member_expression" && !output.contains(['.', '[']) {
                    assert!(
                        outputs.contains(output),
                        "{} has no output {output}",
                        target.name
                    );
                }
            }
        }
    }
}
