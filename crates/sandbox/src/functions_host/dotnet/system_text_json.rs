//! `System.Text.Json` with its default encoder and its Web defaults.

use std::{borrow::Cow, io};

use serde::ser::{Error, Serialize};
use serde_json::{
    Map, Value,
    ser::{CharEscape, Formatter},
    value::RawValue,
};

use super::number;

/// How deep JSON may be nested.
const MAX_DEPTH: usize = 64;

/// Writes a value. [`RawValue`]s keep the spelling of their numbers; their strings are escaped anew and their white
/// space is removed.
///
/// # Errors
/// A lone surrogate within a raw value.
pub(in crate::functions_host) fn to_string(
    value: &(impl Serialize + ?Sized),
) -> serde_json::Result<String> {
    let mut text = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut text, Encoder,
    ))?;
    String::from_utf8(text).map_err(Error::custom)
}

/// Reads the outermost members of a document. Of repeated members, the last counts.
///
/// # Errors
/// What is not a JSON object, or is nested too deep.
pub(in crate::functions_host) fn members(text: &str) -> serde_json::Result<Members<'_>> {
    check_depth(text)?;
    serde_json::from_str(text).map(Members)
}

/// The members of an object, each with its JSON text.
#[derive(Debug, Default)]
pub(in crate::functions_host) struct Members<'a>(OrderedMembers<'a>);

impl<'a> Members<'a> {
    /// The member of exactly this name.
    pub(in crate::functions_host) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0
            .0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| *value)
    }

    /// The member of this name, in any case; `None` if it is null.
    pub(in crate::functions_host) fn get_ignoring_case(&self, name: &str) -> Option<&'a RawValue> {
        self.0
            .0
            .iter()
            .rev()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
            .filter(|value| value.get() != "null")
    }

    pub(in crate::functions_host) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

#[derive(Debug, Default)]
struct OrderedMembers<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for OrderedMembers<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = OrderedMembers<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    match members.iter_mut().find(|(other, _)| *other == name) {
                        Some((_, former)) => *former = value,
                        None => members.push((name, value)),
                    }
                }
                Ok(OrderedMembers(members))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

fn check_depth(text: &str) -> serde_json::Result<()> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Error::custom("nested too deep"));
                }
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// A value with its numbers as .NET's types hold them: whole ones up to 64 bits, others as `double`.
///
/// # Errors
/// What is not a JSON object.
pub(in crate::functions_host) fn with_net_numbers(
    object: &Map<String, Value>,
) -> serde_json::Result<Box<RawValue>> {
    struct Net<'a>(&'a Value);

    impl Serialize for Net<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                Value::Number(number) if !number.is_i64() => {
                    let text = number::shortest(number.as_f64().unwrap_or_default());
                    RawValue::from_string(text)
                        .map_err(S::Error::custom)?
                        .serialize(serializer)
                }
                Value::Array(list) => serializer.collect_seq(list.iter().map(Net)),
                Value::Object(object) => {
                    serializer.collect_map(object.iter().map(|(name, value)| (name, Net(value))))
                }
                other => other.serialize(serializer),
            }
        }
    }

    let members = object.iter().map(|(name, value)| (name, Net(value)));
    let mut text = Vec::new();
    serde::Serializer::collect_map(&mut serde_json::Serializer::new(&mut text), members)?;
    RawValue::from_string(String::from_utf8(text).map_err(Error::custom)?)
}

/// The default encoder: it escapes everything but printable ASCII, and the ASCII characters that are special in HTML.
struct Encoder;

impl Formatter for Encoder {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_plain = |byte: u8| {
            matches!(byte, b' '..=b'~')
                && !matches!(byte, b'"' | b'&' | b'\'' | b'+' | b'<' | b'>' | b'`')
        };
        let mut rest = fragment;
        while !rest.is_empty() {
            let plain = rest.bytes().take_while(|byte| is_plain(*byte)).count();
            writer.write_all(&rest.as_bytes()[..plain])?;
            let mut characters = rest[plain..].chars();
            if let Some(character) = characters.next() {
                write_utf16(writer, character)?;
            }
            rest = characters.as_str();
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::Quote => write_utf16(writer, '"'),
            CharEscape::ReverseSolidus => writer.write_all(br"\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(br"\b"),
            CharEscape::FormFeed => writer.write_all(br"\f"),
            CharEscape::LineFeed => writer.write_all(br"\n"),
            CharEscape::CarriageReturn => writer.write_all(br"\r"),
            CharEscape::Tab => writer.write_all(br"\t"),
            CharEscape::AsciiControl(byte) => write_utf16(writer, char::from(byte)),
        }
    }

    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((before, from_quote)) = rest.find('"').map(|quote| rest.split_at(quote)) {
            write_without_white_space(writer, before)?;
            let mut strings = serde_json::Deserializer::from_str(from_quote).into_iter::<String>();
            let string = strings.next().transpose()?.unwrap_or_default();
            string.serialize(&mut serde_json::Serializer::with_formatter(
                &mut *writer,
                Encoder,
            ))?;
            rest = &from_quote[strings.byte_offset()..];
        }
        write_without_white_space(writer, rest)
    }
}

fn write_utf16<W: ?Sized + io::Write>(writer: &mut W, character: char) -> io::Result<()> {
    character
        .encode_utf16(&mut [0; 2])
        .iter()
        .try_for_each(|unit| write!(writer, "\\u{unit:04X}"))
}

fn write_without_white_space<W: ?Sized + io::Write>(writer: &mut W, json: &str) -> io::Result<()> {
    json.split_ascii_whitespace()
        .try_for_each(|part| writer.write_all(part.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_escapes_what_is_not_plain_ascii_or_is_special_in_html() {
        assert_eq!(
            to_string(&"a\"&'+<>`\\/\u{7f}é😀\u{1f}\n").unwrap(),
            r#""a\u0022\u0026\u0027\u002B\u003C\u003E\u0060\\/\u007F\u00E9\uD83D\uDE00\u001F\n""#
        );
    }

    #[test]
    fn raw_values_keep_the_spelling_of_numbers_and_lose_white_space() {
        let arguments: &RawValue =
            serde_json::from_str(r#"{ "x" : [1.50, 1e2, -0], "é" : "a \" b", "y" : {} }"#).unwrap();
        assert_eq!(
            to_string(&arguments).unwrap(),
            r#"{"x":[1.50,1e2,-0],"\u00E9":"a \u0022 b","y":{}}"#
        );
    }

    #[test]
    fn a_lone_surrogate_is_read_and_cannot_be_written() {
        let members = members(r#"{"a":"\ud800"}"#).unwrap();
        assert!(to_string(members.get("a").unwrap()).is_err());
    }

    #[test]
    fn of_repeated_members_the_last_counts() {
        let members = members(r#"{"a":1,"b":2,"a":3,"A":4}"#).unwrap();
        assert_eq!(members.get("a").unwrap().get(), "3");
        assert_eq!(members.get_ignoring_case("a").unwrap().get(), "4");
        let names: Vec<_> = members.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "A"]);
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| {
            format!(
                "{{\"a\":{}{}}}",
                "[".repeat(depth - 1),
                "]".repeat(depth - 1)
            )
        };
        assert!(members(&nested(64)).is_ok());
        assert!(members(&nested(65)).is_err());
        assert!(members(r#"{"a":"[[\"[["}"#).is_ok());
    }

    #[test]
    fn numbers_of_metadata_are_those_of_net() {
        let object: Map<String, Value> =
            serde_json::from_str(r#"{"n":1,"f":1.5,"big":[12345678901234567000]}"#).unwrap();
        assert_eq!(
            with_net_numbers(&object).unwrap().get(),
            r#"{"n":1,"f":1.5,"big":[1.2345678901234567E+19]}"#
        );
    }
}
