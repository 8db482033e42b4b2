//! Checks the tools that local runs and deployments need, and whether they are signed in.

use semver::Version;
use serde_json::Value;

use super::finding::Finding;
use crate::{
    package::{self, Target},
    programs::{NoAnswer, Programs},
};

/// The major version of Core Tools that runs this app.
const CORE_TOOLS: u64 = 4;
/// The oldest Core Tools with which the MCP extension runs
/// (<https://learn.microsoft.com/azure/azure-functions/functions-bindings-mcp>).
const OLDEST_CORE_TOOLS: Version = Version::new(4, 0, 7030);
/// The oldest Core Tools that listen on 127.0.0.1 only. Earlier ones listen on every interface, without sign-in.
const LOOPBACK_CORE_TOOLS: Version = Version::new(4, 14, 0);
/// The oldest azd that deploys this app. Keep in step with azure.yaml.
const OLDEST_AZD: Version = Version::new(1, 20, 0);

const INSTALL_CORE_TOOLS: &str =
    "npm install --global azure-functions-core-tools@4; needed for `func start`";
const INSTALL_AZ: &str = "see https://learn.microsoft.com/cli/azure/install-azure-cli; needed for local runs and deployments";
const INSTALL_AZD: &str = "see https://learn.microsoft.com/azure/developer/azure-developer-cli/install-azd; needed for deployments";

/// Checks the tools among `programs`.
pub fn check(programs: &Programs) -> Vec<Finding> {
    let mut findings = vec![core_tools(programs), azure_cli(programs)];
    findings.extend(azure_developer_cli(programs));
    findings.extend(cross_build(programs));
    findings
}

fn core_tools(programs: &Programs) -> Finding {
    let name = "the Azure Functions Core Tools";
    let version = match programs.output("func", &["--version"]) {
        Ok(version) => version,
        Err(reason) => return unusable(name, reason, INSTALL_CORE_TOOLS),
    };
    let text = format!("{name} are {version}");
    match Version::parse(&version) {
        Ok(version) if version.major != CORE_TOOLS => {
            Finding::fail(format!("{text}, not {CORE_TOOLS}"), INSTALL_CORE_TOOLS)
        }
        Ok(version) if version >= LOOPBACK_CORE_TOOLS => Finding::ok(text),
        Ok(version) if version >= OLDEST_CORE_TOOLS => Finding::warn(
            format!(
                "{text}, which listen on every network interface: anybody who can reach this machine can call the tools as you"
            ),
            format!("{INSTALL_CORE_TOOLS}, {LOOPBACK_CORE_TOOLS} or later"),
        ),
        _ => Finding::fail(
            format!("{text}, not {OLDEST_CORE_TOOLS} or later"),
            INSTALL_CORE_TOOLS,
        ),
    }
}

fn azure_cli(programs: &Programs) -> Finding {
    let arguments = ["account", "show", "--query", "user.name", "--output", "tsv"];
    match programs.output("az", &arguments) {
        Ok(user) => Finding::ok(format!("the Azure CLI is signed in as {user}")),
        Err(NoAnswer::Failed(reason)) => Finding::warn(
            format!("the Azure CLI is not signed in: {reason}"),
            "az login; needed for local runs and deployments",
        ),
        Err(missing) => unusable("the Azure CLI", missing, INSTALL_AZ),
    }
}

fn azure_developer_cli(programs: &Programs) -> Vec<Finding> {
    match programs.output("azd", &["version", "--output", "json"]) {
        Ok(version) => vec![
            azd_version(&version),
            azd_custom_language(programs),
            azd_sign_in(programs),
        ],
        Err(reason) => vec![unusable("the Azure Developer CLI", reason, INSTALL_AZD)],
    }
}

fn azd_version(answer: &str) -> Finding {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let version = answer["azd"]["version"]
        .as_str()
        .unwrap_or("of an unknown version");
    let text = format!("the Azure Developer CLI is {version}");
    match Version::parse(version) {
        Ok(version) if version >= OLDEST_AZD => Finding::ok(text),
        _ => Finding::fail(format!("{text}, not {OLDEST_AZD} or later"), INSTALL_AZD),
    }
}

fn azd_custom_language(programs: &Programs) -> Finding {
    match programs.output("azd", &["config", "list-alpha"]) {
        Ok(features) if is_off(&features, "language.custom") => Finding::fail(
            "azd refuses azure.yaml: its support for custom languages is off",
            "azd config set alpha.language.custom on",
        ),
        _ => Finding::ok("azd supports custom languages"),
    }
}

/// Whether `azd config list-alpha` lists the feature as off. It does not list released features.
fn is_off(features: &str, feature: &str) -> bool {
    let name = format!("Name: {feature}");
    features
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != name)
        .find_map(|line| line.strip_prefix("Status: "))
        .is_some_and(|status| status.eq_ignore_ascii_case("off"))
}

fn azd_sign_in(programs: &Programs) -> Finding {
    // The exit code is 0 in either case.
    let arguments = ["auth", "login", "--check-status", "--output", "json"];
    let status = programs.output("azd", &arguments).unwrap_or_default();
    let status: Value = serde_json::from_str(&status).unwrap_or_default();
    if status["status"] == "success" {
        Finding::ok("azd is signed in")
    } else {
        Finding::warn(
            "azd is not signed in",
            "azd auth login; needed for deployments",
        )
    }
}

fn cross_build(programs: &Programs) -> Vec<Finding> {
    let target = Target::Musl;
    let missing = package::missing(programs, target);
    if missing.is_empty() {
        return vec![Finding::ok(format!(
            "the handler can be built for {target}"
        ))];
    }
    missing
        .into_iter()
        .map(|what| {
            Finding::warn(
                format!("not installed: {what}"),
                format!("{}; needed for deployments", what.remedy()),
            )
        })
        .collect()
}

fn unusable(name: &str, reason: NoAnswer, install: &str) -> Finding {
    match reason {
        NoAnswer::Missing => Finding::warn(format!("not installed: {name}"), install),
        NoAnswer::Failed(reason) => {
            Finding::fail(format!("{name} cannot be run: {reason}"), install)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::{Verdict, assert_found};

    #[test]
    fn a_new_machine_lacks_tools_but_nothing_is_wrong() {
        let findings = check(&Programs::at(""));
        for (text, remedy) in [
            (
                "not installed: the Azure Functions Core Tools",
                "npm install",
            ),
            ("not installed: the Azure CLI", "https://"),
            ("not installed: the Azure Developer CLI", "https://"),
            ("not installed: cargo-zigbuild", "pip install"),
            ("not installed: zig", "pip install"),
            (
                "not installed: Rust's standard library for x86_64-unknown-linux-musl",
                "rustup target add",
            ),
        ] {
            assert_found(&findings, Verdict::Warn, text, remedy);
        }
        assert_eq!(findings.len(), 6, "{findings:#?}");
    }

    #[test]
    fn an_alpha_feature_is_off_only_if_azd_says_so() {
        let features = |status: &str| {
            format!(
                "Name: llm\nDescription: d\nStatus: Off\n\nName: language.custom\nDescription: d\nStatus: {status}\n\n\
                 Name: other\nDescription: d\nStatus: Off"
            )
        };
        assert!(is_off(&features("Off"), "language.custom"));
        assert!(!is_off(&features("On"), "language.custom"));
        assert!(!is_off(&features("Off"), "language.rust"));
    }

    #[cfg(unix)]
    mod with_programs {
        use super::*;
        use crate::programs::scripts;

        /// The findings for a machine that has everything, with one tool replaced.
        fn findings(name: &str, script: &str) -> Vec<Finding> {
            let azd = r#"case "$*" in
                version*) echo '{"azd":{"version":"1.24.1"}}' ;;
                "config list-alpha") printf 'Name: language.custom\nStatus: On\n' ;;
                "auth login"*) echo '{"status":"success"}' ;;
            esac"#;
            let mut all = vec![
                ("func", "echo 4.14.0"),
                ("az", "echo ada@contoso.example"),
                ("azd", azd),
                ("cargo-zigbuild", ""),
                ("zig", "echo 0.15.2"),
                ("rustc", "echo /"),
            ];
            all.retain(|(other, _)| *other != name);
            all.push((name, script));
            let folder = scripts(&all);
            check(&Programs::at(folder.path()))
        }

        #[test]
        fn a_machine_with_everything_is_all_green() {
            let findings = findings("another", "");
            for text in [
                "the Azure Functions Core Tools are 4.14.0",
                "the Azure CLI is signed in as ada@contoso.example",
                "the Azure Developer CLI is 1.24.1",
                "azd supports custom languages",
                "azd is signed in",
                "the handler can be built for x86_64-unknown-linux-musl",
            ] {
                assert_found(&findings, Verdict::Ok, text, "");
            }
            assert_eq!(findings.len(), 6, "{findings:#?}");
        }

        #[test]
        fn core_tools_without_the_mcp_extension_are_found() {
            for (script, text) in [
                ("echo 3.0.5", "are 3.0.5, not 4"),
                ("echo 4.0.6610", "are 4.0.6610, not 4.0.7030 or later"),
                ("echo 5.0.0-preview.3", "are 5.0.0-preview.3, not 4"),
                ("echo unknown", "are unknown, not 4.0.7030 or later"),
            ] {
                let findings = findings("func", script);
                assert_found(&findings, Verdict::Fail, text, "npm install");
            }
        }

        #[test]
        fn core_tools_that_let_the_network_in_are_told() {
            for script in ["echo 4.0.7030", "echo 4.2.1", "echo 4.13.2"] {
                let findings = findings("func", script);
                assert_found(
                    &findings,
                    Verdict::Warn,
                    "on every network interface",
                    "4.14.0 or later",
                );
            }
        }

        #[test]
        fn core_tools_that_do_not_run_are_found() {
            let findings = findings("func", "echo 'libicu is missing' >&2; exit 1");
            assert_found(
                &findings,
                Verdict::Fail,
                "cannot be run: libicu is missing",
                "npm install",
            );
        }

        #[test]
        fn a_signed_out_azure_cli_is_found() {
            let findings = findings(
                "az",
                "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1",
            );
            assert_found(
                &findings,
                Verdict::Warn,
                "the Azure CLI is not signed in: ERROR: Please",
                "az login",
            );
        }

        #[test]
        fn an_old_azd_is_found() {
            let findings = findings("azd", r#"echo '{"azd":{"version":"1.19.3"}}'"#);
            assert_found(
                &findings,
                Verdict::Fail,
                "is 1.19.3, not 1.20.0 or later",
                "install-azd",
            );
        }

        #[test]
        fn an_azd_that_would_refuse_azure_yaml_is_found() {
            let findings = findings("azd", r"printf 'Name: language.custom\nStatus: Off\n'");
            assert_found(
                &findings,
                Verdict::Fail,
                "custom languages is off",
                "azd config set alpha.language.custom on",
            );
        }

        #[test]
        fn a_signed_out_azd_is_found() {
            let findings = findings("azd", r#"echo '{"status":"unauthenticated"}'"#);
            assert_found(
                &findings,
                Verdict::Warn,
                "azd is not signed in",
                "azd auth login",
            );
        }

        #[test]
        fn a_missing_rust_target_is_found() {
            let findings = findings("rustc", "echo /nowhere");
            assert_found(
                &findings,
                Verdict::Warn,
                "standard library",
                "rustup target add x86_64-unknown-linux-musl",
            );
        }
    }
}
