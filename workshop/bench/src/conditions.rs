//! The conditions that the figures depend on.

use std::{fs, process::Command};

use serde_json::Value;
use time::OffsetDateTime;

use crate::{comparison::Plan, program::Checkout, results::Conditions};

/// The conditions of a run that measures `plan`.
pub fn conditions(checkout: &Checkout, plan: Plan) -> Conditions {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Conditions {
        command: "cargo run --release -p bench".to_owned(),
        date: OffsetDateTime::now_utc().date().to_string(),
        machine: format!("{}, {cores} cores", processor()),
        system: system(),
        versions: versions(checkout),
        starts: plan.starts,
        rounds: plan.rounds,
        most_users: plan.most_users,
    }
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|name| name.split_once(':'))
        .map_or("an unknown processor", |(_, name)| name.trim())
        .to_owned()
}

/// Kernel and architecture, without the distributor's suffix of the kernel's version.
fn system() -> String {
    let kernel = first_line(Command::new("uname").args(["-s", "-r"]));
    let kernel = kernel.split('-').next().unwrap_or_default();
    format!("{kernel}, {}", std::env::consts::ARCH)
}

/// The versions of the compiler, the runtimes and the peers' direct dependencies.
fn versions(checkout: &Checkout) -> Vec<(String, String)> {
    let mut versions: Vec<(String, String)> = [
        ("Rust", first_line(Command::new("rustc").arg("--version"))),
        (
            "Node",
            first_line(Command::new(checkout.node()).arg("--version")),
        ),
        (
            "Python",
            first_line(Command::new("python3").arg("--version")),
        ),
    ]
    .map(|(name, version)| (name.to_owned(), version))
    .into();

    let peers = checkout.root().join("workshop/bench/peers");
    let package = fs::read_to_string(peers.join("node/package.json")).unwrap_or_default();
    let package: Value = serde_json::from_str(&package).unwrap_or_default();
    let npm = package["dependencies"].as_object().into_iter().flatten();
    versions.extend(npm.map(|(name, version)| {
        let version = version.as_str().unwrap_or_default();
        (name.clone(), version.to_owned())
    }));

    let requirements = fs::read_to_string(peers.join("python/requirements.in")).unwrap_or_default();
    versions.extend(requirements.lines().filter_map(|line| {
        let (name, version) = line.split_once("==")?;
        Some((name.to_owned(), version.to_owned()))
    }));
    versions
}

fn first_line(command: &mut Command) -> String {
    let output = command
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    text.lines().next().unwrap_or("unknown").to_owned()
}
