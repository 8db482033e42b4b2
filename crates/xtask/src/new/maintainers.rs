//! The files for the template's maintainers, which a project does not get.

use super::{
    project::Project,
    text::{replace_line, replace_once, without_lines},
};

/// Files and folders.
const LEFT_OUT: [&str; 6] = [
    ".ci/",
    ".github/CONTRIBUTING.md",
    ".github/workflows/",
    "docs/performance.md",
    "docs/performance/",
    "workshop/",
];

/// A link from `docs/` to the maintainers' folder, from the end of its text.
const LINK: &str = "](../workshop/";

/// Removes these files and what other files say about them, and adds a workflow for the project.
pub fn leave_out(project: &mut Project) -> Result<(), String> {
    for path in LEFT_OUT {
        project.remove(path);
    }
    project.put(
        ".github/workflows/ci.yml",
        include_str!("templates/ci.yml").to_owned(),
    );
    project.change("Cargo.toml", |text| {
        let text = replace_once(text, "\"[cw]*/*\"", "\"crates/*\"")?;
        without_lines(&text, "workshop/")
    })?;
    project.change(".gitignore", |text| without_lines(text, "workshop/"))?;
    project.change_if_there(".devcontainer/post-create.sh", |text| {
        let text = replace_line(text, "`.ci/run`", "# Python for zig.")?;
        replace_once(&text, " chromium python3-venv\n", " python3-venv\n")
    })?;
    project.change_if_there("AGENTS.md", |text| {
        let text = replace_once(text, " `.ci/run` runs all checks.", "")?;
        let text = replace_once(&text, "`crates/` or `workshop/` unless", "`crates/` unless")?;
        let generated = ",\n  `docs/performance.md` and `docs/performance/` (by the benchmark)";
        let text = replace_once(&text, generated, "")?;
        let map = "; the map is in [CONTRIBUTING.md](.github/CONTRIBUTING.md)";
        replace_once(&text, map, "")
    })?;
    let pages: Vec<_> = project
        .paths()
        .filter(|path| path.starts_with("docs/") && path.ends_with(".md"))
        .map(str::to_owned)
        .collect();
    for page in pages {
        if project.text(&page)?.contains(LINK) {
            project.change(&page, without_links)?;
        }
    }
    Ok(())
}

/// Removes from a page what links to the maintainers' folder: whole paragraphs, and examples in tables.
fn without_links(page: &str) -> Result<String, String> {
    let mut kept = Vec::new();
    for block in page.trim_end().split("\n\n") {
        if block.starts_with('|') {
            kept.push(without_examples(block)?);
        } else if !block.contains(LINK) {
            kept.push(block.to_owned());
        }
    }
    Ok(kept.join("\n\n") + "\n")
}

/// Removes `: [example](…)` from table rows.
fn without_examples(rows: &str) -> Result<String, String> {
    const EXAMPLE: &str = ": [example](../workshop/";
    let mut parts = rows.split(EXAMPLE);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once(')').ok_or("a link without an end")?;
        kept.push_str(rest);
    }
    if kept.contains(LINK) {
        return Err(format!("expected in tables only as {EXAMPLE:?}: {LINK:?}"));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_what_it_says_of_anything_else() {
        let page = "# A\n\n\
                    | a | b: [example](../workshop/clients/a.mjs) | c |\n| d | e | f |\n\n\
                    Kept.\n\n\
                    [`workshop/clients/run`](../workshop/clients/run) repeats it,\nand more.\n";
        let expected = "# A\n\n| a | b | c |\n| d | e | f |\n\nKept.\n";
        assert_eq!(without_links(page).unwrap(), expected);
    }

    #[test]
    fn a_link_of_another_kind_is_not_overlooked() {
        assert!(without_links("| [a](../workshop/b) |\n").is_err());
    }
}
