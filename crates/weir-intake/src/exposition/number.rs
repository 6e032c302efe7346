//! Numbers as exposition formats write them.

use weir_signal::go_g;

/// A float in decimal, or `NaN`, `Inf` and `Infinity` in any case and with a sign. Hexadecimal numbers, underscores, and
/// numbers too large for a float are none.
pub(super) fn float(text: &str) -> Option<f64> {
    if let Some(whole) = short_whole(text) {
        return Some(whole as f64);
    }
    let value: f64 = text.parse().ok()?;
    if value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A payload cannot say that a series ended: every NaN of it is the same.
    Some(if value.is_nan() { f64::NAN } else { value })
}

/// Most samples are whole numbers of few digits, which need no search for the nearest float.
fn short_whole(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    text.bytes()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0')))
}

/// Seconds in milliseconds, at the ends of what can be said where they lie beyond it; `None` where they are no time.
pub(super) fn seconds_to_ms(seconds: f64) -> Option<i64> {
    seconds.is_finite().then(|| (seconds * 1000.0).round() as i64)
}

/// A float as OpenMetrics writes those in labels: like Go's `%g`, with `.0` where neither a point nor an exponent shows
/// that it is one.
pub fn openmetrics_float(value: f64) -> String {
    let mut text = go_g(value).to_string();
    if value.is_finite() && !text.contains(['e', '.']) {
        text.push_str(".0");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_read() {
        let check = |text: &str, expect: Option<f64>| assert_eq!(float(text), expect, "{text}");
        check("0", Some(0.0));
        check("000123", Some(123.0));
        check("-1.5e3", Some(-1500.0));
        check("+Inf", Some(f64::INFINITY));
        check("-inf", Some(f64::NEG_INFINITY));
        check("9223372036854775808", Some(9_223_372_036_854_775_808.0));
        check("1e999", None);
        check("0x1p-3", None);
        check("1_000", None);
        check("", None);
        check("1 ", None);
        assert!(float("NaN").is_some_and(f64::is_nan));
        assert_eq!(seconds_to_ms(1_520_879_607.789), Some(1_520_879_607_789));
        assert_eq!(seconds_to_ms(1e30), Some(i64::MAX));
        assert_eq!(seconds_to_ms(f64::NAN), None);
    }

    #[test]
    fn are_written_as_openmetrics_writes_them() {
        let check = |value: f64, expect: &str| assert_eq!(openmetrics_float(value), expect);
        check(0.0, "0.0");
        check(1.0, "1.0");
        check(-1.0, "-1.0");
        check(0.5, "0.5");
        check(1e6, "1e+06");
        check(1e-5, "1e-05");
        check(123_456.0, "123456.0");
        check(f64::INFINITY, "+Inf");
        check(f64::NAN, "NaN");
    }
}
