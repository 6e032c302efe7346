//! Arbitrary bytes made safe to read: clients choose hosts, paths and user agents, and a log line must neither
//! break its format nor move a terminal's cursor.

use crate::digits::hex_u8;

/// Where the text will stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    /// Between the quotes of a JSON string (RFC 8259, section 7).
    Json,
    /// On a line for people.
    Line,
}

/// Appends `bytes` as UTF-8. Control characters (C0, DEL, C1) and the line separators U+2028 and U+2029 are escaped:
/// `\u00XX` in JSON, `\xXX` or `\u{XXXX}` on a line. Each maximal invalid sequence becomes U+FFFD, so that a JSON
/// reader gets exactly what [`String::from_utf8_lossy`] makes of the bytes.
pub(crate) fn push_escaped(out: &mut Vec<u8>, bytes: &[u8], within: Within) {
    let mut rest = bytes;
    loop {
        let plain = plain_len(rest);
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        match rest.first() {
            None => return,
            Some(&byte) if byte.is_ascii() => {
                push_ascii(out, byte, within);
                rest = &rest[1..];
            }
            Some(_) => {
                // No UTF-8 sequence, valid or not, reaches over an ASCII byte, so the run stands for itself.
                let run = rest.iter().position(u8::is_ascii).unwrap_or(rest.len());
                push_wide(out, &rest[..run], within);
                rest = &rest[run..];
            }
        }
    }
}

/// At most `max` bytes of a text, cut before a character, and whether something was cut.
pub(crate) fn clip(bytes: &[u8], max: usize) -> (&[u8], bool) {
    if bytes.len() <= max {
        return (bytes, false);
    }
    let continues = |at: &usize| bytes[*at] & 0xC0 == 0x80;
    let end = (max.saturating_sub(3)..=max).rev().find(|at| !continues(at)).unwrap_or(max);
    (&bytes[..end], true)
}

/// Length of the longest prefix that needs no escape in any place.
#[inline]
fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The lowest bit found is exact; borrows can only mark bytes above a true one.
    let equals = |word: u64, byte: u8| {
        let differs = word ^ (ONES * u64::from(byte));
        differs.wrapping_sub(ONES) & !differs
    };
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (word | control | equals(word, b'"') | equals(word, b'\\') | equals(word, 0x7F)) & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let plain = |byte: &u8| matches!(byte, 0x20..=0x7E) && *byte != b'"' && *byte != b'\\';
    at + bytes[at..].iter().take_while(|byte| plain(byte)).count()
}

fn push_ascii(out: &mut Vec<u8>, byte: u8, within: Within) {
    match (byte, within) {
        (b'"', Within::Line) => out.push(b'"'),
        (b'"', Within::Json) => out.extend_from_slice(b"\\\""),
        (b'\\', _) => out.extend_from_slice(b"\\\\"),
        (b'\n', _) => out.extend_from_slice(b"\\n"),
        (b'\r', _) => out.extend_from_slice(b"\\r"),
        (b'\t', _) => out.extend_from_slice(b"\\t"),
        (_, Within::Json) => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&hex_u8(byte));
        }
        (_, Within::Line) => {
            out.extend_from_slice(b"\\x");
            out.extend_from_slice(&hex_u8(byte));
        }
    }
}

fn push_wide(out: &mut Vec<u8>, run: &[u8], within: Within) {
    for chunk in run.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
                let code = character as u32;
                let (before, after): (&[u8], &[u8]) = match within {
                    Within::Json => (b"\\u", b""),
                    Within::Line => (b"\\u{", b"}"),
                };
                out.extend_from_slice(before);
                out.extend_from_slice(&hex_u8((code >> 8) as u8));
                out.extend_from_slice(&hex_u8(code as u8));
                out.extend_from_slice(after);
            } else {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{FFFD}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(bytes: &[u8], within: Within) -> String {
        let mut out = Vec::new();
        push_escaped(&mut out, bytes, within);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_stay_lines() {
        #[track_caller]
        fn check(bytes: &[u8], json: &str, line: &str) {
            assert_eq!(
                (escaped(bytes, Within::Json).as_str(), escaped(bytes, Within::Line).as_str()),
                (json, line)
            );
        }
        check(b"plain text, long enough", "plain text, long enough", "plain text, long enough");
        check(b"a\"b\\c", "a\\\"b\\\\c", "a\"b\\\\c");
        check(b"1\n2\r3\t", "1\\n2\\r3\\t", "1\\n2\\r3\\t");
        check(b"\x1b[2J\x7f", "\\u001b[2J\\u007f", "\\x1b[2J\\x7f");
        check("é→\u{9b}\u{2028}".as_bytes(), "é→\\u009b\\u2028", "é→\\u{009b}\\u{2028}");
        check(b"a\xff\xfeb\xe2\x82", "a\u{FFFD}\u{FFFD}b\u{FFFD}", "a\u{FFFD}\u{FFFD}b\u{FFFD}");
    }

    #[test]
    fn clips_before_a_character() {
        #[track_caller]
        fn check(text: &str, max: usize, expect: &str) {
            let (kept, cut) = clip(text.as_bytes(), max);
            assert_eq!((kept, cut), (expect.as_bytes(), expect != text));
        }
        check("abc", 3, "abc");
        check("abcd", 3, "abc");
        check("ab€", 4, "ab");
        check("ab€", 5, "ab€");
        check("ab€d", 5, "ab€");
    }

    proptest! {
        #[test]
        fn json_reads_back_what_lossy_decoding_gives(bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            any::<String>().prop_map(String::into_bytes),
        ]) {
            let read: String = serde_json::from_str(&format!("\"{}\"", escaped(&bytes, Within::Json))).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_control_character_reaches_a_line(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(!escaped(&bytes, Within::Line).chars().any(char::is_control));
        }
    }
}
