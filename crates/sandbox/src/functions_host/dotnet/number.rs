//! Floating-point numbers as .NET writes them.

/// The shortest text that reads back as the same number: `1.5`, `100`, `1E+100`, `1E-05`.
///
/// Source: `Double.ToString("R")` of .NET 3.0 and later: exponents from 15 on, and from -5
/// down, are spelt out.
pub(in crate::functions_host) fn shortest(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .into();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if exponent >= 15 => format!("{digits}E+{exponent:02}"),
        Ok(exponent) if exponent <= -5 => format!("{digits}E-{:02}", -exponent),
        _ => format!("{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_numbers_have_an_exponent() {
        for (number, text) in [
            (1.5, "1.5"),
            (100.0, "100"),
            (0.0, "0"),
            (123456789012345.0, "123456789012345"),
            (1e15, "1E+15"),
            (12345678901234567890.0, "1.2345678901234567E+19"),
            (1e100, "1E+100"),
            (0.00001, "1E-05"),
            (0.0001, "0.0001"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(shortest(number), text);
        }
    }
}
