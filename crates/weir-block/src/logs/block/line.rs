//! Cuts lines into what stays the same and what changes.
//!
//! A token with a digit in it is a value; what stands between values is the text of a template. Times, ids of 16 and 32
//! hexadecimal digits and UUIDs have kinds of their own, since bytes are what they are made of. After so many values the
//! rest of the line is one last value: a long list is no template.

use super::stamp::{self, StampShape};

/// Values of a line before the rest is taken as a whole. Few of them are about what a logger writes before the message.
pub(super) const SLOTS_MAX: usize = 20;
/// See [`SLOTS_MAX`].
pub(super) const SLOTS_FEW: usize = 5;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text.
    Word,
    /// 16 hexadecimal digits without capitals.
    Id8,
    /// 32 hexadecimal digits without capitals.
    Id16,
    /// 32 hexadecimal digits without capitals in groups of 8, 4, 4, 4 and 12.
    Uuid,
    /// A time.
    Stamp(StampShape),
    /// The rest of the line.
    Rest,
    /// The same as the value of an earlier slot, of this place among the slots.
    Copy(u8),
}

impl Kind {
    pub(super) fn code(self) -> u16 {
        match self {
            Self::Word => 0,
            Self::Id8 => 1,
            Self::Id16 => 2,
            Self::Uuid => 3,
            Self::Rest => 4,
            Self::Copy(slot) => 8 + u16::from(slot),
            Self::Stamp(shape) => 264 + shape.code(),
        }
    }

    pub(super) fn from_code(code: u16) -> Option<Self> {
        Some(match code {
            0 => Self::Word,
            1 => Self::Id8,
            2 => Self::Id16,
            3 => Self::Uuid,
            4 => Self::Rest,
            8..264 => Self::Copy((code - 8) as u8),
            264.. => Self::Stamp(StampShape::from_code(code - 264)?),
            _ => return None,
        })
    }
}

/// A value's place in a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// Where in the template's text it stands.
    pub(super) at: u32,
    pub(super) kind: Kind,
}

/// A value of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// Bytes of the line, from one place to another.
    Text(u32, u32),
    /// A stamp's value.
    Stamp(i64),
}

/// A line in parts; its memory is used again.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) text: Vec<u8>,
    pub(super) slots: Vec<Slot>,
    pub(super) values: Vec<Value>,
}

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
/// What a byte is: 0 where it is not part of a token.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_digit() {
            classes[byte] = DIGIT;
        } else if b.is_ascii_alphabetic() || b == b'_' {
            classes[byte] = LETTER;
        }
        byte += 1;
    }
    classes
};

impl Parts {
    /// Replaces what is there by a line that is one value.
    pub(super) fn keep_whole(&mut self, line: &[u8]) {
        self.text.clear();
        self.slots.clear();
        self.values.clear();
        self.slots.push(Slot { at: 0, kind: Kind::Rest });
        self.values.push(Value::Text(0, line.len() as u32));
    }

    /// Replaces what is there by the parts of a line, of which at most `slots_max` are values and one a rest.
    pub(super) fn split(&mut self, line: &[u8], slots_max: usize) {
        self.text.clear();
        self.slots.clear();
        self.values.clear();
        // From where on the text is not copied yet.
        let mut copied = 0;
        let mut at = 0;
        while at < line.len() {
            if CLASSES[usize::from(line[at])] == 0 {
                at += 1;
                continue;
            }
            let start = at;
            let mut classes = 0;
            while let Some(&byte) = line.get(at)
                && CLASSES[usize::from(byte)] != 0
            {
                classes |= CLASSES[usize::from(byte)];
                at += 1;
            }
            let token = &line[start..at];
            let next = line.get(at).copied();
            let uuid = token.len() == 8 && next == Some(b'-') && is_uuid(&line[start..]);
            if classes & DIGIT == 0 && !uuid {
                continue;
            }
            self.text.extend_from_slice(&line[copied..start]);
            let place = self.text.len() as u32;
            if self.slots.len() == slots_max {
                self.slots.push(Slot { at: place, kind: Kind::Rest });
                self.values.push(Value::Text(start as u32, line.len() as u32));
                return;
            }
            let stamp = match (token.len(), next) {
                (2, Some(b':')) | (4, Some(b'-')) => stamp::parse(&line[start..]),
                _ => None,
            };
            if let Some((shape, value, length)) = stamp {
                at = start + length;
                self.slots.push(Slot { at: place, kind: Kind::Stamp(shape) });
                self.values.push(Value::Stamp(value));
            } else {
                let kind = if uuid {
                    at = start + UUID_BYTES;
                    Kind::Uuid
                } else {
                    kind_of_token(token)
                };
                self.slots.push(Slot { at: place, kind });
                self.values.push(Value::Text(start as u32, at as u32));
            }
            copied = at;
        }
        self.text.extend_from_slice(&line[copied..]);
    }
}

/// What a value is that stands on its own.
pub(super) fn kind_of_value(value: &[u8]) -> Kind {
    if value.len() == UUID_BYTES && is_uuid(value) { Kind::Uuid } else { kind_of_token(value) }
}

fn kind_of_token(token: &[u8]) -> Kind {
    match token.len() {
        // Sixteen digits are a time in microseconds rather than an id.
        16 if is_hex(token) && !token.iter().all(u8::is_ascii_digit) => Kind::Id8,
        32 if is_hex(token) => Kind::Id16,
        _ => Kind::Word,
    }
}

fn is_hex(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Length of a UUID.
pub(super) const UUID_BYTES: usize = 36;
/// Where its groups begin and end.
pub(super) const UUID_GROUPS: [(usize, usize); 5] = [(0, 8), (9, 13), (14, 18), (19, 23), (24, 36)];

/// Whether a text begins with a UUID that ends with its token.
fn is_uuid(text: &[u8]) -> bool {
    text.len() >= UUID_BYTES
        && [8, 13, 18, 23].iter().all(|&at| text[at] == b'-')
        && UUID_GROUPS.iter().all(|&(start, end)| is_hex(&text[start..end]))
        && text.get(UUID_BYTES).is_none_or(|&byte| CLASSES[usize::from(byte)] == 0)
}

/// The bytes that hexadecimal digits stand for. `digits` are such.
pub(in crate::logs) fn bytes_of_hex(digits: &[u8], out: &mut Vec<u8>) {
    let value = |digit: u8| if digit <= b'9' { digit & 15 } else { (digit & 7) + 9 };
    out.extend(digits.chunks_exact(2).map(|pair| value(pair[0]) << 4 | value(pair[1])));
}

/// Appends the digits of bytes.
pub(super) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Appends the UUID of 16 bytes.
pub(super) fn write_uuid(bytes: &[u8], out: &mut Vec<u8>) {
    for (place, &(start, end)) in UUID_GROUPS.iter().enumerate() {
        if place > 0 {
            out.push(b'-');
        }
        // Before a group there are as many dashes as groups.
        let (start, end) = ((start - place) / 2, (end - place) / 2);
        write_hex(&bytes[start..end], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> String {
        let mut parts = Parts::default();
        parts.split(line.as_bytes(), SLOTS_MAX);
        let mut shown = String::new();
        let mut at = 0;
        for (slot, value) in parts.slots.iter().zip(&parts.values) {
            shown += &String::from_utf8_lossy(&parts.text[at..slot.at as usize]);
            at = slot.at as usize;
            let value = match value {
                Value::Text(start, end) => {
                    format!("<{:?} {}>", slot.kind, &line[*start as usize..*end as usize])
                }
                Value::Stamp(value) => format!("<{value}>"),
            };
            shown.push_str(&value);
        }
        shown + &String::from_utf8_lossy(&parts.text[at..])
    }

    #[test]
    fn lines_have_parts() {
        let check = |line, expect: &str| assert_eq!(parts(line), expect);
        check("", "");
        check("no value", "no value");
        check("10:00:00.5 INFO a#12: x1", "<360005> INFO a#<Word 12>: <Word x1>");
        check("id=0123456789abcdef,", "id=<Id8 0123456789abcdef>,");
        check("id=0123456789ABCDEF", "id=<Word 0123456789ABCDEF>");
        check("t=1674981742383150", "t=<Word 1674981742383150>");
        check("ffc8ca7e4c8f06c75142c880d5595d96", "<Id16 ffc8ca7e4c8f06c75142c880d5595d96>");
        check("(abcdefab-693b-4456-8eed-59c0d717dd08)", "(<Uuid abcdefab-693b-4456-8eed-59c0d717dd08>)");
        check(
            "59c0d717-693b-4456-8eed-59c0d717dd089",
            "<Word 59c0d717>-<Word 693b>-<Word 4456>-<Word 8eed>-<Word 59c0d717dd089>",
        );
        check("1970-01-02 00:00:01", "<86401>");
        check("时间：175ms。", "时间：<Word 175ms>。");
    }

    #[test]
    fn a_long_list_has_a_rest() {
        let line = (0..30).map(|n| format!("a{n}")).collect::<Vec<_>>().join(", ");
        assert!(
            parts(&line).ends_with(", <Word a19>, <Rest a20, a21, a22, a23, a24, a25, a26, a27, a28, a29>")
        );
    }

    #[test]
    fn kinds_have_codes() {
        for code in 0..600 {
            if let Some(kind) = Kind::from_code(code) {
                assert_eq!(kind.code(), code);
            }
        }
    }

    #[test]
    fn uuids_come_back() {
        let text = b"f3d4d4ef-693b-4456-8eed-59c0d717dd08";
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        for (start, end) in UUID_GROUPS {
            bytes_of_hex(&text[start..end], &mut bytes);
        }
        write_uuid(&bytes, &mut again);
        assert_eq!(again, text);
    }
}
