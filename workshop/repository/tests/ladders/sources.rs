//! The source files of a crate, and the rooms that they import.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The roots of a library and of a program.
const NO_ROOMS: [&str; 2] = ["lib", "main"];

/// A source file of a room.
pub struct Source {
    pub room: String,
    /// Relative to `src/`.
    pub path: PathBuf,
    /// Without comments.
    pub text: String,
}

/// Reads the source files of every room of the crate in `crates/<crate_name>`.
pub fn read_sources(crate_name: &str) -> Vec<Source> {
    let crates = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates"));
    let root = crates.join(crate_name).join("src");
    let read = |file: PathBuf| {
        let path = file.strip_prefix(&root).unwrap().to_owned();
        let first = Path::new(path.iter().next().unwrap());
        let room = first.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = strip_comments(&fs::read_to_string(&file).unwrap());
        (!NO_ROOMS.contains(&&*room)).then_some(Source { room, path, text })
    };
    list_files(&root).into_iter().filter_map(read).collect()
}

fn list_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => list_files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

pub fn strip_comments(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |text, line| text + line + "\n")
}

/// The modules at the crate's root that the text names: after `crate::`, alone or in braces.
pub fn imported_rooms(text: &str) -> BTreeSet<String> {
    let is_part_of_name = |char: char| char.is_alphanumeric() || char == '_';
    text.match_indices("crate::")
        .filter(|(at, _)| !text[..*at].ends_with(is_part_of_name))
        .flat_map(|(at, found)| first_names(&text[at + found.len()..]))
        .collect()
}

/// The first name of a path; of a list of paths in braces, the first name of each.
fn first_names(path: &str) -> Vec<String> {
    let name = |path: &str| -> String {
        let path = path.trim_start().chars();
        path.take_while(|char| char.is_alphanumeric() || *char == '_')
            .collect()
    };
    let Some(list) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut depth = 0;
    let mut at_start = vec![0];
    for (at, char) in list.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start.push(at + 1),
            _ => {}
        }
    }
    let names = at_start.into_iter().map(|at| name(&list[at..]));
    names.filter(|name| !name.is_empty()).collect()
}
