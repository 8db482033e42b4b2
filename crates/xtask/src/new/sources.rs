//! The template's files that a project may contain.

use std::{error::Error, fs, path::Path};

use crate::programs::Programs;

/// Folders that builds, package managers, azd, Azurite and git create.
const MADE_BY_PROGRAMS: [&str; 8] = [
    ".azure",
    ".git",
    ".venv",
    "__blobstorage__",
    "__queuestorage__",
    "dist",
    "node_modules",
    "target",
];

/// Prefix of Azurite's files.
const AZURITE: &str = "__azurite_db";

/// Lists the files that git tracks or, in a download without git, all that no program created. Relative, with `/`.
pub fn files(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    // A download may lie inside another repository, which does not track it.
    let mut files = if root.join(".git").exists() {
        tracked(root)?
    } else {
        let mut all = Vec::new();
        append(root, "", &mut all)?;
        all
    };
    files.sort();
    Ok(files)
}

fn tracked(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut git = Programs::on_path()
        .command("git")
        .ok_or("git is missing: install it, or delete this repository's .git")?;
    let output = git.current_dir(root).args(["ls-files", "-z"]).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git ls-files: {}", said.trim()).into());
    }
    let names = String::from_utf8(output.stdout)?;
    let names = names.split_terminator('\0').map(str::to_owned);
    // git lists a deleted file until the deletion is staged.
    Ok(names.filter(|name| root.join(name).is_file()).collect())
}

fn append(root: &Path, folder: &str, files: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() {
            name.clone()
        } else {
            format!("{folder}/{name}")
        };
        if entry.file_type()?.is_dir() {
            if !MADE_BY_PROGRAMS.contains(&name.as_str()) {
                append(root, &path, files)?;
            }
        } else if !name.starts_with(AZURITE) {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_git_what_programs_made_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        for file in [
            "Cargo.toml",
            ".vscode/tasks.json",
            "src/tools/mod.rs",
            "target/debug/handler",
            "dist/mcp.zip",
            ".azure/dev/.env",
            "a/node_modules/b/index.js",
            "__azurite_db_blob__.json",
        ] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(
            files(root.path()).unwrap(),
            [".vscode/tasks.json", "Cargo.toml", "src/tools/mod.rs"]
        );
    }
}
