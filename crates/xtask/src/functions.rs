//! `cargo xtask functions`: one folder with a `function.json` for each tool, and none for tools that are gone.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use functions_mcp::ToolDefinition;

const FILE: &str = "function.json";

/// Makes the files what the tools' definitions demand.
pub fn write(root: &Path, tools: &[ToolDefinition]) -> Result<(), Box<dyn Error>> {
    for (path, text) in wanted(root, tools)? {
        if fs::read_to_string(&path).is_ok_and(|present| present == text) {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(&path, text)?;
        println!("wrote {}", shown(root, &path));
    }
    for path in superfluous(root, tools)? {
        fs::remove_file(&path)?;
        println!("removed {}", shown(root, &path));
        // The folder goes too, unless it holds something else.
        let _ = fs::remove_dir(path.parent().unwrap_or(root));
    }
    Ok(())
}

/// Fails when a file is missing, differs or belongs to no tool.
pub fn check(root: &Path, tools: &[ToolDefinition]) -> Result<(), Box<dyn Error>> {
    let mut wrong: Vec<_> = wanted(root, tools)?
        .into_iter()
        .filter(|(path, text)| fs::read_to_string(path).ok().as_ref() != Some(text))
        .map(|(path, _)| path)
        .collect();
    wrong.extend(superfluous(root, tools)?);
    if wrong.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = wrong.iter().map(|path| shown(root, path)).collect();
    Err(format!(
        "not as the tools define it: {}; run `cargo xtask functions`",
        names.join(", ")
    )
    .into())
}

fn wanted(root: &Path, tools: &[ToolDefinition]) -> Result<Vec<(PathBuf, String)>, Box<dyn Error>> {
    tools
        .iter()
        .map(|tool| Ok((root.join(tool.name).join(FILE), tool.function_json()?)))
        .collect()
}

/// `function.json` files in folders that no tool owns.
fn superfluous(root: &Path, tools: &[ToolDefinition]) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for folder in fs::read_dir(root)? {
        let folder = folder?;
        let is_tool = tools.iter().any(|tool| folder.file_name() == tool.name);
        let file = folder.path().join(FILE);
        if !is_tool && file.is_file() {
            files.push(file);
        }
    }
    Ok(files)
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}
