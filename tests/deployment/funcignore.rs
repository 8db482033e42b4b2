//! `.funcignore`: a package made without `cargo xtask package` contains what Azure needs and nothing else.
//!
//! Programs read the file in two ways. `func pack` and `func azure functionapp publish` have a parser of their own
//! (Azure/azure-functions-core-tools, `GitIgnoreParser.cs` and `FileSystemHelpers.GetLocalFiles`, 3ee97a6); other
//! programs read it as git does.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use regex::Regex;

use crate::root;

/// Files that are not in the repository but may be in a developer's folder, and tools with unusual names.
const OTHER_FILES: [&str; 19] = [
    ".azure/config.json",
    ".azure/dev/.env",
    ".env",
    ".git/HEAD",
    "HelloTool/notes.md",
    "__blobstorage__/chunk",
    "a/function.json",
    "dist/mcp.zip",
    "examples/mail/function.json",
    "get-order/function.json",
    "get-order/test/function.json",
    "handler",
    "handler.exe",
    "local.settings.json",
    "node_modules/a/index.js",
    "search_people/function.json",
    "search_people/sample.json",
    "target/debug/build/function.json",
    "target/debug/handler",
];

/// Rules that git reads as intended and Core Tools do not.
const FOLDERS_BY_STAR: &str = "*\n!/host.json\n!/handler\n!/handler.exe\n!*/\n!/*/function.json\n";

/// The repository's files without generated ones, and [`OTHER_FILES`]; relative paths with `/`.
fn files() -> BTreeSet<String> {
    let mut files: BTreeSet<_> = OTHER_FILES.map(str::to_owned).into();
    append(root(), &mut files);
    files
}

fn append(folder: &Path, files: &mut BTreeSet<String>) {
    const GENERATED: [&str; 5] = [".git", ".venv", "dist", "node_modules", "target"];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if GENERATED.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            append(&path, files);
        } else {
            let relative = path.strip_prefix(root()).unwrap();
            files.insert(relative.to_str().unwrap().replace('\\', "/"));
        }
    }
}

/// The files that belong in a package. A tool is a top-level folder with a function.json, whatever its name.
fn package(files: &BTreeSet<String>) -> BTreeSet<String> {
    let belongs = |file: &&String| match file.split_once('/') {
        None => ["host.json", "handler", "handler.exe"].contains(&file.as_str()),
        Some((_, rest)) => rest == "function.json",
    };
    files.iter().filter(belongs).cloned().collect()
}

/// The files that `func` packs: those that an exception matches, and those that no other line matches. A line matches
/// the beginning of a path, up to a word boundary; `*` matches one or more characters of a name, `**` any characters;
/// everything else is literal. The order of the lines does not matter.
fn packed_by_func(funcignore: &str, files: &BTreeSet<String>) -> BTreeSet<String> {
    let lines = funcignore.lines().map(str::trim);
    let (exceptions, others): (Vec<_>, Vec<_>) = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .partition(|line| line.starts_with('!'));
    let matcher = |lines: &[&str]| {
        let patterns = lines.iter().map(|line| {
            let path = line.strip_prefix('!').unwrap_or(line);
            regex::escape(path.strip_prefix('/').unwrap_or(path))
                .replace(r"\*\*", ".+")
                .replace(r"\*", "[^/]+")
        });
        let patterns = patterns.collect::<Vec<_>>().join("|");
        Regex::new(&format!(r"^(?:{patterns})(?-u:\b)")).unwrap()
    };
    let (exceptions, others) = (matcher(&exceptions), matcher(&others));
    // Never packed, whatever the file says.
    let never = |file: &str| {
        let folders = [".git", ".vscode"];
        let names = [
            ".funcignore",
            ".gitignore",
            "local.settings.json",
            "project.lock.json",
        ];
        let mut path: Vec<_> = file.split('/').collect();
        let name = path.pop().unwrap_or_default();
        names.contains(&name) || path.iter().any(|folder| folders.contains(folder))
    };
    let packed =
        |file: &&String| !never(file) && (exceptions.is_match(file) || !others.is_match(file));
    files.iter().filter(packed).cloned().collect()
}

/// The files that git does not ignore.
fn packed_by_git(funcignore: &str, files: &BTreeSet<String>) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    for file in files.iter().filter(|file| !file.starts_with(".git/")) {
        let path = tree.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let exclude = folder.path().join("exclude");
    fs::write(&exclude, funcignore).unwrap();
    git(&tree, &["init", "--quiet"].map(PathBuf::from));
    let list = ["ls-files", "--others", "-z", "--exclude-from"].map(PathBuf::from);
    let output = git(&tree, &[&list[..], &[exclude]].concat());
    let names = output.split_terminator('\0');
    names.map(str::to_owned).collect()
}

/// The output of git in this folder, whatever repository the test runs in.
fn git(folder: &Path, arguments: &[PathBuf]) -> String {
    let mut git = Command::new("git");
    git.current_dir(folder).args(arguments);
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    let output = git.output().unwrap_or_else(|error| panic!("git: {error}"));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn core_tools_pack_what_azure_needs_and_nothing_else() {
    let files = files();
    let packed = packed_by_func(&crate::read(".funcignore"), &files);
    assert_eq!(packed, package(&files));
}

#[test]
fn who_reads_it_as_git_does_packs_the_same() {
    let files = files();
    let packed = packed_by_git(&crate::read(".funcignore"), &files);
    assert_eq!(packed, package(&files));
}

/// Observed with Core Tools 4.14.0.
#[test]
fn to_core_tools_an_exception_for_folders_is_one_for_all_files_in_them() {
    let files = files();
    assert_eq!(packed_by_git(FOLDERS_BY_STAR, &files), package(&files));
    let packed = packed_by_func(FOLDERS_BY_STAR, &files);
    for file in [".azure/dev/.env", "src/main.rs", "target/debug/handler"] {
        assert!(packed.contains(file), "{file}");
    }
    assert!(packed.len() > files.len() / 2, "{}", packed.len());
}

/// Observed with Core Tools 4.14.0, which here agree with git. The rule includes folders whose names end with `Tool`.
#[test]
fn core_tools_match_a_name_by_its_end() {
    let funcignore =
        "/*\n!/host.json\n!/handler\n!/handler.exe\n!/*Tool/\n/*Tool/*\n!/*Tool/function.json\n";
    let files = [
        "a/function.json",
        "handler",
        "host.json",
        "src/main.rs",
        "OneTool/function.json",
    ]
    .map(str::to_owned)
    .into();
    let expected = ["OneTool/function.json", "handler", "host.json"];
    let expected = expected.map(str::to_owned).into();
    assert_eq!(packed_by_func(funcignore, &files), expected);
    assert_eq!(packed_by_git(funcignore, &files), expected);
}
