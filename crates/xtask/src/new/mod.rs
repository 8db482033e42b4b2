//! `cargo xtask new`: a project of one's own, made of this repository's files.

mod hello;
mod maintainers;
mod name;
mod names;
mod project;
mod readme;
mod sources;
mod text;

use std::{
    env,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use self::{name::Name, project::Project};

/// The template's licence, whose notice must stay with every copy.
const LICENSE: &str = "LICENSE";
/// Its path in a project, whose own licence is its author's choice.
const TEMPLATE_LICENSE: &str = "LICENSE-template";

/// Options of `new`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder to write the project to: a new one, or an empty one
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The project's name, such as my-server; the folder's name unless given
    #[arg(long)]
    pub name: Option<Name>,
    /// Leave HelloTool out: a server without tools, ready for the first
    #[arg(long)]
    pub without_hello: bool,
}

/// Writes a project, and prints what to do next.
///
/// # Errors
/// Says what is wrong with the folder or the name, or what the template lacks.
pub fn run(root: &Path, arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let folder = &arguments.folder;
    must_be_vacant(folder)?;
    let name = match arguments.name {
        Some(name) => name,
        None => named_as(folder)?,
    };
    let project = make(root, &name, !arguments.without_hello)?;
    project
        .write(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    settle_lock(folder)?;
    println!("{}", next_steps(&name, folder));
    Ok(())
}

/// Makes the project from the template's files.
fn make(root: &Path, name: &Name, with_hello: bool) -> Result<Project, Box<dyn Error>> {
    let mut project = Project::of(root, sources::files(root)?);
    if project.has(TEMPLATE_LICENSE) {
        return Err(format!(
            "this is a project of its own already, as {TEMPLATE_LICENSE} shows: \
             run `cargo xtask new` in a clone of the template"
        )
        .into());
    }
    // Made first: it quotes the template's README and Cargo.toml.
    let readme = readme::of(&project, name, with_hello)?;
    names::set(&mut project, name)?;
    maintainers::leave_out(&mut project)?;
    if !with_hello {
        hello::leave_out(&mut project)?;
    }
    project.put("README.md", readme);
    project.rename(LICENSE, TEMPLATE_LICENSE)?;
    Ok(project)
}

fn must_be_vacant(folder: &Path) -> Result<(), Box<dyn Error>> {
    let shown = folder.display();
    let problem = match fs::read_dir(folder).map(|mut entries| entries.next()) {
        Ok(None) => return Ok(()),
        Ok(Some(_)) => "is not empty",
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => "is a file",
        Err(error) => return Err(format!("{shown}: {error}").into()),
    };
    Err(format!("{shown} {problem}: name a folder that does not exist yet").into())
}

/// Names the project after its folder.
fn named_as(folder: &Path) -> Result<Name, Box<dyn Error>> {
    let last = folder.file_name().unwrap_or_default().to_string_lossy();
    last.parse().map_err(|rule| {
        format!("the folder's name cannot be the project's: give one with --name; {rule}").into()
    })
}

/// Lets cargo sort Cargo.lock and remove the packages that are no longer needed, so that `--locked` works.
fn settle_lock(folder: &Path) -> Result<(), Box<dyn Error>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["update", "--workspace", "--offline", "--quiet"])
        .current_dir(folder)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "the project is in {}, but cargo refuses it: {}",
        folder.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    )
    .into())
}

fn next_steps(name: &Name, folder: &Path) -> String {
    format!(
        "Created {name} in {}. Next:\n\n    \
         cd {}\n    \
         git init\n    \
         cargo run -p sandbox    # Azure on this machine, with the server in it\n    \
         cargo test --workspace\n\n\
         README.md goes on from there: your own tools, and the deployment.",
        folder.display(),
        quoted(folder)
    )
}

/// Quotes a path for any shell, if it needs quotes.
fn quoted(path: &Path) -> String {
    let shown = path.display().to_string();
    if shown.contains(char::is_whitespace) {
        format!("\"{shown}\"")
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root;

    /// Whether this is the template with everything in it: its users may change any file.
    fn is_template() -> bool {
        root().join("workshop").is_dir() && !root().join(TEMPLATE_LICENSE).exists()
    }

    #[test]
    fn everything_that_is_to_be_changed_is_found_in_this_repository() {
        if !is_template() {
            return;
        }
        let name: Name = "a-new-server".parse().unwrap();
        for with_hello in [true, false] {
            let project = make(&root(), &name, with_hello).unwrap();
            assert_eq!(
                project.has("src/tools/hello.rs"),
                with_hello && root().join("src/tools/hello.rs").exists()
            );
            assert!(project.has(TEMPLATE_LICENSE) && !project.has(LICENSE));
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        must_be_vacant(folder.path()).unwrap();
        must_be_vacant(&folder.path().join("new")).unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let said = |path: &Path| must_be_vacant(path).unwrap_err().to_string();
        assert!(said(folder.path()).contains("is not empty: name a folder"));
        assert!(said(&file).contains("is a file: name a folder"));
    }

    #[test]
    fn the_folder_names_the_project_where_it_can() {
        assert_eq!(
            named_as(Path::new("../my-server")).unwrap().to_string(),
            "my-server"
        );
        let error = named_as(Path::new("My Server")).unwrap_err().to_string();
        assert!(error.contains("give one with --name"), "{error}");
        named_as(Path::new("..")).unwrap_err();
    }

    #[test]
    fn a_folder_with_a_blank_in_its_name_can_be_pasted() {
        assert_eq!(quoted(Path::new("../a b")), "\"../a b\"");
        assert_eq!(quoted(Path::new("../ab")), "../ab");
    }
}
