//! Texts: their escapes, and the way back.

use std::fmt::Write;

use super::{Lexer, Result};

impl Lexer<'_> {
    /// A text in double quotes with Go's escapes; the first quote has been read. What is no UTF-8 becomes U+FFFD.
    pub(super) fn quoted(&mut self) -> Result<Box<str>> {
        let mut bytes = Vec::new();
        loop {
            match self.bump() {
                Some('"') => return Ok(String::from_utf8_lossy(&bytes).into()),
                Some('\\') => self.escape(&mut bytes)?,
                None | Some('\n') => return self.error("this text has no end: `\"` is missing"),
                Some(c) => push(&mut bytes, c),
            }
        }
    }

    /// A text in backticks, without escapes; the first one has been read. Carriage returns are left out, as in Go.
    pub(super) fn raw(&mut self) -> Result<Box<str>> {
        let rest = self.rest();
        let Some(end) = rest.find('`') else {
            self.at = self.text().len();
            return self.error("this text has no end: a backtick is missing");
        };
        self.at += end + 1;
        Ok(rest[..end].replace('\r', "").into())
    }

    /// What stands behind a backslash.
    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        let plain = match self.bump() {
            Some('a') => 0x07,
            Some('b') => 0x08,
            Some('f') => 0x0c,
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('v') => 0x0b,
            Some('\\') => b'\\',
            Some('"') => b'"',
            Some('x') => self.code(2, 16)? as u8,
            Some('0'..='7') => {
                self.at -= 1;
                match u8::try_from(self.code(3, 8)?) {
                    Ok(byte) => byte,
                    Err(_) => return self.error("an octal escape is at most `\\377`"),
                }
            }
            Some(c @ ('u' | 'U')) => {
                let code = self.code(if c == 'u' { 4 } else { 8 }, 16)?;
                return match char::from_u32(code) {
                    Some(c) => {
                        push(bytes, c);
                        Ok(())
                    }
                    None => self.error("this escape is no character"),
                };
            }
            _ => return self.error("no such escape; a backslash itself is written `\\\\`"),
        };
        bytes.push(plain);
        Ok(())
    }

    fn code(&mut self, digits: usize, radix: u32) -> Result<u32> {
        let mut code = 0_u32;
        for _ in 0..digits {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(radix)) else {
                return self.error(format!("this escape needs {digits} digits"));
            };
            code = code.wrapping_mul(radix).wrapping_add(digit);
            self.bump();
        }
        Ok(code)
    }
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The text in double quotes. It reads as the same text again.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => {
                // Writing to a text cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
