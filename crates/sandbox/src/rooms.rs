//! Checks which rooms of the crate import which. A room is a module at the root of `src/`: a file, or a folder with
//! everything in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from top to bottom. A room imports those on lower rungs only: none on its own, none above.
const LADDER: &[&[&str]] = &[
    // The program around the library.
    &["terminal"],
    &["command_line"],
    // All parts together, and the comparison with the real host.
    &["replay", "sandbox"],
    // The parts that start servers and processes.
    &["cloud", "functions_host"],
    // One service each.
    &[
        "app_service_auth",
        "control",
        "developer_tools",
        "entra",
        "exchanges",
        "graph",
        "managed_identity",
    ],
    // Faults to inject into any service.
    &["faults"],
    // The state that the services share.
    &["tenant"],
    // Events, counts and people.
    &["directory", "events", "ledger"],
    // Tools.
    &["ca_certificate", "certificate", "html", "loopback"],
];

/// The rooms that know nothing of servers, ports and HTTP.
const WITHOUT_HTTP: [&str; 4] = ["directory", "events", "ledger", "tenant"];

/// The roots of the library and of the program, and this file.
const NO_ROOMS: [&str; 3] = ["lib", "main", "rooms"];

#[test]
fn every_room_imports_rooms_on_lower_rungs_only() {
    let rungs = rungs();
    let is_below = |imported: &str, room: &str| rungs.get(imported) > rungs.get(room);
    let mut wrong = Vec::new();
    for Source { room, path, text } in sources() {
        for imported in imported_rooms(&text) {
            if imported != room && !is_below(&imported, &room) {
                wrong.push(format!("{} imports {imported}", path.display()));
            }
        }
    }
    wrong.sort_unstable();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_stands_on_one_rung() {
    let rooms: BTreeSet<_> = sources().map(|source| source.room).collect();
    let on_the_ladder: BTreeSet<_> = rungs().into_keys().map(str::to_owned).collect();
    assert_eq!(rooms, on_the_ladder);
    assert_eq!(on_the_ladder.len(), LADDER.concat().len());
}

#[test]
fn rooms_are_imported_from_the_root_of_the_crate_only() {
    for Source { path, text, .. } in sources() {
        let is_own_module = path.ends_with("mod.rs");
        let depth = path.components().count() - usize::from(is_own_module);
        for line in text.lines() {
            // Inside a module of the file, such as its tests, `super` is the file itself.
            let limit = depth + usize::from(line.starts_with(' '));
            let chain = line.matches("super::").count();
            assert!(chain < limit, "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_tenant_needs_neither_servers_nor_ports() {
    for Source { room, path, text } in sources() {
        if WITHOUT_HTTP.contains(&&*room) {
            for word in ["actix", "hyper", "reqwest", "rustls", "std::net", "tokio"] {
                assert!(!text.contains(word), "{}: `{word}`", path.display());
            }
        }
    }
}

#[test]
fn imports_are_read_in_every_form() {
    let text = without_comments(
        "use crate::tenant::{Tenant, crate_like};\n\
         pub use crate::ledger::Endpoint;\n\
         use crate::{control, events::{Event, Party}, graph as msgraph};\n\
         let path = format!(\"{}\", crate::html::page());\n\
         /// See [`crate::cloud::Cloud`].\n\
         let other = my_crate::faults::Faults;\n",
    );
    let rooms = ["control", "events", "graph", "html", "ledger", "tenant"];
    assert_eq!(
        imported_rooms(&text),
        BTreeSet::from(rooms.map(str::to_owned))
    );
}

/// The rung of each room, counted from the top.
fn rungs() -> BTreeMap<&'static str, usize> {
    let rooms = |(rung, rooms): (usize, &'static &[&'static str])| {
        rooms.iter().map(move |room| (*room, rung))
    };
    LADDER.iter().enumerate().flat_map(rooms).collect()
}

/// A file of a room.
struct Source {
    room: String,
    /// Below `src/`.
    path: PathBuf,
    /// Without comments.
    text: String,
}

fn sources() -> impl Iterator<Item = Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    files_below(&root).into_iter().filter_map(move |file| {
        let path = file.strip_prefix(&root).unwrap().to_owned();
        let first = Path::new(path.iter().next().unwrap());
        let room = first.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = without_comments(&fs::read_to_string(&file).unwrap());
        (!NO_ROOMS.contains(&&*room)).then_some(Source { room, path, text })
    })
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files_below(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn without_comments(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |text, line| text + line + "\n")
}

/// The modules at the root that the text names: behind `crate::`, alone or in braces.
fn imported_rooms(text: &str) -> BTreeSet<String> {
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
