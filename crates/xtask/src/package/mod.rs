//! `cargo xtask package`: the zip file that azd deploys.

mod archive;
mod executable;
mod inspection;
#[cfg(test)]
mod stand_in;
mod target;
mod zigbuild;

use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use self::{
    archive::{EXECUTABLE, Entry, FILE},
    inspection::Inspection,
};
pub use self::{target::Target, zigbuild::missing};
use crate::{functions, programs::Programs};

/// The path of the package below the repository's root. Keep in step with azure.yaml.
const PACKAGE: &str = "dist/mcp.zip";
/// The handler's name in the package. Keep in step with host.json.
const HANDLER: &str = "handler";

/// Options of `package`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The target to build for, perhaps with a version of glibc, as in x86_64-unknown-linux-gnu.2.28
    #[arg(long, default_value_t = Target::Musl)]
    pub target: Target,
    /// The zip file to write, instead of dist/mcp.zip
    #[arg(long, value_name = "ZIP")]
    pub output: Option<PathBuf>,
    /// Build nothing; check this zip file
    #[arg(long, value_name = "ZIP", conflicts_with_all = ["target", "output"])]
    pub check: Option<PathBuf>,
}

/// Builds and writes the package, or checks one.
///
/// # Errors
/// Names the tools that are missing, or the faults of the package.
pub fn run(root: &Path, arguments: Arguments) -> Result<(), Box<dyn Error>> {
    if let Some(path) = arguments.check {
        let zip = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        return inspect(&zip, &path);
    }
    functions::check(root, &tools::registry().definitions())?;
    let handler = zigbuild::build(root, &Programs::on_path(), arguments.target)?;
    let zip = archive::write(contents(root, fs::read(handler)?)?)?;
    let path = arguments.output.unwrap_or_else(|| root.join(PACKAGE));
    inspect(&zip, &path)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, &zip).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The files that are deployed.
fn contents(root: &Path, handler: Vec<u8>) -> std::io::Result<Vec<Entry>> {
    let mut entries = vec![Entry::new(HANDLER, EXECUTABLE, handler)];
    for name in names().into_iter().filter(|name| name != HANDLER) {
        let content = fs::read(root.join(&name))?;
        entries.push(Entry::new(name, FILE, content));
    }
    Ok(entries)
}

/// The names of the files that are deployed.
fn names() -> BTreeSet<String> {
    let tools = tools::registry().definitions();
    let functions = tools
        .iter()
        .map(|tool| format!("{}/function.json", tool.name));
    functions
        .chain([HANDLER.to_owned(), "host.json".to_owned()])
        .collect()
}

/// Prints the files of a package and its faults.
fn inspect(zip: &[u8], path: &Path) -> Result<(), Box<dyn Error>> {
    let inspection = inspection::inspect(zip, &names(), HANDLER);
    println!(
        "{}: {}, SHA-256 {}",
        path.display(),
        size(zip.len()),
        sha256(zip)
    );
    for line in lines(&inspection) {
        println!("  {line}");
    }
    for warning in &inspection.warnings {
        eprintln!("warning: {warning}");
    }
    if inspection.faults.is_empty() {
        return Ok(());
    }
    let faults = inspection.faults.join("\n  ");
    Err(format!("Azure cannot run this package:\n  {faults}").into())
}

/// A line for each file of a package.
fn lines(inspection: &Inspection) -> Vec<String> {
    let widest = inspection
        .entries
        .iter()
        .map(|entry| entry.name.len())
        .max();
    let width = widest.unwrap_or_default();
    let line = |entry: &Entry| {
        let mode = entry
            .mode
            .map_or_else(|| "----".to_owned(), |mode| format!("{mode:04o}"));
        let size = size(entry.content.len());
        let note = match inspection.c_library {
            Some(c_library) if entry.name == HANDLER => format!("  {c_library}"),
            _ => String::new(),
        };
        format!("{:width$}  {mode}  {size:>9}{note}", entry.name)
    };
    inspection.entries.iter().map(line).collect()
}

/// Formats a number of bytes for people.
fn size(bytes: usize) -> String {
    const KIB: f64 = 1024.0;
    let amount = bytes as f64;
    if bytes < 1024 {
        format!("{bytes} B")
    } else if amount < KIB * KIB {
        format!("{:.1} KiB", amount / KIB)
    } else {
        format!("{:.1} MiB", amount / KIB / KIB)
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root;

    #[test]
    fn this_apps_package_holds_what_azure_needs_and_nothing_else() {
        let entries = contents(&root(), stand_in::executable()).unwrap();
        let zip = archive::write(entries.clone()).unwrap();
        assert_eq!(zip, archive::write(entries).unwrap());
        let inspection = inspection::inspect(&zip, &names(), HANDLER);
        assert_eq!(inspection.faults, [""; 0]);
        let lines = lines(&inspection);
        let handler = lines.iter().find(|line| line.starts_with("handler "));
        let columns: Vec<_> = handler.unwrap().split_whitespace().collect();
        assert_eq!(
            columns,
            "handler 0755 64 B statically linked"
                .split(' ')
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn azd_uploads_what_is_written_here() {
        let azure_yaml = fs::read_to_string(root().join("azure.yaml")).unwrap();
        assert!(azure_yaml.contains(&format!("dist: {PACKAGE}\n")));
        assert!(azure_yaml.contains("run: cargo xtask package\n"));
    }

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1024), "1.0 KiB");
        assert_eq!(size(1024 * 1024 - 1), "1024.0 KiB");
        assert_eq!(size(3 * 1024 * 1024 / 2), "1.5 MiB");
    }
}
