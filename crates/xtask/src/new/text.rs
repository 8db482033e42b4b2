//! Edits that fail when the text is not as expected.

/// Replaces `from`, which must occur exactly once.
pub fn replace_once(text: &str, from: &str, to: &str) -> Result<String, String> {
    match text.matches(from).count() {
        1 => Ok(text.replacen(from, to, 1)),
        count => Err(format!("expected once, found {count} times: {from:?}")),
    }
}

/// Replaces the only line that contains `word`.
pub fn replace_line(text: &str, word: &str, line: &str) -> Result<String, String> {
    let mut found = text.lines().filter(|present| present.contains(word));
    match (found.next(), found.next()) {
        (Some(present), None) => replace_once(text, present, line),
        _ => Err(format!("expected in one line: {word:?}")),
    }
}

/// Removes the lines that contain `word`; there must be at least one.
pub fn without_lines(text: &str, word: &str) -> Result<String, String> {
    if !text.contains(word) {
        return Err(format!("expected, but not found: {word:?}"));
    }
    let lines = text.split_inclusive('\n');
    Ok(lines.filter(|line| !line.contains(word)).collect())
}

/// Returns the text between the first `before` and the next `after`.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> Result<&'a str, String> {
    text.split_once(before)
        .and_then(|(_, rest)| rest.split_once(after))
        .map(|(found, _)| found)
        .ok_or_else(|| format!("expected, but not found: {before:?} and then {after:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_or_there_twice_is_not_replaced() {
        assert_eq!(replace_once("a b", "b", "c").unwrap(), "a c");
        assert!(replace_once("a b", "c", "d").is_err());
        assert!(replace_once("a a", "a", "b").is_err());
    }

    #[test]
    fn a_line_is_found_by_a_word_of_it() {
        let text = "# a b\nc\n# d\n";
        assert_eq!(replace_line(text, "b", "# e").unwrap(), "# e\nc\n# d\n");
        assert!(replace_line(text, "#", "e").is_err());
        assert_eq!(without_lines(text, "#").unwrap(), "c\n");
        assert!(without_lines(text, "e").is_err());
    }

    #[test]
    fn what_stands_between_two_texts_is_found() {
        assert_eq!(between("name = \"a\"\n", "name = \"", "\"").unwrap(), "a");
        assert!(between("name = 'a'\n", "name = \"", "\"").is_err());
    }
}
