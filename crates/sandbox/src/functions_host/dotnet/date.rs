//! Texts that .NET takes for dates.

use time::{
    Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset,
    format_description::well_known::Rfc3339,
};

/// A point in time and how it was given. Azure's time zone is UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::functions_host) struct DateTime {
    time: PrimitiveDateTime,
    zone: Zone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    /// `Z`.
    Utc,
    /// An offset, which .NET turns into local time.
    Local,
    Unspecified,
}

impl DateTime {
    /// Reads what `Json.NET` takes for a date: `2026-01-02T03:04:05` with an optional fraction and zone, or
    /// `/Date(1700000000000)/`.
    pub(in crate::functions_host) fn parse(text: &str) -> Option<Self> {
        if let Some(milliseconds) = text
            .strip_prefix("/Date(")
            .and_then(|rest| rest.strip_suffix(")/"))
        {
            let since_epoch = Duration::milliseconds(milliseconds.parse().ok()?);
            let time = OffsetDateTime::UNIX_EPOCH.checked_add(since_epoch)?;
            return Some(Self {
                time: PrimitiveDateTime::new(time.date(), time.time()),
                zone: Zone::Utc,
            });
        }
        Self::parse_iso(text)
    }

    fn parse_iso(text: &str) -> Option<Self> {
        if !text.is_ascii() || !(19..=40).contains(&text.len()) {
            return None;
        }
        let (date_and_time, rest) = text.split_at(19);
        let bytes = date_and_time.as_bytes();
        let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if separators.iter().any(|(at, byte)| bytes[*at] != *byte) {
            return None;
        }
        let number = |range: std::ops::Range<usize>| parse_digits(&date_and_time[range]);
        let month = Month::try_from(u8::try_from(number(5..7)?).ok()?).ok()?;
        let day = u8::try_from(number(8..10)?).ok()?;
        let date = Date::from_calendar_date(i32::try_from(number(0..4)?).ok()?, month, day).ok()?;

        let fraction_length = match rest.strip_prefix('.') {
            Some(fraction) => {
                let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
                if length == 0 {
                    return None;
                }
                length + 1
            }
            None => 0,
        };
        let (fraction, zone) = rest.split_at(fraction_length);
        // .NET counts in steps of 100 ns.
        let ticks: String = fraction
            .trim_start_matches('.')
            .chars()
            .chain(std::iter::repeat('0'))
            .take(7)
            .collect();
        let time = Time::from_hms_nano(
            u8::try_from(number(11..13)?).ok()?,
            u8::try_from(number(14..16)?).ok()?,
            u8::try_from(number(17..19)?).ok()?,
            parse_digits(&ticks)? * 100,
        )
        .ok()?;

        let local = PrimitiveDateTime::new(date, time);
        Some(match zone {
            "" => Self {
                time: local,
                zone: Zone::Unspecified,
            },
            "Z" => Self {
                time: local,
                zone: Zone::Utc,
            },
            zone => Self {
                time: local.checked_sub(parse_offset(zone)?)?,
                zone: Zone::Local,
            },
        })
    }

    /// As `Json.NET` writes it: `2026-01-02T03:04:05.5Z`.
    pub(in crate::functions_host) fn to_iso(self) -> String {
        let zone = match self.zone {
            Zone::Utc => "Z",
            Zone::Local => "+00:00",
            Zone::Unspecified => "",
        };
        format!("{}{zone}", iso(self.time))
    }

    /// As `DateTime.ToString` of the invariant culture writes it: `01/02/2026 03:04:05`.
    pub(in crate::functions_host) fn to_text(self) -> String {
        let (date, time) = (self.time.date(), self.time.time());
        format!(
            "{:02}/{:02}/{:04} {:02}:{:02}:{:02}",
            u8::from(date.month()),
            date.day(),
            date.year(),
            time.hour(),
            time.minute(),
            time.second()
        )
    }
}

fn parse_digits(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// Reads `+02:00`, `+0200` or `+02`.
fn parse_offset(zone: &str) -> Option<Duration> {
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let plain = rest.replacen(':', "", 1);
    let (hours, minutes) = match plain.len() {
        2 => (parse_digits(&plain)?, 0),
        4 => (parse_digits(&plain[..2])?, parse_digits(&plain[2..])?),
        _ => return None,
    };
    Some(Duration::minutes(
        sign * (i64::from(hours) * 60 + i64::from(minutes)),
    ))
}

/// The date and time without a zone, and without trailing zeros in the fraction.
fn iso(time: PrimitiveDateTime) -> String {
    let fraction = format!(".{:07}", time.nanosecond() / 100);
    format!(
        "{}T{:02}:{:02}:{:02}{}",
        time.date(),
        time.hour(),
        time.minute(),
        time.second(),
        fraction.trim_end_matches('0').trim_end_matches('.')
    )
}

/// A point in time as `System.Text.Json` writes a `DateTimeOffset`: `2026-01-02T03:04:05+00:00`.
pub(in crate::functions_host) fn date_time_offset(text: &str) -> Option<String> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let (hours, minutes, _) = time.offset().as_hms();
    let sign = if time.offset() < UtcOffset::UTC {
        '-'
    } else {
        '+'
    };
    Some(format!(
        "{}{sign}{:02}:{:02}",
        iso(PrimitiveDateTime::new(time.date(), time.time())),
        hours.unsigned_abs(),
        minutes.unsigned_abs()
    ))
}

/// `DateTime.UtcNow` as `Json.NET` writes it.
pub(in crate::functions_host) fn now() -> String {
    let now = OffsetDateTime::now_utc();
    iso(PrimitiveDateTime::new(now.date(), now.time())) + "Z"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_in_utc() {
        for (text, iso, invariant) in [
            (
                "2026-01-02T03:04:05Z",
                "2026-01-02T03:04:05Z",
                "01/02/2026 03:04:05",
            ),
            (
                "2026-01-02T03:04:05.1234567+02:00",
                "2026-01-02T01:04:05.1234567+00:00",
                "01/02/2026 01:04:05",
            ),
            (
                "2026-01-02T03:04:05.500",
                "2026-01-02T03:04:05.5",
                "01/02/2026 03:04:05",
            ),
            (
                "/Date(1700000000000)/",
                "2023-11-14T22:13:20Z",
                "11/14/2023 22:13:20",
            ),
        ] {
            let date = DateTime::parse(text).unwrap();
            assert_eq!(date.to_iso(), iso);
            assert_eq!(date.to_text(), invariant);
        }
    }

    #[test]
    fn what_only_resembles_a_date_is_a_text() {
        for text in [
            "2026-01-02",
            "2026-01-02 03:04:05",
            "2026-13-02T03:04:05Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05 Z",
            "2026-01-02T03:04:05Zz",
            "éééééééééééééééééééééé",
            "/Date(x)/",
        ] {
            assert_eq!(DateTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_with_an_offset_is_spelt_with_its_zone() {
        assert_eq!(
            date_time_offset("2026-01-02T03:04:05Z").unwrap(),
            "2026-01-02T03:04:05+00:00"
        );
        assert_eq!(
            date_time_offset("2026-01-02T03:04:05.50-01:30").unwrap(),
            "2026-01-02T03:04:05.5-01:30"
        );
    }
}
