//! `Json.NET` (Newtonsoft): a lenient reader, which takes texts that look like dates for dates.

use std::{fmt, io};

use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_json::{ser::Formatter, value::RawValue};

use super::{date::DateTime, number};

/// How deep JSON may be nested.
const MAX_DEPTH: usize = 64;

/// A value. Of repeated members, an object has the last.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::functions_host) enum Json {
    Null,
    Bool(bool),
    /// A whole number of any size, in digits.
    Integer(String),
    Float(f64),
    /// A text that was taken for a date.
    Date(DateTime),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads the value at the beginning of a text and ignores the rest. Accepts comments, strings in single quotes,
    /// names without quotes, `NaN` and trailing commas.
    ///
    /// # Errors
    /// Says what was expected.
    pub(in crate::functions_host) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut reader = Reader {
            rest: text.trim_start_matches('\u{feff}'),
        };
        reader.read_value(0)
    }

    /// The member of this name, in any case.
    pub(in crate::functions_host) fn member(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Object(members) => members
                .iter()
                .find(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// `ToString()`: scalars as .NET writes them, objects and lists as indented JSON.
    pub(in crate::functions_host) fn to_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(true) => "True".into(),
            Self::Bool(false) => "False".into(),
            Self::Integer(digits) => digits.clone(),
            Self::Float(number) => number::shortest(*number),
            Self::Date(date) => date.to_text(),
            Self::Text(text) => text.clone(),
            Self::Array(_) | Self::Object(_) => {
                write(self, serde_json::ser::PrettyFormatter::new()).unwrap_or_default()
            }
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = |text: String| RawValue::from_string(text).map_err(S::Error::custom);
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(digits) => raw(digits.clone())?.serialize(serializer),
            Self::Float(value) if value.is_finite() => {
                let mut text = number::shortest(*value);
                if !text.contains(['.', 'E']) {
                    text.push_str(".0");
                }
                raw(text)?.serialize(serializer)
            }
            Self::Float(value) => serializer.serialize_str(&number::shortest(*value)),
            Self::Date(date) => serializer.serialize_str(&date.to_iso()),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(values) => serializer.collect_seq(values),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// Writes a value without white space.
///
/// # Errors
/// Never for what can be written as JSON.
pub(in crate::functions_host) fn to_string(
    value: &(impl Serialize + ?Sized),
) -> serde_json::Result<String> {
    write(value, Separators)
}

fn write(
    value: &(impl Serialize + ?Sized),
    formatter: impl Formatter,
) -> serde_json::Result<String> {
    let mut text = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut text, formatter,
    ))?;
    String::from_utf8(text).map_err(serde_json::Error::custom)
}

/// Escapes three line separators that JSON does not require to be escaped.
struct Separators;

impl Formatter for Separators {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, separator)) = rest
            .char_indices()
            .find(|(_, character)| matches!(character, '\u{85}' | '\u{2028}' | '\u{2029}'))
        {
            writer.write_all(&rest.as_bytes()[..at])?;
            write!(writer, "\\u{:04x}", u32::from(separator))?;
            rest = &rest[at + separator.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::functions_host) struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not JSON: {}", self.0)
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn read_value(&mut self, depth: usize) -> Result<Json, Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed("the nesting is too deep"));
        }
        self.skip_blank()?;
        match self.rest.chars().next() {
            Some('{') => self.read_object(depth),
            Some('[') => self.read_array(depth),
            Some(quote @ ('"' | '\'')) => {
                let text = self.read_text(quote)?;
                Ok(DateTime::parse(&text).map_or(Json::Text(text), Json::Date))
            }
            Some(_) => self.read_word(),
            None => Err(Malformed("a value is missing")),
        }
    }

    fn read_object(&mut self, depth: usize) -> Result<Json, Malformed> {
        let mut members: Vec<(String, Json)> = Vec::new();
        self.take('{');
        loop {
            self.skip_blank()?;
            if self.take('}') {
                return Ok(Json::Object(members));
            }
            let name = match self.rest.chars().next() {
                Some(quote @ ('"' | '\'')) => self.read_text(quote)?,
                _ => self.take_bare_word().to_owned(),
            };
            self.skip_blank()?;
            if name.is_empty() || !self.take(':') {
                return Err(Malformed("a member has no name or no colon"));
            }
            let value = self.read_value(depth + 1)?;
            match members.iter_mut().find(|(other, _)| *other == name) {
                Some((_, former)) => *former = value,
                None => members.push((name, value)),
            }
            self.skip_blank()?;
            if !self.take(',') && !self.rest.starts_with('}') {
                return Err(Malformed("an object is not closed"));
            }
        }
    }

    fn read_array(&mut self, depth: usize) -> Result<Json, Malformed> {
        let mut values = Vec::new();
        self.take('[');
        loop {
            self.skip_blank()?;
            if self.take(']') {
                return Ok(Json::Array(values));
            }
            values.push(self.read_value(depth + 1)?);
            self.skip_blank()?;
            if !self.take(',') && !self.rest.starts_with(']') {
                return Err(Malformed("a list is not closed"));
            }
        }
    }

    /// Reads a string in either kind of quotes. Its escapes are those of JSON, and `\'`.
    fn read_text(&mut self, quote: char) -> Result<String, Malformed> {
        self.take(quote);
        let mut units: Vec<u16> = Vec::new();
        let mut characters = self.rest.chars();
        loop {
            let character = characters
                .next()
                .ok_or(Malformed("a string is not closed"))?;
            match character {
                _ if character == quote => break,
                '\\' => {
                    let escape = characters
                        .next()
                        .ok_or(Malformed("a string is not closed"))?;
                    let unescaped = match escape {
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        '"' | '\'' | '\\' | '/' => escape,
                        'u' => {
                            let digits: String = characters.by_ref().take(4).collect();
                            let unit = u16::from_str_radix(&digits, 16)
                                .map_err(|_| Malformed("an escape is unknown"))?;
                            units.push(unit);
                            continue;
                        }
                        _ => return Err(Malformed("an escape is unknown")),
                    };
                    units.extend(unescaped.encode_utf16(&mut [0; 2]).iter());
                }
                _ => units.extend(character.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        self.rest = characters.as_str();
        Ok(String::from_utf16_lossy(&units))
    }

    fn read_word(&mut self) -> Result<Json, Malformed> {
        let word = self.take_bare_word();
        Ok(match word {
            "null" | "undefined" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            "NaN" => Json::Float(f64::NAN),
            "Infinity" => Json::Float(f64::INFINITY),
            "-Infinity" => Json::Float(f64::NEG_INFINITY),
            _ => {
                let digits = word.strip_prefix('-').unwrap_or(word);
                if digits.is_empty() {
                    return Err(Malformed("a value is missing"));
                }
                if digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    // -0 is 0 as a whole number.
                    let zero = digits.bytes().all(|byte| byte == b'0');
                    Json::Integer(if zero { "0".into() } else { word.into() })
                } else {
                    Json::Float(
                        word.parse()
                            .map_err(|_| Malformed("a bare word is unknown"))?,
                    )
                }
            }
        })
    }

    fn take_bare_word(&mut self) -> &'a str {
        let is_part = |character: char| {
            character.is_alphanumeric() || matches!(character, '+' | '-' | '.' | '_' | '$')
        };
        let end = self
            .rest
            .find(|character| !is_part(character))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// Skips white space and comments.
    fn skip_blank(&mut self) -> Result<(), Malformed> {
        loop {
            self.rest = self.rest.trim_start();
            if let Some(comment) = self.rest.strip_prefix("//") {
                self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                let (_, rest) = comment
                    .split_once("*/")
                    .ok_or(Malformed("a comment is not closed"))?;
                self.rest = rest;
            } else {
                return Ok(());
            }
        }
    }

    fn take(&mut self, character: char) -> bool {
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        to_string(&Json::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn more_than_json_is_accepted() {
        for (text, json) in [
            ("\u{feff}{\"a\":1}", r#"{"a":1}"#),
            (
                "/* c */ {a:'x\\'\"', // d\n \"b\":[1,],} more",
                r#"{"a":"x'\"","b":[1]}"#,
            ),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#""\ud83d\ude00\u00fc""#, r#""😀ü""#),
        ] {
            assert_eq!(rewritten(text), json, "{text}");
        }
    }

    #[test]
    fn less_than_json_is_refused() {
        for text in [
            "", "{", "[1", "{\"a\"}", "{\"a\":}", "\"x", "\"\\x\"", "word", "-", "/* c",
        ] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn numbers_lose_their_spelling_unless_they_are_whole() {
        assert_eq!(
            rewritten(
                "[1, -0, 1.50, 1e2, 12345678901234567890, 1e400, 1e-400, 3.14159265358979323846]"
            ),
            r#"[1,0,1.5,100.0,12345678901234567890,"Infinity",0.0,3.141592653589793]"#
        );
    }

    #[test]
    fn a_date_is_moved_to_utc() {
        assert_eq!(
            rewritten(r#"["2026-01-02","2026-01-02T03:04:05.1234567+02:00"]"#),
            r#"["2026-01-02","2026-01-02T01:04:05.1234567+00:00"]"#
        );
    }

    #[test]
    fn a_value_becomes_text_as_net_writes_it() {
        for (json, text) in [
            ("null", ""),
            ("true", "True"),
            ("1.5", "1.5"),
            ("1e100", "1E+100"),
            ("NaN", "NaN"),
            ("12345678901234567890", "12345678901234567890"),
            (r#""2026-01-02T03:04:05Z""#, "01/02/2026 03:04:05"),
            (
                r#"{"b":1,"a":["ü",null],"d":"2026-01-02T03:04:05Z"}"#,
                "{\n  \"b\": 1,\n  \"a\": [\n    \"ü\",\n    null\n  ],\n  \"d\": \"2026-01-02T03:04:05Z\"\n}",
            ),
        ] {
            assert_eq!(Json::parse(json).unwrap().to_text(), text);
        }
    }

    #[test]
    fn line_separators_are_escaped() {
        assert_eq!(
            to_string(&"a\u{85}\u{2028}\u{2029}é").unwrap(),
            "\"a\\u0085\\u2028\\u2029é\""
        );
    }
}
