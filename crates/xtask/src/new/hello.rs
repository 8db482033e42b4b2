//! A project without HelloTool.

use super::{project::Project, text::replace_once};

const SOURCE: &str = "src/tools/hello.rs";

/// Removes HelloTool, unless the user already deleted it from the template.
pub fn leave_out(project: &mut Project) -> Result<(), String> {
    if !project.has(SOURCE) {
        return Ok(());
    }
    project.remove(SOURCE);
    project.remove("HelloTool/");
    project.change("src/tools/mod.rs", |text| {
        let text = replace_once(text, "\nmod hello;\n", "\n")?;
        let text = replace_once(&text, "\npub use hello::HelloTool;\n", "\n")?;
        let text = replace_once(&text, ".with(HelloTool)", "")?;
        Ok(one_empty_line_at_most(&text))
    })?;
    project.change_if_there("AGENTS.md", |text| {
        let text = replace_once(text, "`src/tools/hello.rs`, or like ", "")?;
        replace_once(&text, "\"name\":\"HelloTool\"", "\"name\":\"<NAME>\"")
    })
}

fn one_empty_line_at_most(text: &str) -> String {
    let mut text = text.to_owned();
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_lines_went_one_empty_line_stays() {
        assert_eq!(
            one_empty_line_at_most("a\n\n\n\n\nb\n\nc\n"),
            "a\n\nb\n\nc\n"
        );
    }
}
