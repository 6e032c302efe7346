//! Strings: what they say, and how they are written. Both as Go does it.

use std::fmt::Write as _;

/// What a string says that stands between double quotes or backticks, both included. Bytes that are no UTF-8 are replaced.
///
/// # Errors
/// An escape that there is not.
pub(crate) fn unquote(quoted: &str) -> Result<String, &'static str> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if quoted.starts_with('`') {
        // Go drops them, so that a text means the same wherever it was written.
        return Ok(inner.replace('\r', ""));
    }
    let mut said = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        said.extend_from_slice(plain.as_bytes());
        rest = escape(escaped, &mut said).ok_or("invalid syntax")?;
    }
    said.extend_from_slice(rest.as_bytes());
    Ok(String::from_utf8(said).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Reads what stands behind a backslash; gives what follows it.
fn escape<'a>(text: &'a str, said: &mut Vec<u8>) -> Option<&'a str> {
    let letter = text.chars().next()?;
    // How many characters are skipped, where the digits end, and their base.
    let (skip, end, base) = match letter {
        '0'..='7' => (0, 3, 8),
        'x' => (1, 3, 16),
        'u' => (1, 5, 16),
        'U' => (1, 9, 16),
        _ => {
            said.push(match letter {
                'a' => 7,
                'b' => 8,
                'f' => 12,
                'n' => b'\n',
                'r' => b'\r',
                't' => b'\t',
                'v' => 11,
                '\\' | '"' => letter as u8,
                _ => return None,
            });
            return text.get(1..);
        }
    };
    let digits = text.get(skip..end)?;
    if !digits.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    let value = u32::from_str_radix(digits, base).ok()?;
    if end == 3 {
        said.push(u8::try_from(value).ok()?);
    } else {
        said.extend_from_slice(char::from_u32(value)?.encode_utf8(&mut [0; 4]).as_bytes());
    }
    text.get(end..)
}

/// A text in double quotes.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' | '"' => quoted.extend(['\\', character]),
            _ if is_printable(character) => quoted.push(character),
            // Writing to a string does not fail.
            '\0'..'\u{80}' => drop(write!(quoted, "\\x{:02x}", u32::from(character))),
            '\u{80}'..'\u{10000}' => drop(write!(quoted, "\\u{:04x}", u32::from(character))),
            _ => drop(write!(quoted, "\\U{:08x}", u32::from(character))),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a character can be seen: what the standard library's debug form leaves as it is behind another character.
fn is_printable(character: char) -> bool {
    if matches!(character, ' '..='~') {
        return true;
    }
    let mut pair = String::from("a");
    pair.push(character);
    character != char::REPLACEMENT_CHARACTER && pair.escape_debug().nth(1) == Some(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes() {
        let check = |quoted: &str, said: &str| assert_eq!(unquote(quoted).as_deref(), Ok(said), "{quoted}");
        check(r#""""#, "");
        check(r#""a\"b\\\n\t\v""#, "a\"b\\\n\t\u{b}");
        check(r#""\101\x41\u0041\U00000041é""#, "AAAAé");
        check(r#""\xc3\xa9\xff""#, "é\u{fffd}");
        check("`a\\n\r`", r"a\n");
        for none in [r#""\q""#, r#""\x4""#, r#""\ud800""#, r#""\400""#, r#""\'""#] {
            assert!(unquote(none).is_err(), "{none}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(text: String) {
            prop_assert_eq!(unquote(&quote(&text)), Ok(text));
        }
    }
}
