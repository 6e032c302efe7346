//! JSON's own grammar (RFC 8259), checked byte by byte without building anything.

use std::borrow::Cow;

use crate::refusal::{Malformed, Wrong};

/// The deepest nesting that can be asked for: one bit each says whether a level is an object.
const DEPTH_MAX: u32 = 128;

/// Walks over a text. Whatever it steps over was valid.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth_max: u32,
}

/// What stands between two quotes, as it was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

/// What a value begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl<'a> Scanner<'a> {
    /// A scanner at the start of a text that is known to be UTF-8.
    pub(crate) fn new(text: &'a str, depth_max: u32) -> Self {
        Self { bytes: text.as_bytes(), at: 0, depth_max: depth_max.min(DEPTH_MAX) }
    }

    /// A scanner over a value that was stepped over before.
    pub(crate) fn again(valid: &'a [u8]) -> Self {
        Self { bytes: valid, at: 0, depth_max: DEPTH_MAX }
    }

    pub(crate) fn wrong(&self, wrong: Wrong) -> Malformed {
        Malformed { at: self.at, wrong }
    }

    /// The next byte that is no white space.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    /// Steps over a byte where it is the next one.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    pub(crate) fn expect(&mut self, byte: u8, wrong: Wrong) -> Result<(), Malformed> {
        if self.eat(byte) { Ok(()) } else { Err(self.wrong(wrong)) }
    }

    /// That nothing follows.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        if self.peek().is_none() { Ok(()) } else { Err(self.wrong(Wrong::Trailing)) }
    }

    pub(crate) fn kind(&mut self) -> Result<Kind, Malformed> {
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.wrong(Wrong::Value)),
        }
    }

    /// Steps over a string and gives what is between its quotes.
    pub(crate) fn string(&mut self) -> Result<Text<'a>, Malformed> {
        self.expect(b'"', Wrong::Value)?;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    match self.bytes.get(self.at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                        Some(b'u') => {
                            let digits = self.bytes.get(self.at + 2..self.at + 6);
                            if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
                                return Err(self.wrong(Wrong::Escape));
                            }
                            self.at += 6;
                        }
                        _ => return Err(self.wrong(Wrong::Escape)),
                    }
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.wrong(Wrong::Unclosed)),
            }
        }
        let raw = &self.bytes[start..self.at];
        self.at += 1;
        Ok(Text { raw, escaped })
    }

    /// Steps over a value and gives its text.
    pub(crate) fn value(&mut self) -> Result<&'a [u8], Malformed> {
        self.peek();
        let start = self.at;
        // One bit a level: whether it is an object.
        let (mut objects, mut depth) = (0_u128, 0_u32);
        loop {
            // At the start of a value.
            let opened = match self.kind()? {
                Kind::Object | Kind::Array if depth == self.depth_max => return Err(self.wrong(Wrong::Depth)),
                kind @ (Kind::Object | Kind::Array) => {
                    self.at += 1;
                    depth += 1;
                    objects = objects << 1 | u128::from(kind == Kind::Object);
                    true
                }
                Kind::String => {
                    self.string()?;
                    false
                }
                Kind::Number => {
                    self.number()?;
                    false
                }
                Kind::Bool | Kind::Null => {
                    self.word()?;
                    false
                }
            };
            // Behind a value, or inside one that has just been opened.
            let mut first = opened;
            loop {
                if depth == 0 {
                    return Ok(&self.bytes[start..self.at]);
                }
                let object = objects & 1 == 1;
                if self.eat(if object { b'}' } else { b']' }) {
                    depth -= 1;
                    objects >>= 1;
                    first = false;
                    continue;
                }
                if !first {
                    self.expect(b',', Wrong::Separator)?;
                }
                if object {
                    self.string()?;
                    self.expect(b':', Wrong::Separator)?;
                }
                break;
            }
        }
    }

    /// Calls back with each member of an object, behind whose brace and to whose end the scanner goes.
    pub(crate) fn members(
        &mut self,
        mut each: impl FnMut(&mut Self, Text<'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.expect(b'{', Wrong::Value)?;
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.wrong(Wrong::Separator));
            }
            let name = self.string()?;
            self.expect(b':', Wrong::Separator)?;
            each(self, name)?;
            if self.eat(b'}') {
                return Ok(());
            }
            self.expect(b',', Wrong::Separator)?;
        }
    }

    /// Calls back at the start of each element of an array.
    pub(crate) fn elements(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.expect(b'[', Wrong::Value)?;
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if self.eat(b']') {
                return Ok(());
            }
            self.expect(b',', Wrong::Separator)?;
        }
    }

    fn number(&mut self) -> Result<(), Malformed> {
        let byte = |at: usize| self.bytes.get(at).copied();
        let digits = |mut at: usize| {
            let from = at;
            while byte(at).is_some_and(|b| b.is_ascii_digit()) {
                at += 1;
            }
            (at > from).then_some(at)
        };
        let whole = |at: usize| if byte(at) == Some(b'0') { Some(at + 1) } else { digits(at) };
        let fraction = |at: usize| if byte(at) == Some(b'.') { digits(at + 1) } else { Some(at) };
        let exponent = |at: usize| match byte(at) {
            Some(b'e' | b'E') => digits(at + 1 + usize::from(matches!(byte(at + 1), Some(b'+' | b'-')))),
            _ => Some(at),
        };
        let start = self.at + usize::from(byte(self.at) == Some(b'-'));
        let end = whole(start).and_then(fraction).and_then(exponent);
        self.at = end.ok_or_else(|| self.wrong(Wrong::Value))?;
        Ok(())
    }

    fn word(&mut self) -> Result<(), Malformed> {
        let rest = &self.bytes[self.at..];
        let word = ["true", "false", "null"].into_iter().find(|w| rest.starts_with(w.as_bytes()));
        self.at += word.ok_or_else(|| self.wrong(Wrong::Value))?.len();
        Ok(())
    }
}

impl<'a> Text<'a> {
    /// Bytes between the quotes, as they were written.
    pub(crate) fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// The text meant; `None` where it holds half a surrogate pair, which no text can.
    pub(crate) fn decode(self) -> Option<Cow<'a, str>> {
        if !self.escaped {
            return std::str::from_utf8(self.raw).ok().map(Cow::Borrowed);
        }
        let mut out = Vec::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let [first, more @ ..] = rest {
            rest = more;
            if *first != b'\\' {
                out.push(*first);
                continue;
            }
            let (escape, more) = rest.split_first()?;
            rest = more;
            match escape {
                b'b' => out.push(8),
                b'f' => out.push(12),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'u' => {
                    let mut unit = hex(rest)?;
                    rest = &rest[4..];
                    if (0xD800..0xDC00).contains(&unit) {
                        let low = hex(rest.strip_prefix(b"\\u")?).filter(|u| (0xDC00..0xE000).contains(u))?;
                        rest = &rest[6..];
                        unit = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                    }
                    out.extend_from_slice(char::from_u32(unit)?.encode_utf8(&mut [0; 4]).as_bytes());
                }
                other => out.push(*other),
            }
        }
        String::from_utf8(out).ok().map(Cow::Owned)
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits.get(..4)?).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    fn accepts(text: &str) -> bool {
        let mut scanner = Scanner::new(text, 64);
        scanner.value().is_ok() && scanner.end().is_ok()
    }

    fn values() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(|f| serde_json::json!(f)),
            "\\PC*".prop_map(serde_json::Value::from),
            any::<Vec<char>>().prop_map(|c| c.into_iter().collect::<String>().into()),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(serde_json::Value::from),
                prop::collection::vec(("\\PC{0,8}", inner), 0..8)
                    .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read(value in values()) {
            prop_assert!(accepts(&value.to_string()));
            prop_assert!(accepts(&serde_json::to_string_pretty(&value).unwrap()));
        }

        #[test]
        fn slips_are_judged_as_by_others(value in values(), at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7F) {
            let mut text = value.to_string().into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            if let Ok(text) = std::str::from_utf8(&text) {
                // The other parser also refuses numbers beyond a double's range and half surrogate pairs.
                let theirs = serde_json::from_str::<serde_json::Value>(text);
                match theirs {
                    Ok(_) => prop_assert!(accepts(text), "{text}"),
                    Err(e) if e.to_string().contains("out of range") || e.to_string().contains("surrogate")
                        || e.to_string().contains("hex escape") || e.to_string().contains("unexpected end of hex") => {}
                    Err(e) => prop_assert!(!accepts(text), "{text}: {e}"),
                }
            }
        }

        #[test]
        fn strings_mean_what_they_should(text in any::<Vec<char>>()) {
            let text: String = text.into_iter().collect();
            let written = serde_json::to_string(&text).unwrap();
            let mut units = String::from("\"");
            text.encode_utf16().for_each(|unit| write!(units, "\\u{unit:04x}").unwrap());
            units.push('"');
            for written in [written, units] {
                let read = Scanner::new(&written, 1).string().unwrap().decode();
                prop_assert_eq!(read.as_deref(), Some(text.as_str()));
            }
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(accepts(&nested(64)));
        assert!(!accepts(&nested(65)));
        assert_eq!(Scanner::new(&nested(100_000), 500).value().unwrap_err().wrong, Wrong::Depth);
    }

    #[test]
    fn what_is_no_json() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "[,1]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "--1",
            "nul",
            "truee",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"",
            "[1 2]",
            "{\"a\":1 \"b\":2}",
            "1 1",
            "[1}",
            "{\"a\":1]",
        ] {
            assert!(!accepts(text), "{text}");
        }
    }
}
