//! Checks whether Azure can run a package.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    archive::{self, EXECUTABLE, Entry, FILE},
    executable::{self, CLibrary},
};

/// The size budget of the executable, in bytes: every instance loads it before its first answer.
const EXECUTABLE_BUDGET: usize = 8 * 1024 * 1024;
/// The size budget of the package, in bytes: every new instance fetches it.
const PACKAGE_BUDGET: usize = 4 * 1024 * 1024;

/// The result of an inspection.
#[derive(Debug, Default)]
pub struct Inspection {
    /// The files in it.
    pub entries: Vec<Entry>,
    /// Where the handler finds the C library, if the package has a handler that can run.
    pub c_library: Option<CLibrary>,
    /// The faults that prevent the app from running.
    pub faults: Vec<String>,
    /// The causes of a slower start.
    pub warnings: Vec<String>,
}

/// Inspects a zip file that should hold the files with these names, among them `executable`.
pub fn inspect(zip: &[u8], names: &BTreeSet<String>, executable: &str) -> Inspection {
    let mut inspection = Inspection::default();
    match archive::read(zip) {
        Ok(entries) => inspection.entries = entries,
        Err(error) => {
            inspection
                .faults
                .push(format!("it cannot be read: {error}"));
            return inspection;
        }
    }
    inspection.check_names(names);
    inspection.check_permissions(executable);
    inspection.check_host_json(executable);
    inspection.check_executable(executable);
    if zip.len() > PACKAGE_BUDGET {
        inspection.warn_of_size("the package", zip.len(), PACKAGE_BUDGET);
    }
    inspection
}

impl Inspection {
    fn check_names(&mut self, names: &BTreeSet<String>) {
        let present: BTreeSet<_> = self
            .entries
            .iter()
            .map(|entry| entry.name.clone())
            .collect();
        let missing = names
            .difference(&present)
            .map(|name| format!("{name} is missing"));
        let superfluous = present
            .difference(names)
            .map(|name| format!("{name} does not belong in it"));
        self.faults.extend(missing.chain(superfluous));
    }

    fn check_permissions(&mut self, executable: &str) {
        for entry in &self.entries {
            let wanted = if entry.name == executable {
                EXECUTABLE
            } else {
                FILE
            };
            let fault = match entry.mode {
                Some(mode) if mode == wanted => continue,
                Some(mode) => format!("has the permissions {mode:04o} instead of {wanted:04o}"),
                None => "has no permissions for Linux: it was packed by a program that writes none"
                    .into(),
            };
            self.faults.push(format!("{} {fault}", entry.name));
        }
    }

    fn check_host_json(&mut self, executable: &str) {
        let Some(host) = self.entries.iter().find(|entry| entry.name == "host.json") else {
            return;
        };
        let host: Value = serde_json::from_slice(&host.content).unwrap_or_default();
        match host["customHandler"]["description"]["defaultExecutablePath"].as_str() {
            Some(path) if path == executable => {}
            Some(path) => self.faults.push(format!(
                "host.json starts {path:?}, but the executable is {executable:?}"
            )),
            None => self.faults.push(
                "host.json names no executable: customHandler.description.defaultExecutablePath"
                    .into(),
            ),
        }
    }

    fn check_executable(&mut self, executable: &str) {
        let Some(entry) = self.entries.iter().find(|entry| entry.name == executable) else {
            return;
        };
        let size = entry.content.len();
        match executable::c_library(&entry.content) {
            Ok(c_library) => self.c_library = Some(c_library),
            Err(fault) => self.faults.push(format!("{executable} {fault}")),
        }
        if size > EXECUTABLE_BUDGET {
            self.warn_of_size(executable, size, EXECUTABLE_BUDGET);
        }
    }

    fn warn_of_size(&mut self, what: &str, size: usize, budget: usize) {
        self.warnings.push(format!(
            "{what} is {}, over its budget of {}: new instances start later",
            super::size(size),
            super::size(budget)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::stand_in;

    const HOST: &[u8] = br#"{"customHandler":{"description":{"defaultExecutablePath":"handler"}}}"#;

    fn app() -> Vec<Entry> {
        vec![
            Entry::new("host.json", FILE, HOST.to_vec()),
            Entry::new("HelloTool/function.json", FILE, b"{}".to_vec()),
            Entry::new("handler", EXECUTABLE, stand_in::executable()),
        ]
    }

    fn inspection(entries: Vec<Entry>) -> Inspection {
        let names = app().into_iter().map(|entry| entry.name).collect();
        inspect(&archive::write(entries).unwrap(), &names, "handler")
    }

    /// The faults of the app after `change`.
    fn faults(change: impl FnOnce(&mut Vec<Entry>)) -> Vec<String> {
        let mut entries = app();
        change(&mut entries);
        inspection(entries).faults
    }

    #[test]
    fn a_right_package_has_no_faults() {
        let inspection = inspection(app());
        assert_eq!(inspection.faults, [""; 0]);
        assert_eq!(inspection.warnings, [""; 0]);
        assert_eq!(inspection.c_library, Some(CLibrary::Static));
    }

    #[test]
    fn a_missing_and_a_superfluous_file_are_named() {
        let faults = faults(|entries| entries[1].name = "local.settings.json".into());
        assert_eq!(
            faults,
            [
                "HelloTool/function.json is missing",
                "local.settings.json does not belong in it"
            ]
        );
    }

    #[test]
    fn a_handler_that_is_not_executable_is_found() {
        let faults = faults(|entries| entries[2].mode = Some(FILE));
        assert_eq!(faults, ["handler has the permissions 0644 instead of 0755"]);
    }

    #[test]
    fn a_package_without_linux_permissions_is_found() {
        let options = zip::write::SimpleFileOptions::default().system(zip::System::Dos);
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("handler", options).unwrap();
        let zip = zip.finish().unwrap().into_inner();
        let names = BTreeSet::from(["handler".to_owned()]);
        let faults = inspect(&zip, &names, "handler").faults;
        assert!(
            faults[0].starts_with("handler has no permissions for Linux"),
            "{faults:?}"
        );
    }

    #[test]
    fn host_json_must_start_the_handler() {
        let other = faults(|entries| {
            entries[0].content = HOST.to_ascii_lowercase();
        });
        assert!(
            other[0].starts_with("host.json names no executable"),
            "{other:?}"
        );
        let other = faults(|entries| {
            entries[0].content = String::from_utf8_lossy(HOST)
                .replace("\"handler\"", "\"bin/handler\"")
                .into();
        });
        assert_eq!(
            other,
            [r#"host.json starts "bin/handler", but the executable is "handler""#]
        );
    }

    #[test]
    fn a_handler_for_another_system_is_found() {
        let faults = faults(|entries| entries[2].content = b"MZ".to_vec());
        assert_eq!(
            faults,
            ["handler is not an executable for 64-bit Linux (ELF)"]
        );
    }

    #[test]
    fn sizes_over_budget_are_told_but_are_no_fault() {
        let mut entries = app();
        let noise = (0..EXECUTABLE_BUDGET).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 13) as u8);
        entries[2].content.extend(noise);
        let inspection = inspection(entries);
        assert_eq!(inspection.faults, [""; 0]);
        assert!(
            inspection.warnings[0].starts_with("handler is 8.0 MiB, over its budget of 8.0 MiB"),
            "{:?}",
            inspection.warnings
        );
    }

    #[test]
    fn what_is_no_zip_file_is_refused() {
        let faults = inspect(b"not a zip", &BTreeSet::new(), "handler").faults;
        assert!(faults[0].starts_with("it cannot be read"), "{faults:?}");
    }
}
