//! Formats numbers for people, with no more precision than they were measured with.

use crate::results::Spread;

/// The placeholder for a missing measurement.
pub(super) const MISSING: &str = "–";

/// A measurement, to three significant digits.
pub(super) fn figure(value: f64) -> String {
    // Round first: 99.96 has two digits before the point, but is written as 100.
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    if rounded == 0.0 {
        return "0".to_owned();
    }
    let decimals = 2 - rounded.abs().log10().floor() as i32;
    if decimals < 0 {
        count(rounded as u64)
    } else {
        format!("{rounded:.*}", decimals as usize)
    }
}

/// An exact number, with a comma between thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A median, and the extremes behind it.
pub(super) fn spread(spread: Spread) -> String {
    format!(
        "{} ({}–{})",
        figure(spread.median),
        figure(spread.min),
        figure(spread.max)
    )
}

/// Bytes, in MiB.
pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// The text, or the placeholder for a missing measurement.
pub(super) fn or_missing(text: Option<String>) -> String {
    text.unwrap_or_else(|| MISSING.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_three_significant_digits() {
        let figures = [
            (0.0, "0"),
            (0.001_234, "0.00123"),
            (0.1, "0.100"),
            (4.206, "4.21"),
            (9.999, "10.0"),
            (62.04, "62.0"),
            (99.96, "100"),
            (804.4, "804"),
            (1_204.0, "1,200"),
            (12_345.0, "12,300"),
            (1_999_999.0, "2,000,000"),
        ];
        for (value, text) in figures {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn a_count_is_exact() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(10_000), "10,000");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn a_spread_tells_the_median_and_the_extremes() {
        let measured = Spread::of(vec![5.0, 4.0, 10.0]);
        assert_eq!(spread(measured), "5.00 (4.00–10.0)");
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        assert_eq!(or_missing(None), "–");
    }
}
