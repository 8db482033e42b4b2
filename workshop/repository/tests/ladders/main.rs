//! The rooms of a crate, and which imports which. A room is a module at the root of `src/`: a file, or a folder with
//! everything in it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ladder;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use ladder::{LADDERS, Ladder};
use sources::{Source, imported_rooms, read_sources, strip_comments};

/// Runs a check for every crate, then fails with what all of them found.
#[track_caller]
fn assert_no_faults(check: impl Fn(&Ladder) -> Vec<String>) {
    let mut faults = Vec::new();
    for ladder in &LADDERS {
        let found = check(ladder);
        faults.extend(
            found
                .into_iter()
                .map(|fault| format!("{}: {fault}", ladder.crate_name)),
        );
    }
    faults.sort_unstable();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_room_imports_rooms_on_lower_rungs_only() {
    assert_no_faults(|ladder| {
        let rungs = rungs(ladder);
        let is_below = |imported: &str, room: &str| rungs.get(imported) > rungs.get(room);
        let mut faults = Vec::new();
        for Source { room, path, text } in read_sources(ladder.crate_name) {
            for imported in imported_rooms(&text) {
                if imported != room && !is_below(&imported, &room) {
                    faults.push(format!("{} imports {imported}", path.display()));
                }
            }
        }
        faults
    });
}

#[test]
fn every_room_stands_on_one_rung() {
    assert_no_faults(|ladder| {
        let sources = read_sources(ladder.crate_name);
        let rooms: BTreeSet<&str> = sources.iter().map(|source| &*source.room).collect();
        let on_the_ladder: BTreeSet<&str> = rungs(ladder).into_keys().collect();
        let missing = rooms.difference(&on_the_ladder);
        let gone = on_the_ladder.difference(&rooms);
        let mut faults: Vec<_> = missing
            .map(|room| format!("{room} stands on no rung"))
            .chain(gone.map(|room| format!("there is no {room}")))
            .collect();
        if on_the_ladder.len() != ladder.rungs.concat().len() {
            faults.push("a room stands on two rungs".to_owned());
        }
        faults
    });
}

#[test]
fn rooms_are_imported_from_the_root_of_the_crate_only() {
    assert_no_faults(|ladder| {
        let mut faults = Vec::new();
        for Source { path, text, .. } in read_sources(ladder.crate_name) {
            let is_own_module = path.ends_with("mod.rs");
            let depth = path.components().count() - usize::from(is_own_module);
            for line in text.lines() {
                // Inside a module of the file, such as its tests, `super` is the file itself.
                let limit = depth + usize::from(line.starts_with(' '));
                if line.matches("super::").count() >= limit {
                    faults.push(format!("{}: {line}", path.display()));
                }
            }
        }
        faults
    });
}

#[test]
fn the_tenant_needs_neither_servers_nor_ports() {
    assert_no_faults(|ladder| {
        let mut faults = Vec::new();
        for Source { room, path, text } in read_sources(ladder.crate_name) {
            if ladder.without_http.contains(&&*room) {
                for word in ["actix", "hyper", "reqwest", "rustls", "std::net", "tokio"] {
                    if text.contains(word) {
                        faults.push(format!("{}: `{word}`", path.display()));
                    }
                }
            }
        }
        faults
    });
}

#[test]
fn imports_are_read_in_every_form() {
    let text = strip_comments(
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
fn rungs(ladder: &Ladder) -> BTreeMap<&'static str, usize> {
    let rooms = |(rung, rooms): (usize, &'static &[&'static str])| {
        rooms.iter().map(move |room| (*room, rung))
    };
    ladder.rungs.iter().enumerate().flat_map(rooms).collect()
}
