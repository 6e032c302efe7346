//! Strings: where they end, what they say, and how they are written.

use super::{Kind, Lexer};
use crate::parse::ParseError;

/// What stands in the place of bytes that are no UTF-8 is refused within strings, since it is not what was meant.
const NO_UTF8: &str = "invalid UTF-8 rune";

impl Lexer<'_> {
    /// A string whose opening quote has been read. What it says is left for [`unquote`], which relies on the checks here.
    pub(super) fn string(&mut self, open: char) -> Result<Kind, ParseError> {
        loop {
            match self.bump() {
                None | Some('\n') => return self.error("unterminated quoted string"),
                Some('\\') => self.escape(open)?,
                Some(close) if close == open => return Ok(Kind::String),
                Some(char::REPLACEMENT_CHARACTER) => return self.error(NO_UTF8),
                Some(_) => {}
            }
        }
    }

    /// A string without escapes, whose opening backtick has been read.
    pub(super) fn raw_string(&mut self) -> Result<Kind, ParseError> {
        loop {
            match self.bump() {
                None => return self.error("unterminated raw string"),
                Some('`') => return Ok(Kind::String),
                Some(char::REPLACEMENT_CHARACTER) => return self.error(NO_UTF8),
                Some(_) => {}
            }
        }
    }

    fn escape(&mut self, open: char) -> Result<(), ParseError> {
        let begin = self.at;
        let (digits, base, largest) = match self.bump() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => return Ok(()),
            Some(quote) if quote == open => return Ok(()),
            Some('0'..='7') => {
                self.at = begin;
                (3, 8, 255)
            }
            Some('x') => (2, 16, 255),
            Some('u') => (4, 16, 0x10_ffff),
            Some('U') => (8, 16, 0x10_ffff),
            Some(other) => return self.error(format!("unknown escape sequence {}", code_point(other))),
            None => return self.error("escape sequence not terminated"),
        };
        let mut value = 0_u32;
        for _ in 0..digits {
            let Some(next) = self.bump() else { return self.error("escape sequence not terminated") };
            let Some(digit) = next.to_digit(base) else {
                return self.error(format!("illegal character {} in escape sequence", code_point(next)));
            };
            // Eight digits of four bits: it fits.
            value = value << base.trailing_zeros() | digit;
        }
        if value > largest || (0xd800..0xe000).contains(&value) {
            return self.error("escape sequence is an invalid Unicode code point");
        }
        Ok(())
    }
}

/// What a string says that the lexer has found. Escapes of bytes may say what is no UTF-8.
pub(crate) fn unquote(quoted: &str) -> Vec<u8> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if quoted.starts_with('`') || !inner.contains('\\') {
        return inner.as_bytes().to_vec();
    }
    let mut said = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        said.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let Some(letter) = rest.chars().next() else { break };
        // The length of the escape, the digits within it, and their base.
        let (length, skip, base) = match letter {
            '0'..='7' => (3, 0, 8),
            'x' => (3, 1, 16),
            'u' => (5, 1, 16),
            'U' => (9, 1, 16),
            _ => (letter.len_utf8(), 0, 0),
        };
        let value = rest
            .get(skip..length)
            .and_then(|digits| u32::from_str_radix(digits, base.max(2)).ok())
            .unwrap_or(0);
        match letter {
            'a' => said.push(7),
            'b' => said.push(8),
            'f' => said.push(12),
            'n' => said.push(b'\n'),
            'r' => said.push(b'\r'),
            't' => said.push(b'\t'),
            'v' => said.push(11),
            '0'..='7' | 'x' => said.push(value as u8),
            'u' | 'U' => {
                let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
                said.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => said.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    said.extend_from_slice(rest.as_bytes());
    said
}

/// A text in double quotes, as Go and so Prometheus writes it (but for U+FFFD, which is escaped).
pub(crate) fn quote(text: &str) -> String {
    quote_bytes(text.as_bytes())
}

/// As [`quote`], for what may be no UTF-8.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 2);
    quoted.push('"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_escaped(&mut quoted, character, '"');
        }
        for byte in chunk.invalid() {
            push_hex(&mut quoted, 'x', 2, u32::from(*byte));
        }
    }
    quoted.push('"');
    quoted
}

/// A character in single quotes; the end of the text looks like a character that is none.
pub(crate) fn quote_char(character: Option<char>) -> String {
    let mut quoted = "'".to_owned();
    push_escaped(&mut quoted, character.unwrap_or(char::REPLACEMENT_CHARACTER), '\'');
    quoted.push('\'');
    quoted
}

fn push_escaped(out: &mut String, character: char, quote: char) {
    match character {
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        '\\' => out.push_str("\\\\"),
        _ if character == quote => {
            out.push('\\');
            out.push(quote);
        }
        // As it is, the lexer would refuse it.
        char::REPLACEMENT_CHARACTER if quote == '"' => push_hex(out, 'u', 4, character.into()),
        _ if is_printable(character) => out.push(character),
        '\0'..'\u{80}' => push_hex(out, 'x', 2, character.into()),
        '\u{80}'..'\u{10000}' => push_hex(out, 'u', 4, character.into()),
        _ => push_hex(out, 'U', 8, character.into()),
    }
}

/// `\x1f`
fn push_hex(out: &mut String, letter: char, digits: usize, code: u32) {
    out.extend(['\\', letter]);
    let hex = format!("{code:0digits$x}");
    out.push_str(&hex);
}

/// Whether a character can be seen (letters, marks, numbers, punctuation, symbols): what the standard library's debug form
/// leaves as it is behind another character.
fn is_printable(character: char) -> bool {
    if matches!(character, ' '..='~') {
        return true;
    }
    let mut pair = String::from("a");
    pair.push(character);
    pair.escape_debug().nth(1) == Some(character)
}

/// `U+0041 'A'`
fn code_point(character: char) -> String {
    let code = u32::from(character);
    if is_printable(character) { format!("U+{code:04X} '{character}'") } else { format!("U+{code:04X}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes() {
        let check = |quoted: &str, said: &[u8]| assert_eq!(unquote(quoted), said, "{quoted}");
        check(r#""""#, b"");
        check(r#"'a"b\'c'"#, b"a\"b'c");
        check(r#""\a\b\f\n\r\t\v\\\"""#, b"\x07\x08\x0c\n\r\t\x0b\\\"");
        check(r#""\101\x41\u0041\U00000041é""#, "AAAAé".as_bytes());
        check(r#""\xff\377""#, b"\xff\xff");
        check(r"`\n`", br"\n");
    }

    #[test]
    fn quoting() {
        let check = |text: &str, quoted: &str| assert_eq!(quote(text), quoted);
        check("a\"b'c\\", r#""a\"b'c\\""#);
        check("\u{1}\u{7f}\u{a0}é\u{200b}日\u{301}", "\"\\x01\\x7f\\u00a0é\\u200b日\u{301}\"");
        assert_eq!(quote_bytes(b"a\xc5z"), r#""a\xc5z""#);
        assert_eq!(quote_char(Some('\'')), r"'\''");
        assert_eq!(quote_char(None), "'\u{fffd}'");
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(bytes: Vec<u8>) {
            let quoted = quote_bytes(&bytes);
            let mut lexer = Lexer::new(&quoted);
            prop_assert_eq!(lexer.next().map(|token| token.kind), Ok(Kind::String));
            prop_assert_eq!(unquote(&quoted), bytes);
        }
    }
}
