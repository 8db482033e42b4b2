//! The name of a project.

use std::{fmt, str::FromStr};

/// The limit of crates.io, in characters.
const LONGEST: usize = 64;

/// A name that is valid for a cargo package, an MCP server, and an azd application and service.
///
/// azd's rule is the strictest: `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`, of two characters at least
/// ([schema of azure.yaml](https://raw.githubusercontent.com/Azure/azure-dev/main/schemas/v1.0/azure.yaml.json)).
/// cargo adds that a package name begins with a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_lower = |character: char| character.is_ascii_lowercase();
        let is_lower_or_digit = |character: char| is_lower(character) || character.is_ascii_digit();
        let is_name = (2..=LONGEST).contains(&text.len())
            && text.starts_with(is_lower)
            && text.ends_with(is_lower_or_digit)
            && text
                .chars()
                .all(|character| character == '-' || is_lower_or_digit(character));
        if is_name {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "a name has 2 to {LONGEST} lowercase letters, digits and hyphens, begins with a letter and ends with a \
                 letter or digit, such as my-server"
            ))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_to_cargo_mcp_and_azd() {
        let longest = "a".repeat(LONGEST);
        for name in ["my-server", "a1", "orders", longest.as_str()] {
            assert_eq!(name.parse::<Name>().unwrap().to_string(), name);
        }
        let too_long = "a".repeat(LONGEST + 1);
        for text in [
            "",
            "a",
            "1st",
            "-a",
            "a-",
            "My-server",
            "my_server",
            "my server",
            "größe",
            too_long.as_str(),
        ] {
            let error = text.parse::<Name>().unwrap_err();
            assert!(error.contains("lowercase letters, digits and hyphens"));
        }
    }
}
