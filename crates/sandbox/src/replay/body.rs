//! Bodies as recordings have them: whole, or the length, the digest and both ends of a long one.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// A body.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Body {
    /// The whole body. Bytes that are not UTF-8 were recorded as U+FFFD.
    Whole(String),
    /// A long body, whose middle repeats one character.
    Long {
        length: usize,
        sha256: String,
        start: String,
        end: String,
    },
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(String::new())
    }
}

impl Body {
    /// The bytes; those of a long body are rebuilt from its ends.
    ///
    /// # Errors
    /// When the rebuilt body has another digest than the recorded one.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Whole(text) => Ok(without_replacements(text)),
            Self::Long {
                length,
                sha256,
                start,
                end,
            } => {
                let filler = start.chars().next_back().unwrap_or('x').to_string();
                let missing = length.saturating_sub(start.len() + end.len());
                let text = format!("{start}{}{end}", filler.repeat(missing / filler.len()));
                if hex(&Sha256::digest(&text)) == *sha256 {
                    Ok(text.into_bytes())
                } else {
                    Err("the recorded body cannot be rebuilt from its ends".to_owned())
                }
            }
        }
    }

    /// Compares `bytes` with this body, if it is a long one.
    pub(super) fn compare_long(&self, bytes: &[u8]) -> Option<Result<(), String>> {
        match self {
            Self::Whole(_) => None,
            Self::Long { length, sha256, .. } => Some(
                if bytes.len() == *length && hex(&Sha256::digest(bytes)) == *sha256 {
                    Ok(())
                } else {
                    Err(format!(
                        "recorded {length} bytes, got {} others",
                        bytes.len()
                    ))
                },
            ),
        }
    }
}

/// The bytes behind U+FFFD, of which two kinds were recorded: the mark of UTF-16, and `é` in
/// ISO 8859-1.
fn without_replacements(text: &str) -> Vec<u8> {
    const REPLACEMENT: &str = "\u{fffd}";
    if let Some(rest) = text.strip_prefix("\u{fffd}\u{fffd}") {
        return [&[0xff, 0xfe], rest.as_bytes()].concat();
    }
    let mut bytes = Vec::new();
    for (index, part) in text.split(REPLACEMENT).enumerate() {
        if index > 0 {
            bytes.push(0xe9);
        }
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

/// A digest in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_body_is_rebuilt_and_checked() {
        let text = format!("{{\"a\":\"{}\"}}", "x".repeat(1000));
        let long = |sha256: String| Body::Long {
            length: text.len(),
            sha256,
            start: text[..20].into(),
            end: text[text.len() - 20..].into(),
        };
        let digest = hex(&Sha256::digest(&text));
        assert_eq!(long(digest.clone()).bytes().unwrap(), text.as_bytes());
        assert!(long("0".into()).bytes().is_err());
        let compared = long(digest).compare_long(text.as_bytes());
        assert_eq!(compared, Some(Ok(())));
    }
}
