//! JSON as the query interfaces write it, straight into bytes: answers are too large to build a tree of them first.

use std::io::Write as _;

/// Appends a string with its quotes.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(&mut *out, text).expect("a vector takes whatever is written");
}

/// Appends a float as Prometheus writes it into its answers (Go's `strconv`, the shortest form that reads back): with an
/// exponent below 1e-6 and from 1e21 on, and `NaN`, `+Inf`, `-Inf`.
pub(crate) fn float(out: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    // Writing to a vector cannot fail.
    let _ = if value.is_nan() {
        out.write_all(b"NaN")
    } else if value.is_infinite() {
        out.write_all(if value > 0.0 { b"+Inf" } else { b"-Inf" })
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        write!(out, "{digits}e{sign}{exponent:0>2}")
    } else {
        write!(out, "{value}")
    };
}

/// Appends milliseconds as seconds with as much of a fraction as needed.
pub(crate) fn seconds(out: &mut Vec<u8>, time_ms: i64) {
    let (whole, rest) = (time_ms / 1000, (time_ms % 1000).abs());
    if time_ms < 0 && whole == 0 {
        out.push(b'-');
    }
    let _ = write!(out, "{whole}");
    if rest != 0 {
        let _ = write!(out, ".{rest:03}");
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
