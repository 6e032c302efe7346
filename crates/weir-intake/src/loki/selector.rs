//! The labels of a stream as protobuf carries them: text in the form of a selector, `{app="shop", env='prod'}`.

use std::borrow::Cow;

use weir_signal::{LabelsBuilder, METRIC_NAME, Reason, Refusal};

use crate::Limits;
use crate::names::{beginning, too_many_labels};

/// Writes the labels that `text` names into `builder`.
///
/// As Prometheus reads a metric: a name may stand before the braces, strings are Go's in any of its quotes, a last comma
/// may stand.
pub(super) fn read(text: &str, limits: &Limits, builder: &mut LabelsBuilder) -> Result<(), Refusal> {
    builder.clear();
    let faulty = |what: &str, rest: &str| {
        let (text, at) = (beginning(text), text.len() - rest.len());
        Refusal::new(Reason::Labels, format!("Error parsing labels '{text}' with error: {what} at byte {at}"))
    };
    let mut rest = text.trim_start();
    let (name, after) = split_name(rest);
    if !name.is_empty() {
        builder.push(METRIC_NAME, name);
    }
    rest = after.trim_start();
    let Some(mut inner) = rest.strip_prefix('{') else { return Err(faulty("`{` must stand", rest)) };
    let mut count = 0;
    loop {
        inner = inner.trim_start();
        if let Some(after) = inner.strip_prefix('}') {
            let after = after.trim();
            return if after.is_empty() { Ok(()) } else { Err(faulty("the end must stand", after)) };
        }
        let name = if inner.starts_with(['"', '\'', '`']) {
            let (name, after) = string(inner).map_err(|what| faulty(what, inner))?;
            inner = after;
            name
        } else {
            let (name, after) = split_name(inner);
            if name.is_empty() || name.contains(':') {
                return Err(faulty("a label's name must stand", inner));
            }
            inner = after;
            Cow::Borrowed(name)
        };
        inner = inner.trim_start();
        let Some(after) = inner.strip_prefix('=') else { return Err(faulty("`=` must stand", inner)) };
        inner = after.trim_start();
        let (value, after) = string(inner).map_err(|what| faulty(what, inner))?;
        builder.push(&name, &value);
        count += 1;
        if count > limits.labels {
            return Err(too_many_labels(limits));
        }
        inner = after.trim_start();
        match inner.strip_prefix(',') {
            Some(after) => inner = after,
            None if inner.starts_with('}') => {}
            None => return Err(faulty("a comma or `}` must stand", inner)),
        }
    }
}

fn split_name(text: &str) -> (&str, &str) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    let end = text.bytes().position(|byte| !plain(byte)).unwrap_or(text.len());
    if text.starts_with(|first: char| first.is_ascii_digit()) { ("", text) } else { text.split_at(end) }
}

/// A string in quotes, and what follows it.
fn string(text: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    let Some(&quote @ (b'"' | b'\'' | b'`')) = text.as_bytes().first() else {
        return Err("a string in quotes must stand");
    };
    let body = &text[1..];
    let mut at = 0;
    loop {
        match body.as_bytes().get(at) {
            Some(&byte) if byte == quote => break,
            Some(b'\\') if quote != b'`' => at += 2,
            Some(b'\n') if quote != b'`' => return Err("the string is not closed"),
            Some(_) => at += 1,
            None => return Err("the string is not closed"),
        }
    }
    let (inside, after) = (&body[..at], &body[at + 1..]);
    if quote == b'`' || !inside.contains('\\') {
        return Ok((Cow::Borrowed(inside), after));
    }
    Ok((Cow::Owned(unescape(inside)?), after))
}

/// Go's escapes. Bytes that make no UTF-8 become U+FFFD.
fn unescape(text: &str) -> Result<String, &'static str> {
    const UNKNOWN: &str = "an unknown escape stands in the string";
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let mut after = rest[at + 1..].chars();
        let kind = after.next().ok_or(UNKNOWN)?;
        let simple = match kind {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' | '"' | '\'' => kind as u8,
            _ => 0,
        };
        rest = after.as_str();
        if simple != 0 {
            out.push(simple);
            continue;
        }
        let (digits, radix) = match kind {
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='7' => {
                rest = &text[text.len() - rest.len() - 1..];
                (3, 8)
            }
            _ => return Err(UNKNOWN),
        };
        let number =
            rest.get(..digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let number = number.and_then(|digits| u32::from_str_radix(digits, radix).ok()).ok_or(UNKNOWN)?;
        if kind == 'u' || kind == 'U' {
            let character = char::from_u32(number).ok_or(UNKNOWN)?;
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            out.push(u8::try_from(number).map_err(|_| UNKNOWN)?);
        }
        rest = &rest[digits..];
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, Refusal> {
        let mut builder = LabelsBuilder::new();
        read(text, &Limits::default(), &mut builder)?;
        builder
            .build()
            .map(|labels| labels.to_string())
            .map_err(|error| Refusal::new(Reason::Labels, error.to_string()))
    }

    #[test]
    fn are_read_as_prometheus_reads_them() {
        let check = |text: &str, expect: &str| match parse(text) {
            Ok(labels) => assert_eq!(labels, expect, "{text}"),
            Err(refusal) => {
                assert!(!expect.is_empty() && refusal.message.contains(expect), "{text}: {refusal}");
            }
        };
        check(r#"{app="shop",env="prod"}"#, r#"{app="shop", env="prod"}"#);
        check(" { b = 'x' , a=`\\n` , } ", r#"{a="\\n", b="x"}"#);
        check("{}", "{}");
        check(r#"up{a="b"}"#, r#"up{a="b"}"#);
        check(r#"{"a.b"="c"}"#, r#"{"a.b"="c"}"#);
        check(r#"{a="\"\\\n\t\x41\u00e9\U0001F600\101"}"#, "{a=\"\\\"\\\\\\n\\tAé😀A\"}");
        check(r#"{a="\xff"}"#, "{a=\"\u{fffd}\"}");
        check(r#"{a="b",a="c"}"#, "given twice");
        check("", "`{` must stand at byte 0");
        check("{a}", "`=` must stand at byte 2");
        check("{a=b}", "a string in quotes must stand at byte 3");
        check("{a=\"b}", "not closed at byte 3");
        check("{a=\"b\nc\"}", "not closed at byte 3");
        check(r#"{a="b" c="d"}"#, "a comma or `}` must stand at byte 7");
        check(r#"{a="b"} x"#, "the end must stand at byte 8");
        check(r#"{a="\q"}"#, "unknown escape");
        check(r#"{a="\uD800"}"#, "unknown escape");
        check(r#"{a="\777"}"#, "unknown escape");
        check(r#"{1a="b"}"#, "a label's name must stand at byte 1");
        check("{a=\"b\\", "not closed");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\{a=\"'`\\\\x1é,\\}\n]{0,24}") {
            let _ = parse(&text);
            let _ = parse(&format!("{{a=\"{text}\"}}"));
        }
    }
}
