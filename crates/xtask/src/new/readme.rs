//! The project's README: a template, filled with those sections of this repository's README that apply to it too.

use super::{
    name::Name,
    project::Project,
    text::{between, replace_once},
};

/// The headings of these sections.
const SECTIONS: [&str; 5] = [
    "Add a tool",
    "Run it with Core Tools",
    "Deploy it",
    "Connect VS Code",
    "Settings",
];

/// Makes the README.
pub fn of(project: &Project, name: &Name, with_hello: bool) -> Result<String, String> {
    let template = project.text("README.md")?;
    let sections: Vec<_> = SECTIONS
        .iter()
        .map(|heading| section(&template, heading))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("README.md: {error}"))?;
    let mut sections = sections.join("\n\n");
    if !with_hello {
        sections = without_hello(&sections).map_err(|error| format!("README.md: {error}"))?;
    }
    let manifest = project.text("Cargo.toml")?;
    let rust = between(&manifest, "\nrust-version = \"", "\"")?;
    let tools = if with_hello {
        include_str!("templates/with-hello.md")
    } else {
        include_str!("templates/without-tools.md")
    };
    Ok(include_str!("templates/README.md")
        .replace("{name}", &name.to_string())
        .replace("{rust}", rust)
        .replace("{tools}", tools.trim_end())
        .replace("{sections}", &sections))
}

/// Returns a section with its heading.
fn section(page: &str, heading: &str) -> Result<String, String> {
    let opening = format!("\n## {heading}\n");
    let page = format!("{page}\n## ");
    Ok(format!(
        "## {heading}\n{}",
        between(&page, &opening, "\n## ")?.trim_end()
    ))
}

/// Removes HelloTool from the sections.
fn without_hello(sections: &str) -> Result<String, String> {
    let call = between(sections, "agent mode: `#HelloTool`.", "\n\n")?;
    let call = format!("agent mode: `#HelloTool`.{call}");
    let sections = replace_once(
        sections,
        &call,
        "agent mode: type `#`, and choose a tool of yours.",
    )?;
    replace_once(&sections, ", next to `hello.rs`", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let page = "# A\n\n## B\n\nb\n\n### C\n\nc\n\n## D\n\nd\n";
        assert_eq!(section(page, "B").unwrap(), "## B\n\nb\n\n### C\n\nc");
        assert_eq!(section(page, "D").unwrap(), "## D\n\nd");
        assert!(section(page, "C").is_err());
    }

    #[test]
    fn a_server_without_hello_tool_is_asked_for_another() {
        let sections = "In [`src/tools/`](src/tools), next to `hello.rs`.\n\n\
                        3. In agent mode: `#HelloTool`. It greets you by\n   name.\n\nMore.";
        assert_eq!(
            without_hello(sections).unwrap(),
            "In [`src/tools/`](src/tools).\n\n\
             3. In agent mode: type `#`, and choose a tool of yours.\n\nMore."
        );
        assert!(without_hello("3. In agent mode.").is_err());
    }
}
