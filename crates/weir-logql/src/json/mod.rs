//! JSON as lines of logs have it, read as Loki reads it: member by member, so that what stands in front of a mistake is
//! there, and no more strictly than needed to find the next one.

mod path;

use std::borrow::Cow;

use memchr::memchr2;

pub(crate) use path::Path;

/// How deep objects within each other are followed.
const DEPTH_MAX: usize = 64;

const NO_JSON: &str = "Malformed JSON error";
const NO_OBJECT: &str = "Value looks like object, but can't find closing '}' symbol";
const NO_ARRAY: &str = "Value is array, but can't find closing ']' symbol";
const NO_STRING: &str = "Value is string, but can't find closing '\"' symbol";
const NO_VALUE: &str = "Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol";
const NO_KIND: &str = "Unknown value type";
const NO_ESCAPE: &str = "Encountered an invalid escape sequence in a string";
const TOO_DEEP: &str = "Objects are nested too deep within each other";

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Number,
    Bool,
    Null,
    Object,
    Array,
}

/// A value as it is written; a string without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
}

impl<'a> Raw<'a> {
    /// What the value says as a label.
    pub(crate) fn say(self) -> Cow<'a, str> {
        match self.kind {
            Kind::String => say(self.text),
            Kind::Null => Cow::Borrowed(""),
            _ => Cow::Borrowed(self.text),
        }
    }
}

/// Whether to go on to the next member.
pub(crate) type Go = Result<bool, &'static str>;

/// The members of the object that a text begins with, in their order, as long as `each` wants more.
///
/// # Errors
/// What is no JSON, behind the members in front of it.
pub(crate) fn members<'a>(text: &'a str, mut each: impl FnMut(&str, Raw<'a>) -> Go) -> Go {
    let mut at = next(text, 0).filter(|&at| text.as_bytes()[at] == b'{').ok_or(NO_OBJECT)? + 1;
    at = next(text, at).ok_or(NO_JSON)?;
    loop {
        match text.as_bytes()[at] {
            b'"' => {}
            b'}' => return Ok(true),
            _ => return Err(NO_OBJECT),
        }
        let end = string_end(text, at + 1).ok_or(NO_JSON)?;
        let key = unescape(&text[at + 1..end]).ok_or(NO_ESCAPE)?;
        at = next(text, end + 1).filter(|&at| text.as_bytes()[at] == b':').ok_or(NO_JSON)? + 1;
        let (value, end) = value(text, at)?;
        if !each(&key, value)? {
            return Ok(false);
        }
        at = next(text, end).ok_or(NO_ARRAY)?;
        match text.as_bytes()[at] {
            b'}' => return Ok(true),
            b',' => at = next(text, at + 1).ok_or(NO_ARRAY)?,
            _ => return Err(NO_OBJECT),
        }
    }
}

/// The elements of the array that a text begins with, as [`members`] has those of objects.
pub(crate) fn elements<'a>(text: &'a str, mut each: impl FnMut(Raw<'a>) -> Go) -> Go {
    let mut at = next(text, 0).filter(|&at| text.as_bytes()[at] == b'[').ok_or(NO_ARRAY)? + 1;
    at = next(text, at).ok_or(NO_ARRAY)?;
    if text.as_bytes()[at] == b']' {
        return Ok(true);
    }
    loop {
        let (value, end) = value(text, at)?;
        if !each(value)? {
            return Ok(false);
        }
        at = next(text, end).ok_or(NO_ARRAY)?;
        match text.as_bytes()[at] {
            b']' => return Ok(true),
            b',' => at += 1,
            _ => return Err(NO_ARRAY),
        }
    }
}

/// Every value within the object that a text begins with that is no object itself, with the keys that lead to it, the
/// outermost first. Arrays are not followed.
pub(crate) fn leaves<'a>(
    text: &'a str,
    keys: &mut Vec<String>,
    into: &mut impl FnMut(&[String]) -> bool,
    leaf: &mut impl FnMut(&mut Vec<String>, &str, Raw<'a>) -> bool,
) -> Go {
    members(text, |key, value| {
        if value.kind != Kind::Object {
            return Ok(leaf(keys, key, value));
        }
        if keys.len() == DEPTH_MAX {
            return Err(TOO_DEEP);
        }
        keys.push(key.to_owned());
        let go = if into(keys) { leaves(value.text, keys, into, leaf) } else { Ok(true) };
        keys.pop();
        go
    })
}

/// The value that begins at `at` or behind spaces there, and where it ends.
pub(crate) fn value(text: &str, at: usize) -> Result<(Raw<'_>, usize), &'static str> {
    let at = next(text, at).ok_or(NO_VALUE)?;
    let (kind, end) = match text.as_bytes()[at] {
        b'"' => {
            let end = string_end(text, at + 1).ok_or(NO_STRING)?;
            return Ok((Raw { kind: Kind::String, text: &text[at + 1..end] }, end + 1));
        }
        b'{' => (Kind::Object, block_end(text, at, b'{', b'}').ok_or(NO_OBJECT)?),
        b'[' => (Kind::Array, block_end(text, at, b'[', b']').ok_or(NO_ARRAY)?),
        first => {
            let ends = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b'}' | b']');
            let length = text.as_bytes()[at..].iter().position(ends).ok_or(NO_VALUE)?;
            let kind = match (first, &text[at..at + length]) {
                (_, "true" | "false") => Kind::Bool,
                (_, "null") => Kind::Null,
                (b'0'..=b'9' | b'-', _) => Kind::Number,
                _ => return Err(NO_KIND),
            };
            (kind, at + length)
        }
    };
    Ok((Raw { kind, text: &text[at..end] }, end))
}

/// Where the next character is that is no space.
fn next(text: &str, at: usize) -> Option<usize> {
    let rest = text.as_bytes().get(at..)?;
    Some(at + rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))?)
}

/// Where the quote is that ends a string whose inside begins at `at`.
fn string_end(text: &str, mut at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Behind the sign that closes the one at `at`.
fn block_end(text: &str, mut at: usize, open: u8, close: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' {
            at = string_end(text, at + 1)?;
        } else if byte == open {
            depth += 1;
        } else if byte == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + 1);
            }
        }
        at += 1;
    }
    None
}

/// What a string says as a label: nothing where it has an escape that there is not, a space for what is no character.
pub(crate) fn say(inner: &str) -> Cow<'_, str> {
    let said = unescape(inner).unwrap_or_default();
    if said.contains(char::REPLACEMENT_CHARACTER) {
        return Cow::Owned(said.replace(char::REPLACEMENT_CHARACTER, " "));
    }
    said
}

/// What a string says; `None` where it has an escape that there is not.
pub(crate) fn unescape(inner: &str) -> Option<Cow<'_, str>> {
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let mut said = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        said.push_str(plain);
        let letter = escaped.chars().next()?;
        rest = &escaped[letter.len_utf8()..];
        said.push(match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (character, after) = unicode_escape(rest)?;
                rest = after;
                character
            }
            _ => return None,
        });
    }
    said.push_str(rest);
    Some(Cow::Owned(said))
}

/// The character of the digits behind `\u`, and what follows; half a pair is replaced.
pub(crate) fn unicode_escape(text: &str) -> Option<(char, &str)> {
    let unit = |text: &str| {
        let digits = text.get(..4)?;
        let good = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        good.then(|| u32::from_str_radix(digits, 16).ok())?
    };
    let first = unit(text)?;
    let rest = &text[4..];
    if (0xd800..0xdc00).contains(&first)
        && let Some(after) = rest.strip_prefix("\\u")
        && let Some(second @ 0xdc00..0xe000) = unit(after)
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return Some((char::from_u32(code)?, &after[4..]));
    }
    Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_stands_in_front_of_a_mistake_is_there() {
        let check = |line: &str, expect: &str| {
            let mut shown = String::new();
            let end = leaves(line, &mut Vec::new(), &mut |_| true, &mut |keys, key, value| {
                for key in keys.iter() {
                    shown.extend([key, "."]);
                }
                shown.extend([key, "=", &*value.say(), ";"]);
                true
            });
            assert_eq!(shown + end.err().unwrap_or_default(), expect, "{line}");
        };
        check(
            r#" {"a":"b\n\u00e9\ud83d\ude00\ud83d","c":{"d":1.5,"e":{}},"f":true,"g":null} x"#,
            "a=b\né😀 ;c.d=1.5;f=true;g=;",
        );
        check(r#"{"a":[1,{"b":2}],"c":-1,}"#, "a=[1,{\"b\":2}];c=-1;");
        check("{}", "");
        check("broken", NO_OBJECT);
        check(r#"{"a":1 "b":2}"#, &format!("a=1;{NO_OBJECT}"));
        check(r#"{"a":1,"b"#, &format!("a=1;{NO_JSON}"));
        check(r#"{"a":"x"#, NO_STRING);
        check(r#"{"a":{"b":1"#, NO_OBJECT);
        check(r#"{"a":yes}"#, NO_KIND);
        check(r#"{"a":1"#, NO_VALUE);
        check(r#"{"a":"\q","b":1}"#, "a=;b=1;");
        check(&format!("{}1{}", r#"{"a":"#.repeat(80), "}".repeat(80)), TOO_DEEP);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r#"[\[\]{}",:\\u0dtn a-]{0,40}"#) {
            let _ = leaves(&text, &mut Vec::new(), &mut |_| true, &mut |_, _, value| !value.say().is_empty());
            let _ = elements(&text, |_| Ok(true));
            let _ = Path::parse(&text).map(|path| path.find(&text));
        }
    }
}
