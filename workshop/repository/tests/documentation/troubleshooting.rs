//! `docs/troubleshooting.md`: its quotes are what the programs say, and it explains every outcome of a failed call.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{root, words_of_others::WORDS_OF_OTHERS};

const PAGE: &str = "docs/troubleshooting.md";

/// A text between backticks in the first column of a table.
struct Quote {
    section: String,
    text: String,
}

fn read_quotes() -> Vec<Quote> {
    let page = crate::read(PAGE);
    let mut section = String::new();
    let mut quotes = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut section);
        }
        let Some(row) = line.strip_prefix("| ") else {
            continue;
        };
        let cell = row.split(" | ").next().unwrap_or_default();
        quotes.extend(cell.split('`').skip(1).step_by(2).map(|text| Quote {
            section: section.clone(),
            text: text.to_owned(),
        }));
    }
    quotes
}

/// The source code of the handler, the sandbox and the maintenance commands, with its string literals as they are
/// printed. The app's tools are left out: their words are the user's.
fn read_source() -> String {
    let mut source = String::new();
    for folder in [
        "src",
        "crates/functions-mcp/src",
        "crates/sandbox/src",
        "crates/xtask/src",
    ] {
        append(&root().join(folder), "rs", &mut source);
    }
    // Examples in the documentation of code are no part of the programs.
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let source: String = source.split_inclusive('\n').filter(code).collect();
    let source = source.replace("\\\"", "\"");
    // A backslash at the end of a line continues the literal after the next line's indentation.
    let mut parts = source.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |joined, part| joined + part.trim_start())
}

/// Appends the text of all files with the extension in a folder.
fn append(folder: &Path, extension: &str, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path == root().join("src/tools") {
            continue;
        }
        if path.is_dir() {
            append(&path, extension, text);
        } else if path.extension().is_some_and(|found| found == extension) {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// Whether `source` contains the quoted text. The parts before and after a colon or `…` may come from different places.
fn is_said(source: &str, text: &str) -> bool {
    let mut parts = text.split('…').flat_map(|part| part.split(": "));
    parts.all(|part| source.contains(part.trim()))
}

/// Whether the text is another program's, with a source in [`WORDS_OF_OTHERS`].
fn is_said_by_others(text: &str) -> bool {
    let mut words = WORDS_OF_OTHERS.iter().flat_map(|(_, words)| *words);
    words.any(|word| *word == text)
}

#[test]
fn every_sentence_is_said_by_a_program_of_ours_or_has_a_source() {
    let source = read_source();
    let (others, ours): (Vec<_>, Vec<_>) = read_quotes()
        .into_iter()
        .partition(|quote| is_said_by_others(&quote.text));
    assert!(others.len() > 50, "{} sentences", others.len());
    assert!(ours.len() > 50, "{} sentences", ours.len());
    let unsaid: Vec<_> = ours
        .iter()
        .filter(|quote| !is_said(&source, &quote.text))
        .map(|quote| format!("{}: {}", quote.section, quote.text))
        .collect();
    assert!(unsaid.is_empty(), "nobody says:\n{}", unsaid.join("\n"));
}

#[test]
fn every_sentence_of_others_is_explained() {
    let page = crate::read(PAGE);
    for (source, words) in WORDS_OF_OTHERS {
        for words in words {
            assert!(page.contains(&format!("`{words}`")), "{words:?}, {source}");
        }
    }
}

#[test]
fn what_is_said_to_be_recorded_is_in_the_recordings() {
    let mut recordings = String::new();
    append(
        &root().join("crates/sandbox/recordings"),
        "json",
        &mut recordings,
    );
    // The extension escapes an apostrophe in JSON, and twice in JSON within JSON.
    let recordings = recordings.replace(r"\\u0027", "'").replace(r"\u0027", "'");
    let mut recorded = 0;
    for (source, words) in WORDS_OF_OTHERS {
        for words in words.iter().filter(|_| source.starts_with("recorded:")) {
            let mut parts = words.split('…');
            assert!(parts.all(|part| recordings.contains(part)), "{words:?}");
            recorded += 1;
        }
    }
    assert!(recorded > 0);
}

#[test]
fn so_is_every_sentence_that_other_pages_quote() {
    let source = read_source();
    let mut quoted = 0;
    for page in [
        "README.md",
        ".github/SECURITY.md",
        "docs/authorization.md",
        "docs/deploy.md",
        "docs/local-runs.md",
        "docs/permissions.md",
    ] {
        let prose = crate::read(page)
            .split("```")
            .step_by(2)
            .collect::<String>();
        let prose = prose.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_sentence = |text: &&str| text.ends_with('.') && text.contains(' ');
        for sentence in prose.split('`').skip(1).step_by(2).filter(is_sentence) {
            assert!(
                is_said_by_others(sentence) || is_said(&source, sentence),
                "{page}: nobody says {sentence:?}"
            );
            quoted += 1;
        }
    }
    assert!(quoted > 0);
}

#[test]
fn every_outcome_of_a_failed_call_is_explained() {
    let rows = crate::table_rows(PAGE);
    let explained: BTreeSet<_> = rows
        .iter()
        .filter_map(|row| row.get(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let source = read_source();
    let named = |opening| {
        let calls = source.split(opening).skip(1);
        calls.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
    };
    let outcomes: BTreeSet<_> = ["Failure::user(", "Failure::operator(", "Failure::wait("]
        .into_iter()
        .flat_map(named)
        .collect();
    assert!(outcomes.len() > 20, "{outcomes:?}");
    for outcome in outcomes {
        assert!(explained.contains(outcome), "{outcome}");
    }
}
