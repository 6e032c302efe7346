//! Numbers, durations and sizes, as Go's `strconv` and `time` and the package `humanize` read them. Their words for what is
//! wrong go into `__error_details__`.

use crate::quote::quote;

/// The value of a number: decimal or hexadecimal (`0x1.8p3`), `Inf`, `NaN`; underscores between digits.
///
/// # Errors
/// No number, or one beyond the largest.
pub(crate) fn parse_float(text: &str) -> Result<f64, String> {
    let error = |what: &str| Err(format!("strconv.ParseFloat: parsing {}: {what}", quote(text)));
    let (sign, unsigned) = match text.as_bytes() {
        [b'-', ..] => (-1.0, &text[1..]),
        [b'+', ..] => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    // The standard library would take a second sign, and a sign in front of `nan`.
    if unsigned.starts_with(['+', '-']) || (unsigned.len() < text.len() && unsigned.starts_with(['n', 'N'])) {
        return error("invalid syntax");
    }
    if let Some(digits) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        return match hexadecimal(digits) {
            Some(value) => Ok(sign * value),
            None => error("invalid syntax"),
        };
    }
    let plain;
    let mut number = unsigned;
    if unsigned.contains('_') {
        if !underscores_are_between_digits(unsigned.as_bytes()) {
            return error("invalid syntax");
        }
        plain = unsigned.replace('_', "");
        number = &plain;
    }
    match number.parse::<f64>() {
        Ok(value) if value.is_infinite() && number.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            error("value out of range")
        }
        Ok(value) => Ok(sign * value),
        Err(_) => error("invalid syntax"),
    }
}

fn underscores_are_between_digits(bytes: &[u8]) -> bool {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut underscores = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_');
    underscores.all(|(at, _)| at > 0 && is_digit(at - 1) && is_digit(at + 1))
}

/// `1.8p3`: hexadecimal digits and a power of two, which has to be there.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |text: &str| {
        text.chars()
            .try_fold(0.0, |value, digit| digit.to_digit(16).map(|digit| value * 16.0 + f64::from(digit)))
    };
    let value = digits(whole)? + digits(fraction)? / 16_f64.powi(i32::try_from(fraction.len()).ok()?);
    Some(value * 2_f64.powi(exponent.parse().ok()?)).filter(|value| value.is_finite())
}

/// The nanoseconds of `-1.5h`: numbers with units from hours down, in any order.
///
/// # Errors
/// No duration, or one of more than 292 years.
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (negative, mut rest) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let is_digit = |c: char| c.is_ascii_digit();
        let (whole, after) = rest.split_at(rest.find(|c| !is_digit(c)).unwrap_or(rest.len()));
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(after.find(|c| !is_digit(c)).unwrap_or(after.len())),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let (unit, after) = after.split_at(after.find(|c| is_digit(c) || c == '.').unwrap_or(after.len()));
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quote(text)));
        }
        let Some(length) = unit_ns(unit) else {
            return Err(format!("time: unknown unit {} in duration {}", quote(unit), quote(text)));
        };
        let whole = if whole.is_empty() { Some(0) } else { whole.parse::<u64>().ok() };
        let part = whole.and_then(|whole| whole.checked_mul(length));
        // Digits beyond what a nanosecond is of an hour say nothing.
        let digits = &fraction[..fraction.len().min(18)];
        let part_fraction = digits
            .parse::<u64>()
            .map_or(0, |value| (value as f64 * (length as f64 / 10_f64.powi(digits.len() as i32))) as u64);
        let longer =
            part.and_then(|part| part.checked_add(part_fraction)).and_then(|part| sum.checked_add(part));
        sum = longer.filter(|&sum| sum <= i64::MAX as u64 + u64::from(negative)).ok_or_else(invalid)?;
        rest = after;
    }
    Ok(if negative { (sum as i64).wrapping_neg() } else { sum as i64 })
}

fn unit_ns(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// A duration as it is written in a query.
pub(crate) fn format_duration(nanos: i64) -> String {
    if nanos % 1_000_000 == 0 {
        weir_promql::format_duration(nanos / 1_000_000)
    } else {
        format!("{nanos}ns")
    }
}

/// Units of sizes by their small letters, and their bytes.
const SIZES: [(&str, u64); 24] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("k", 1_000),
    ("kib", 1 << 10),
    ("ki", 1 << 10),
    ("mb", 1_000_000),
    ("m", 1_000_000),
    ("mib", 1 << 20),
    ("mi", 1 << 20),
    ("gb", 1_000_000_000),
    ("g", 1_000_000_000),
    ("gib", 1 << 30),
    ("gi", 1 << 30),
    ("tb", 1_000_000_000_000),
    ("t", 1_000_000_000_000),
    ("tib", 1 << 40),
    ("ti", 1 << 40),
    ("pb", 1_000_000_000_000_000),
    ("p", 1_000_000_000_000_000),
    ("pib", 1 << 50),
    ("pi", 1 << 50),
    ("eb", 1_000_000_000_000_000_000),
    ("eib", 1 << 60),
];

/// The bytes of `1.5KB`, `2,048` or `4 MiB`, whatever the size of the letters.
///
/// # Errors
/// No size, or one beyond 64 bits.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ',')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = parse_float(&number.replace(',', ""))?;
    let unit = unit.trim().to_lowercase();
    let Some(&(_, size)) = SIZES.iter().find(|known| known.0 == unit) else {
        return Err(format!("unhandled size name: {unit}"));
    };
    let bytes = number * size as f64;
    if bytes >= u64::MAX as f64 { Err(format!("too large: {text}")) } else { Ok(bytes as u64) }
}

/// A size as it is written in a query: in the largest unit that leaves nothing over.
pub(crate) fn format_bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 10] = [
        ("PB", 1_000_000_000_000_000),
        ("PiB", 1 << 50),
        ("TB", 1_000_000_000_000),
        ("TiB", 1 << 40),
        ("GB", 1_000_000_000),
        ("GiB", 1 << 30),
        ("MB", 1_000_000),
        ("MiB", 1 << 20),
        ("KB", 1_000),
        ("KiB", 1 << 10),
    ];
    let exact = UNITS.iter().find(|unit| bytes > 0 && bytes.is_multiple_of(unit.1));
    exact.map_or_else(|| format!("{bytes}B"), |(unit, size)| format!("{}{unit}", bytes / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let check = |text: &str, value: f64| assert_eq!(parse_float(text), Ok(value), "{text}");
        check("-1.5e3", -1500.0);
        check("+.5", 0.5);
        check("1_000", 1000.0);
        check("0x1.8p3", 12.0);
        check("-0X1P-1", -0.5);
        check("-inf", f64::NEG_INFINITY);
        for text in ["", "0x10", "1__0", "--1", "+-1", "-nan", "1e", "1e999", " 1", "0b10"] {
            assert!(parse_float(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        let check = |text: &str, nanos: i64| assert_eq!(parse_duration(text), Ok(nanos), "{text}");
        check("1h30m", 5_400_000_000_000);
        check("-5s", -5_000_000_000);
        check("1.5h", 5_400_000_000_000);
        check(".5ms", 500_000);
        check("2µs3ns", 2_003);
        check("0", 0);
        check("1m1h", 3_660_000_000_000);
        let fails = |text: &str, why: &str| assert_eq!(parse_duration(text), Err(why.to_owned()));
        fails("", "time: invalid duration \"\"");
        fails("90", "time: missing unit in duration \"90\"");
        fails("1d", "time: unknown unit \"d\" in duration \"1d\"");
        fails("300000000h", "time: invalid duration \"300000000h\"");
    }

    #[test]
    fn sizes() {
        let check = |text: &str, bytes: u64| assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        check("2Kb", 2_000);
        check("2,048", 2_048);
        check("1.5 MiB", 1_572_864);
        check("1.5B", 1);
        assert_eq!(parse_bytes("1XB"), Err("unhandled size name: xb".to_owned()));
        assert!(parse_bytes("KB").is_err());
        assert_eq!(format_bytes(1_572_864), "1536KiB");
        assert_eq!(format_bytes(20_000), "20KB");
        assert_eq!(format_bytes(0), "0B");
    }
}
