//! Times and durations as people write them, and as they read them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 by this machine's clock.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// A time in milliseconds since 1970: `now`, `-1h` or `now-1h`, a date, RFC 3339, seconds since 1970.
///
/// # Errors
/// Says what is understood.
pub(crate) fn time_ms(text: &str, now_ms: i64) -> Result<i64, String> {
    let wrong = || {
        format!(
            "`{text}` is no time: write now, -1h, now-15m, 2026-11-25, 2026-11-25T08:00:00Z or seconds since 1970"
        )
    };
    let relative = text.strip_prefix("now").unwrap_or(text);
    if relative.is_empty() && !text.is_empty() {
        return Ok(now_ms);
    }
    if let Some((sign, duration)) = relative
        .strip_prefix('-')
        .map(|rest| (-1, rest))
        .or_else(|| relative.strip_prefix('+').map(|r| (1, r)))
        && let Ok(duration) = duration_ns(duration)
    {
        return now_ms.checked_add(sign * (duration / 1_000_000)).ok_or_else(wrong);
    }
    let date = (text.len() == 10 && text.as_bytes()[4] == b'-').then(|| format!("{text}T00:00:00Z"));
    weir_telemetry::ask::time_ms(date.as_deref().unwrap_or(text)).ok_or_else(wrong)
}

const UNITS: [(&str, f64); 9] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 6e10),
    ("h", 3.6e12),
    ("d", 8.64e13),
    ("w", 6.048e14),
];

/// A duration in nanoseconds: `100ms`, `1h30m`, `1.5s`. Never negative.
///
/// # Errors
/// Says what is understood.
pub(crate) fn duration_ns(text: &str) -> Result<i64, String> {
    let wrong =
        || format!("`{text}` is no duration: write a number and ns, us, ms, s, m, h, d or w, as in 1h30m");
    let (mut rest, mut total) = (text, 0.0_f64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        let end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let unit = UNITS.iter().find(|(unit, _)| *unit == &rest[digits..end]).ok_or_else(wrong)?;
        total += number * unit.1;
        rest = &rest[end..];
    }
    if text.is_empty() || total >= 9.2e18 { Err(wrong()) } else { Ok(total.round() as i64) }
}

/// A duration for people: three or four digits and a unit.
pub(crate) fn say_ns(ns: i64) -> String {
    let value = ns as f64;
    let (scaled, unit) = match ns.unsigned_abs() {
        0 => return "0".to_owned(),
        1..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (value / 1e3, "µs"),
        1_000_000..1_000_000_000 => (value / 1e6, "ms"),
        1_000_000_000..60_000_000_000 => (value / 1e9, "s"),
        60_000_000_000..3_600_000_000_000 => {
            return format!("{} m {:02} s", ns / 60_000_000_000, ns / 1_000_000_000 % 60);
        }
        _ => return format!("{} h {:02} m", ns / 3_600_000_000_000, ns / 60_000_000_000 % 60),
    };
    let decimals = if scaled.abs() < 10.0 { 2 } else { usize::from(scaled.abs() < 100.0) };
    format!("{scaled:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        const NOW: i64 = 1_795_521_667_123;
        #[track_caller]
        fn check(text: &str, expect: Option<i64>) {
            assert_eq!(time_ms(text, NOW).ok(), expect, "{text}");
        }
        check("now", Some(NOW));
        check("-1h", Some(NOW - 3_600_000));
        check("now-1h30m", Some(NOW - 5_400_000));
        check("now+5s", Some(NOW + 5_000));
        check("2000-02-29", Some(951_782_400_000));
        check("2000-02-29T00:00:00.004Z", Some(951_782_400_004));
        check("1435781451.781", Some(1_435_781_451_781));
        check("-5", Some(-5_000));
        for wrong in ["", "yesterday", "now-", "now-1", "-1x", "2000-02-30x", "nowhere"] {
            check(wrong, None);
        }
        assert!(time_ms("soon", NOW).unwrap_err().contains("now-15m"));
    }

    #[test]
    fn durations_are_read_and_said() {
        #[track_caller]
        fn check(text: &str, ns: i64, said: &str) {
            assert_eq!(duration_ns(text), Ok(ns));
            assert_eq!(say_ns(ns), said);
        }
        check("0s", 0, "0");
        check("17ns", 17, "17 ns");
        check("1.5us", 1_500, "1.50 µs");
        check("153.2ms", 153_200_000, "153 ms");
        check("15.32ms", 15_320_000, "15.3 ms");
        check("1.203s", 1_203_000_000, "1.20 s");
        check("2m3s", 123_000_000_000, "2 m 03 s");
        check("1h30m", 5_400_000_000_000, "1 h 30 m");
        check("1w", 604_800_000_000_000, "168 h 00 m");
        for wrong in ["", "1", "ms", "1x", "-1s", "1..2s", "99999999w"] {
            assert!(duration_ns(wrong).is_err(), "{wrong}");
        }
    }
}
