//! Projects that `cargo xtask new` makes: they have one name, nothing for maintainers, and no dangling links.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// The repository's root.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Whether this is the template with everything in it: its users may change or delete what `new` needs.
fn is_template() -> bool {
    root().join("workshop").is_dir() && root().join("LICENSE").is_file()
}

fn xtask_new(arguments: &[&str], folder: &Path) -> Output {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.arg("new").arg(folder).args(arguments);
    xtask.output().unwrap()
}

/// A project and the folder that holds it.
struct Project {
    _parent: TempDir,
    root: PathBuf,
}

/// Makes both kinds of projects, unless this repository is a project itself.
fn projects() -> Vec<Project> {
    if !is_template() {
        return Vec::new();
    }
    let variants: [&[&str]; 2] = [&[], &["--without-hello"]];
    let make = |arguments: &[&str]| {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("a-new-server");
        let output = xtask_new(arguments, &root);
        assert!(output.status.success(), "{output:?}");
        Project {
            _parent: parent,
            root,
        }
    };
    variants.map(make).into()
}

impl Project {
    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    /// All files by their paths, with `/`.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        append(&self.root, &self.root, &mut files);
        files
    }

    fn has_hello(&self) -> bool {
        self.root.join("src/tools/hello.rs").exists()
    }

    fn cargo(&self, arguments: &[&str]) -> Output {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).current_dir(&self.root);
        cargo.output().unwrap()
    }
}

fn append(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            append(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            files.insert(name.replace('\\', "/"), fs::read(&path).unwrap());
        }
    }
}

#[test]
fn nothing_but_the_licence_and_the_crates_name_the_template() {
    for project in projects() {
        let mut naming = BTreeSet::new();
        for (path, content) in project.files() {
            // The crates are identical to the template's, so that a later version can replace them.
            if path.starts_with("crates/") {
                assert!(content == fs::read(root().join(&path)).unwrap(), "{path}");
            } else if String::from_utf8_lossy(&content).contains("functions-mcp-authorization") {
                naming.insert(path);
            }
        }
        assert_eq!(naming, BTreeSet::from(["LICENSE-template".to_owned()]));
        assert_eq!(
            project.read("LICENSE-template"),
            fs::read_to_string(root().join("LICENSE")).unwrap()
        );
    }
}

#[test]
fn what_maintainers_need_is_left_out() {
    for project in projects() {
        for path in [
            ".ci",
            ".github/CONTRIBUTING.md",
            "docs/performance",
            "docs/performance.md",
            "workshop",
        ] {
            assert!(!project.root.join(path).exists(), "{path}");
        }
        for path in [
            ".devcontainer/post-create.sh",
            ".gitignore",
            "AGENTS.md",
            "Cargo.toml",
            "README.md",
        ] {
            let text = project.read(path);
            assert!(
                !text.contains("workshop") && !text.contains(".ci/"),
                "{path}"
            );
        }
        let workflows = fs::read_dir(project.root.join(".github/workflows")).unwrap();
        assert_eq!(workflows.count(), 1);
        assert!(!project.read(".github/workflows/ci.yml").contains(".ci/"));
    }
}

#[test]
fn hello_tool_is_there_unless_it_is_left_out() {
    // A user of the template may have deleted it, and then its README says what that user wrote.
    if !root().join("src/tools/hello.rs").exists() {
        return;
    }
    for (project, has) in projects().iter().zip([true, false]) {
        assert_eq!(project.has_hello(), has);
        assert_eq!(project.root.join("HelloTool/function.json").exists(), has);
        let tools = project.read("src/tools/mod.rs").to_lowercase();
        assert_eq!(tools.contains("hello"), has, "{tools}");
        assert_eq!(project.read("README.md").contains("#HelloTool"), has);
        assert_eq!(project.read("AGENTS.md").contains("HelloTool"), has);
    }
}

#[test]
fn cargo_knows_the_project_and_has_nothing_to_change_in_its_lock_file() {
    for project in projects() {
        let output = project.cargo(&["metadata", "--offline", "--no-deps", "--format-version=1"]);
        assert!(output.status.success(), "{output:?}");
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let packages: BTreeSet<_> = metadata["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| package["name"].as_str().unwrap())
            .collect();
        assert!(packages.contains("a-new-server"), "{packages:?}");
        for named in project.read("README.md").split("cargo run -p ").skip(1) {
            let named = named.split_whitespace().next().unwrap();
            assert!(packages.contains(named.trim_matches('`')), "{named}");
        }
        let output = project.cargo(&["update", "--workspace", "--offline", "--locked"]);
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn every_link_in_the_documentation_leads_somewhere() {
    for project in projects() {
        let is_page = |path: &String| {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            path.ends_with(".md") && ["", ".github", "docs"].contains(&folder)
        };
        let files = project.files();
        for page in files.keys().filter(|path| is_page(path)) {
            for link in project.read(page).split("](").skip(1) {
                let link = link.split(')').next().unwrap();
                if link.contains("://") {
                    continue;
                }
                let (path, heading) = link.split_once('#').unwrap_or((link, ""));
                let folder = project.root.join(page).parent().unwrap().to_owned();
                let target = match path {
                    "" => project.root.join(page),
                    path => folder.join(path),
                };
                assert!(target.exists(), "{page}: {link}");
                if !heading.is_empty() {
                    let anchors = anchors(&fs::read_to_string(target).unwrap());
                    assert!(anchors.contains(heading), "{page}: {link}");
                }
            }
        }
    }
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = |letter: &char| letter.is_alphanumeric() || "-_ ".contains(*letter);
        text.chars()
            .filter(kept)
            .collect::<String>()
            .replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn what_cannot_be_made_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let new = folder.path().join("new");
    let said = |arguments: &[&str], folder: &Path| {
        let output = xtask_new(arguments, folder);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let not_empty = said(&["--name", "a-new-server"], folder.path());
    assert!(
        not_empty.contains("name a folder that does not exist yet"),
        "{not_empty}"
    );
    let no_name = said(&["--name", "My_Server"], &new);
    assert!(
        no_name.contains("lowercase letters, digits and hyphens"),
        "{no_name}"
    );
    if is_template() {
        let taken = said(&["--name", "serde"], &new);
        assert!(taken.contains("take another"), "{taken}");
    }
    assert!(!new.exists());
}
