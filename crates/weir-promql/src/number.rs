//! Numbers, as Go and so Prometheus reads and writes them.

use crate::lex::quote;

/// The value of a number: `1`, `1.5e3`, `.5`, `1_000`, `0x1f`, `0b101`, `0755` (octal), `Inf`, `NaN`.
///
/// # Errors
/// What is wrong, in Prometheus' words: no number, or one beyond the largest.
pub(crate) fn parse_number(text: &str) -> Result<f64, String> {
    let error = |what: &str| Err(format!("strconv.ParseFloat: parsing {}: {what}", quote(text)));
    if let Some(whole) = parse_whole(text) {
        return Ok(whole as f64);
    }
    if !underscores_are_between_digits(text) {
        return error("invalid syntax");
    }
    let plain = text.replace('_', "");
    let is_number = plain.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    match plain.parse::<f64>() {
        Ok(value) if is_number && value.is_infinite() => error("value out of range"),
        Ok(value) => Ok(value),
        Err(_) => error("invalid syntax"),
    }
}

/// The value of a whole number of at most 63 bits, in the base that its beginning says.
fn parse_whole(text: &str) -> Option<i64> {
    if !underscores_are_between_digits(text) {
        return None;
    }
    let small = text.to_ascii_lowercase().replace('_', "");
    let (base, digits) = match small.as_bytes() {
        [b'0', b'x', ..] => (16, &small[2..]),
        [b'0', b'b', ..] => (2, &small[2..]),
        [b'0', b'o', ..] => (8, &small[2..]),
        [b'0', _, ..] => (8, &small[1..]),
        [b'0'..=b'9', ..] => (10, small.as_str()),
        _ => return None,
    };
    // The standard library would take a second sign.
    digits.starts_with(|c: char| c.is_ascii_hexdigit()).then(|| i64::from_str_radix(digits, base).ok())?
}

/// Whether every underscore stands between digits, or between a base and a digit.
fn underscores_are_between_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has_base = matches!(bytes, [b'0', b'x' | b'X' | b'b' | b'B' | b'o' | b'O', ..]);
    let is_hex = matches!(bytes, [b'0', b'x' | b'X', ..]);
    let is_digit = |at: usize| {
        (has_base && at == 1)
            || bytes.get(at).is_some_and(|b| b.is_ascii_digit() || (is_hex && b.is_ascii_hexdigit()))
    };
    let mut underscores = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_');
    underscores.all(|(at, _)| at > 0 && is_digit(at - 1) && is_digit(at + 1))
}

/// A number without an exponent, in the fewest digits that mean it.
pub(crate) fn format_number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{value}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms() {
        let check = |text: &str, value: f64| assert_eq!(parse_number(text), Ok(value), "{text}");
        check("1", 1.0);
        check(".5", 0.5);
        check("5.", 5.0);
        check("5e-3", 0.005);
        check("0xc", 12.0);
        check("0X_1f", 31.0);
        check("0755", 493.0);
        check("0_7", 7.0);
        check("0789", 789.0);
        check("1_000", 1000.0);
        check("1_000.5", 1000.5);
        check("00", 0.0);
        check("9223372036854775808", 9_223_372_036_854_775_808.0);
        check("iNf", f64::INFINITY);
        assert!(parse_number("NaN").is_ok_and(f64::is_nan));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let check = |text: &str, why: &str| {
            assert_eq!(parse_number(text), Err(format!("strconv.ParseFloat: parsing \"{text}\": {why}")));
        };
        check("1__0", "invalid syntax");
        check("1_", "invalid syntax");
        check("1e", "invalid syntax");
        check("0x", "invalid syntax");
        check("0xffffffffffffffff", "invalid syntax");
        check("1e400", "value out of range");
    }

    proptest! {
        #[test]
        fn every_number_comes_back(value in prop::num::f64::POSITIVE | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO) {
            let value = value.abs();
            prop_assert_eq!(parse_number(&format_number(value)), Ok(value));
        }
    }
}
