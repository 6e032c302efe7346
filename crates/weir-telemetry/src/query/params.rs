//! What a query says: parameters of the address and of a form, times, durations.

use std::borrow::Cow;

use http::Method;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use weir_signal::parse_rfc3339;

/// Names and values, in the order in which they came: those of the address, then those of a form.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Of a request. A body counts where it says that it is a form.
    pub(crate) fn of(parts: &Parts, body: &[u8]) -> Self {
        let mut params = Self::default();
        params.add(parts.uri.query().unwrap_or_default());
        let form = parts.headers.get(CONTENT_TYPE).is_some_and(|value| {
            value.as_bytes().to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded")
        });
        if form && parts.method == Method::POST {
            params.add(&String::from_utf8_lossy(body));
        }
        params
    }

    /// Of the part of an address behind `?`.
    pub(crate) fn of_query(text: &str) -> Self {
        let mut params = Self::default();
        params.add(text);
        params
    }

    fn add(&mut self, text: &str) {
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.0.push((decoded(name, true).into_owned(), decoded(value, true).into_owned()));
        }
    }

    /// The first value of a name; an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Every value of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A whole number.
    ///
    /// # Errors
    /// Names the parameter.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value
            .parse()
            .map(Some)
            .map_err(|_| format!("invalid parameter {name:?}: {value:?} is no whole number"))
    }
}

/// Text with `%41` and, where `plus` says so, `+` decoded. What is no escape stays as it is.
pub(crate) fn decoded(text: &str, plus: bool) -> Cow<'_, str> {
    if !(text.contains('%') || plus && text.contains('+')) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) if plus => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// A time of Prometheus' API in milliseconds: seconds since 1970, with a fraction, or RFC 3339.
pub(crate) fn time_ms(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = seconds * 1000.0;
        return (ms.abs() < 9.2e18 && ms.is_finite()).then_some(ms.round() as i64);
    }
    parse_rfc3339(text).map(|ns| (ns.div_euclid(1_000_000)) as i64)
}

/// A time of Loki's API in nanoseconds: nanoseconds since 1970 (ten digits or fewer are seconds), seconds with a
/// fraction, or RFC 3339.
pub(crate) fn time_ns(text: &str) -> Option<i64> {
    if text.contains('.')
        && let Ok(seconds) = text.parse::<f64>()
    {
        let ns = seconds * 1e9;
        return (ns.abs() < 9.2e18).then_some(ns.round() as i64);
    }
    if let Ok(number) = text.parse::<i64>() {
        return if text.trim_start_matches('-').len() <= 10 {
            number.checked_mul(1_000_000_000)
        } else {
            Some(number)
        };
    }
    i64::try_from(parse_rfc3339(text)?).ok()
}

/// A step or timeout in milliseconds: seconds with a fraction, or a duration such as `1h30m`.
pub(crate) fn duration_ms(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = seconds * 1000.0;
        return (ms.is_finite() && ms.abs() < 9.2e18).then_some(ms.round() as i64);
    }
    let mut rest = text;
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        total += number
            * match &rest[digits..unit_end] {
                "ns" => 1e-6,
                "us" | "µs" => 1e-3,
                "ms" => 1.0,
                "s" => 1e3,
                "m" => 6e4,
                "h" => 3.6e6,
                "d" => 8.64e7,
                "w" => 6.048e8,
                "y" => 3.1536e10,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    (!text.is_empty() && total < 9.2e18).then_some(total.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(time_ms(text), expect, "{text}");
        check("0", Some(0));
        check("1435781451.781", Some(1_435_781_451_781));
        check("2015-07-01T20:10:51.781Z", Some(1_435_781_451_781));
        check("2015-07-01T22:10:51.781+02:00", Some(1_435_781_451_781));
        check("1969-12-31T23:59:59Z", Some(-1000));
        check("2000-02-29T00:00:00Z", Some(951_782_400_000));
        for wrong in [
            "",
            "x",
            "2015-07-01",
            "2015-13-01T00:00:00Z",
            "2015-07-01T20:10:51",
            "2015-07-01T20:10:51+0200",
            "NaN",
            "1e300",
        ] {
            check(wrong, None);
        }
        assert_eq!(time_ns("1435781451"), Some(1_435_781_451_000_000_000));
        assert_eq!(time_ns("1435781451781000001"), Some(1_435_781_451_781_000_001));
        assert_eq!(time_ns("1435781451.5"), Some(1_435_781_451_500_000_000));
        assert_eq!(time_ns("2015-07-01T20:10:51.000000001Z"), Some(1_435_781_451_000_000_001));
    }

    #[test]
    fn durations_are_read() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(duration_ms(text), expect, "{text}");
        check("15", Some(15_000));
        check("0.5", Some(500));
        check("1h30m", Some(5_400_000));
        check("1.5h", Some(5_400_000));
        check("250ms", Some(250));
        for wrong in ["", "m", "1x", "h1", "inf"] {
            check(wrong, None);
        }
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(decoded("a%20b+c%zz%4", true), "a b c%zz%4");
        assert_eq!(decoded("a+b", false), "a+b");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = (time_ms(&text), time_ns(&text), duration_ms(&text), decoded(&text, true));
        }
    }
}
