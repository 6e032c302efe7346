//! JSON as the query interfaces write it, straight into bytes: answers are too large to build a tree of them first.

/// Appends a string with its quotes.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(&mut *out, text).expect("a vector takes whatever is written");
}

/// Appends a float as Prometheus writes it into its answers (Go's `strconv`, the shortest form that reads back): with an
/// exponent below 1e-6 and from 1e21 on, and `NaN`, `+Inf`, `-Inf`.
pub(crate) fn float(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    let Some((digits, exponent)) = text.split_once('e') else {
        return out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-6..21).contains(&exponent) {
        return plain(out, digits, exponent);
    }
    out.extend_from_slice(digits.strip_suffix(".0").unwrap_or(digits).as_bytes());
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    if exponent.abs() < 10 {
        out.push(b'0');
    }
    whole(out, u64::from(exponent.unsigned_abs()));
}

/// Appends `digits` (with a sign or without) times ten to the `exponent` without an exponent.
fn plain(out: &mut Vec<u8>, digits: &str, exponent: i32) {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let (first, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let rest = rest.trim_end_matches('0');
    out.extend_from_slice(sign.as_bytes());
    let zeros = |out: &mut Vec<u8>, count: usize| out.resize(out.len() + count, b'0');
    let places = exponent.unsigned_abs() as usize;
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        zeros(out, places - 1);
        out.extend_from_slice(first.as_bytes());
        out.extend_from_slice(rest.as_bytes());
        return;
    }
    let (before, after) = rest.split_at(places.min(rest.len()));
    out.extend_from_slice(first.as_bytes());
    out.extend_from_slice(before.as_bytes());
    zeros(out, places - before.len());
    if !after.is_empty() {
        out.push(b'.');
        out.extend_from_slice(after.as_bytes());
    }
}

/// Appends milliseconds as seconds with as much of a fraction as needed.
pub(crate) fn seconds(out: &mut Vec<u8>, time_ms: i64) {
    if time_ms < 0 {
        out.push(b'-');
    }
    let (seconds, rest) = (time_ms.unsigned_abs() / 1000, time_ms.unsigned_abs() % 1000);
    whole(out, seconds);
    if rest != 0 {
        out.push(b'.');
        // The one in front makes three digits of it.
        let dot = out.len();
        whole(out, 1000 + rest);
        out.remove(dot);
    }
}

/// Appends a whole number.
fn whole(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

/// Adds warnings to an answer that is an object and has none.
pub(crate) fn with_warnings(mut body: Vec<u8>, warnings: &[String]) -> Vec<u8> {
    if !warnings.is_empty() && body.pop_if(|last| *last == b'}').is_some() {
        body.extend_from_slice(if body == b"{" { br#""warnings":"# } else { br#","warnings":"# });
        list(&mut body, warnings, |out, text| string(out, text));
        body.push(b'}');
    }
    body
}

/// Appends items with commas between them, in brackets.
pub(crate) fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut item: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, value) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item(out, value);
    }
    out.push(b']');
}

/// Appends names and text values as an object.
pub(crate) fn map<'a>(out: &mut Vec<u8>, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    out.push(b'{');
    for (index, (name, value)) in pairs.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(out, name);
        out.push(b':');
        string(out, value);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use proptest::strategy::Strategy as _;

    use super::*;

    #[test]
    fn warnings_come_last() {
        let check = |body: &str, warnings: &[&str], expect: &str| {
            let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            let body = super::with_warnings(body.as_bytes().to_vec(), &warnings);
            assert_eq!(String::from_utf8(body).unwrap(), expect);
        };
        check(r#"{"a":1}"#, &[], r#"{"a":1}"#);
        check(r#"{"a":1}"#, &["b \"c\"", "d"], r#"{"a":1,"warnings":["b \"c\"","d"]}"#);
        check("{}", &["a"], r#"{"warnings":["a"]}"#);
        check("[1]", &["a"], "[1]");
    }

    #[test]
    fn floats_are_written_as_prometheus_does() {
        let check = |value: f64, expect: &str| {
            let mut out = Vec::new();
            float(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check(0.0, "0");
        check(-0.0, "-0");
        check(1.5, "1.5");
        check(1e20, "100000000000000000000");
        check(1e21, "1e+21");
        check(1.25e-7, "1.25e-07");
        check(1e-6, "0.000001");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Inf");
        check(5e-324, "5e-324");
    }

    /// The same by way of the standard library.
    fn slowly(value: f64) -> String {
        let size = value.abs();
        if size == 0.0 || (1e-6..1e21).contains(&size) {
            return format!("{value}");
        }
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap();
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        format!("{digits}e{sign}{exponent:0>2}")
    }

    proptest::proptest! {
        #[test]
        fn every_float_is_written_shortest(
            value in proptest::prop_oneof![
                proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL,
                (-1_000_000_i64..1_000_000, -30_i32..30).prop_map(|(digits, power)| digits as f64 * 10_f64.powi(power)),
                proptest::prelude::any::<i64>().prop_map(|whole| whole as f64),
            ],
        ) {
            let mut out = Vec::new();
            float(&mut out, value);
            proptest::prop_assert_eq!(String::from_utf8(out).unwrap(), slowly(value));
        }

        #[test]
        fn every_time_is_written(time_ms: i64) {
            let mut out = Vec::new();
            seconds(&mut out, time_ms);
            let fraction = format!(".{:03}", time_ms.unsigned_abs() % 1000);
            let fraction = if fraction == ".000" { "" } else { &fraction };
            let sign = if time_ms < 0 { "-" } else { "" };
            let expected = format!("{sign}{}{fraction}", time_ms.unsigned_abs() / 1000);
            proptest::prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn times_are_written_as_prometheus_does() {
        let check = |time_ms: i64, expect: &str| {
            let mut out = Vec::new();
            seconds(&mut out, time_ms);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check(1_435_781_451_781, "1435781451.781");
        check(1_435_781_451_000, "1435781451");
        check(20, "0.020");
        check(-1, "-0.001");
        check(-1500, "-1.500");
    }
}
