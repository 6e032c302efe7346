//! Durations, sizes and shares as people write them.

use std::fmt::Write as _;
use std::time::Duration;

/// Units of time, largest first, in milliseconds.
const TIME: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size, in bytes. The first of each factor is the one that is printed.
const SIZE: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Splits `30s` into its number and its unit.
fn number(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// Reads `250ms`, `30s`, `1m30s`: whole numbers, units from large to small, each at most once.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total_ms = 0u64;
    let mut factor_before = u64::MAX;
    while !rest.is_empty() {
        let (count, tail) = number(rest)?;
        let unit_len = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at(unit_len);
        let factor = TIME.iter().find(|(word, _)| *word == unit)?.1;
        if factor >= factor_before {
            return None;
        }
        total_ms = total_ms.checked_add(count.checked_mul(factor)?)?;
        (factor_before, rest) = (factor, after);
    }
    (factor_before != u64::MAX).then(|| Duration::from_millis(total_ms))
}

/// The shortest text that [`parse_duration`] reads as the same whole milliseconds.
pub(crate) fn print_duration(span: Duration) -> String {
    let mut rest_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if rest_ms == 0 {
        return "0s".into();
    }
    // 90s rather than 1m30s while it is short: that is how timeouts are mostly written.
    if rest_ms % 1_000 == 0 && rest_ms < 120_000 {
        return format!("{}s", rest_ms / 1_000);
    }
    let mut text = String::new();
    for (unit, factor) in TIME {
        if rest_ms >= factor {
            let _ = write!(text, "{}{unit}", rest_ms / factor);
            rest_ms %= factor;
        }
    }
    text
}

/// Reads `64KiB`, `1MB` or plain bytes.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (count, unit) = number(text)?;
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Some(count);
    }
    count.checked_mul(SIZE.iter().find(|(word, _)| *word == unit)?.1)
}

/// The shortest text that [`parse_size`] reads as `bytes`.
pub(crate) fn print_size(bytes: u64) -> String {
    let fits = |(_, factor): &&(&str, u64)| bytes >= *factor && bytes.is_multiple_of(*factor);
    match SIZE.iter().find(fits) {
        Some((unit, factor)) if *factor > 1 => format!("{}{unit}", bytes / factor),
        _ => bytes.to_string(),
    }
}

/// Reads `25%` or `0.5%` as millionths. At most 100 %, at most four decimals.
pub(crate) fn parse_share(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?.trim_end();
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 4 {
        return None;
    }
    let whole: u32 = whole.parse().ok().filter(|w| *w <= 100)?;
    let decimals: u32 = format!("{decimals:0<4}").parse().ok()?;
    Some(whole * 10_000 + decimals).filter(|ppm| *ppm <= 1_000_000)
}

/// The shortest text that [`parse_share`] reads as `ppm`.
pub(crate) fn print_share(ppm: u32) -> String {
    let (whole, decimals) = (ppm / 10_000, ppm % 10_000);
    if decimals == 0 {
        return format!("{whole}%");
    }
    format!("{whole}.{}%", format!("{decimals:04}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        #[track_caller]
        fn check(text: &str, ms: Option<u64>) {
            assert_eq!(parse_duration(text), ms.map(Duration::from_millis), "{text}");
        }
        check("250ms", Some(250));
        check("30s", Some(30_000));
        check("5m", Some(300_000));
        check("1h", Some(3_600_000));
        check("1m30s", Some(90_000));
        check("1h5ms", Some(3_600_005));
        check("0s", Some(0));
        check("30", None);
        check("", None);
        check("s", None);
        check("1s1m", None);
        check("1s1s", None);
        check("-1s", None);
        check("1.5s", None);
        check("99999999999999999999s", None);
        check("18446744073709551615h", None);
    }

    #[test]
    fn sizes() {
        #[track_caller]
        fn size(text: &str, bytes: Option<u64>) {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
        size("64KiB", Some(65_536));
        size("10 MiB", Some(10_485_760));
        size("1MB", Some(1_000_000));
        size("17", Some(17));
        size("1k", None);
        size("KiB", None);
        size("999999999TiB", None);
    }

    #[test]
    fn shares() {
        #[track_caller]
        fn share(text: &str, ppm: Option<u32>) {
            assert_eq!(parse_share(text), ppm, "{text}");
        }
        share("25%", Some(250_000));
        share("0.5%", Some(5_000));
        share("0.0001%", Some(1));
        share("100%", Some(1_000_000));
        share("100.1%", None);
        share("101%", None);
        share("0.5", None);
        share("%", None);
        share("1.%", None);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(ms in 0u64..=1 << 50, bytes: u64, ppm in 0u32..=1_000_000) {
            let span = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&print_duration(span)), Some(span));
            prop_assert_eq!(parse_size(&print_size(bytes)), Some(bytes));
            prop_assert_eq!(parse_share(&print_share(ppm)), Some(ppm));
        }

        #[test]
        fn any_text_is_survived(text in ".*") {
            let _ = (parse_duration(&text), parse_size(&text), parse_share(&text));
        }
    }
}
