//! Durations: `1h30m`, `1.5s`, `100us`.

/// Units and their nanoseconds, in the order in which durations are written.
const WRITTEN: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

const DAY: u64 = 24 * 3_600_000_000_000;

/// Units that are also read. Those of days stand for whole numbers only, as Prometheus has them.
const ALSO_READ: [(&str, u64); 4] = [("µs", 1_000), ("d", DAY), ("w", 7 * DAY), ("y", 365 * DAY)];

/// The nanoseconds of numbers with units; `None` where it is no duration, or one of more than 292 years.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let (number, after) = rest.split_at(rest.find(|c| !is_number(c)).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(is_number).unwrap_or(after.len()));
        let nanos = WRITTEN.iter().chain(&ALSO_READ).find(|known| known.0 == unit)?.1;
        sum = sum.checked_add(part(number, nanos)?)?;
        rest = after;
    }
    if text.is_empty() { None } else { i64::try_from(sum).ok() }
}

/// So many units of so many nanoseconds; what is finer than a nanosecond is cut off.
fn part(number: &str, nanos: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let (none, dotted) = (whole.is_empty() && fraction.is_empty(), number.contains('.'));
    if none || (dotted && nanos >= DAY) || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    // Fifteen digits are finer than a nanosecond of an hour.
    let digits: String = fraction.chars().chain("000000000000000".chars()).take(15).collect();
    let fraction = u128::from(digits.parse::<u64>().ok()?) * u128::from(nanos) / 1_000_000_000_000_000;
    whole.checked_mul(nanos)?.checked_add(u64::try_from(fraction).ok()?)
}

/// The text of a duration, in units from hours to nanoseconds. It reads as the same duration again.
pub(crate) fn format_duration(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    let mut left = nanos.unsigned_abs();
    if nanos < 0 {
        text.push('-');
    }
    for (unit, length) in WRITTEN {
        if left >= length {
            text.push_str(&(left / length).to_string());
            text.push_str(unit);
            left %= length;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_to_nanoseconds_and_back() {
        let check = |text: &str, nanos: i64, again: &str| {
            assert_eq!(parse_duration(text), Some(nanos), "{text}");
            assert_eq!(format_duration(nanos), again, "{text}");
        };
        check("1s", 1_000_000_000, "1s");
        check("1.5s", 1_500_000_000, "1s500ms");
        check(".5ms", 500_000, "500us");
        check("5.ms", 5_000_000, "5ms");
        check("1h30m", 5_400_000_000_000, "1h30m");
        check("1m1h", 3_660_000_000_000, "1h1m");
        check("100µs", 100_000, "100us");
        check("1d", DAY as i64, "24h");
        check("1y", 365 * DAY as i64, "8760h");
        check("1.000000001s", 1_000_000_001, "1s1ns");
        check("0h", 0, "0s");
        assert_eq!(format_duration(-1_500), "-1us500ns");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "1", "s", "1.5d", "1x", ".s", "1.2.3s", "293y", "9223372036855s", "1s2"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_duration_comes_back(nanos in 0..=i64::MAX) {
            prop_assert_eq!(parse_duration(&format_duration(nanos)), Some(nanos));
        }
    }
}
