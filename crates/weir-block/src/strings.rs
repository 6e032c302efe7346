//! Lists of strings: what neighbours share is written once, the rest is packed.
//!
//! ```text
//! count
//! packed: for each string, bytes shared with the one before and bytes of its own, as varints
//! packed: the bytes of their own, one after the other
//! ```

use crate::frame::Damage;
use crate::pack::{Packer, Unpacker};
use crate::varint::{Cursor, put_u64};

/// Appends `strings`. Sorted ones are shorter.
pub fn encode<'a>(strings: impl IntoIterator<Item = &'a str>, packer: &mut Packer, out: &mut Vec<u8>) {
    let (mut lengths, mut text) = (Vec::new(), Vec::new());
    let mut count = 0_u64;
    let mut last = "";
    for string in strings {
        let shared = shared_bytes(last, string);
        put_u64(&mut lengths, shared as u64);
        put_u64(&mut lengths, (string.len() - shared) as u64);
        text.extend_from_slice(&string.as_bytes()[shared..]);
        last = string;
        count += 1;
    }
    put_u64(out, count);
    packer.pack(&lengths, out);
    packer.pack(&text, out);
}

/// How many bytes two strings begin with in common, at a boundary of characters.
fn shared_bytes(a: &str, b: &str) -> usize {
    let equal = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    b.floor_char_boundary(equal)
}

/// A decoded list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strings {
    text: String,
    ends: Vec<u32>,
}

impl Strings {
    /// Reads what [`encode`] wrote.
    ///
    /// # Errors
    /// It is damaged, or the strings together are longer than `bytes_max`.
    pub fn decode(
        cursor: &mut Cursor<'_>,
        bytes_max: usize,
        unpacker: &mut Unpacker,
    ) -> Result<Self, Damage> {
        let count = cursor.length(bytes_max.saturating_mul(2))?;
        let (mut lengths, mut own) = (Vec::new(), Vec::new());
        unpacker.unpack(cursor, count.saturating_mul(10), &mut lengths)?;
        // Each string has two lengths, and so the count is one that was paid for.
        if lengths.len() / 2 < count {
            return Err(cursor.damage("a list has fewer strings than it says"));
        }
        unpacker.unpack(cursor, bytes_max, &mut own)?;
        let whole = |what| cursor.damage(what);
        let own = std::str::from_utf8(&own).map_err(|_| whole("a list of strings is not UTF-8"))?;
        let mut strings = Self { text: String::new(), ends: Vec::with_capacity(count) };
        let (mut lengths, mut at, mut last) = (Cursor::new(&lengths), 0, 0..0);
        for _ in 0..count {
            let bad = |_| whole("the lengths of a list of strings are wrong");
            let shared = lengths.length(last.len()).map_err(bad)?;
            let length = lengths.length(own.len() - at).map_err(bad)?;
            let start = strings.text.len();
            let shared = last.start..last.start + shared;
            let fits = start + shared.len() + length <= bytes_max;
            let tail = own.get(at..at + length).filter(|_| fits && strings.text.is_char_boundary(shared.end));
            let Some(tail) = tail else {
                return Err(whole("the lengths of a list of strings are wrong"));
            };
            strings.text.extend_from_within(shared);
            strings.text.push_str(tail);
            at += length;
            last = start..strings.text.len();
            strings.ends.push(strings.text.len() as u32);
        }
        if at != own.len() || !lengths.is_empty() {
            return Err(whole("a list of strings is longer than it says"));
        }
        Ok(strings)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// About how much memory they take.
    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * 4
    }

    /// The string at `index`.
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        Some(&self.text[start..end])
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pack::Effort;

    proptest! {
        #[test]
        fn come_back(strings in prop::collection::vec("[ab]{0,4}|.{0,9}|é{1,3}", 0..60), sorted: bool) {
            let mut strings = strings;
            if sorted {
                strings.sort();
            }
            let mut out = Vec::new();
            encode(strings.iter().map(String::as_str), &mut Packer::of(Effort::Small), &mut out);
            let bytes: usize = strings.iter().map(String::len).sum();
            let mut cursor = Cursor::new(&out);
            let found = Strings::decode(&mut cursor, bytes.max(60), &mut Unpacker::default())?;
            cursor.end()?;
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), strings.iter().collect::<Vec<_>>());
            prop_assert_eq!(found.get(strings.len()), None);
        }

        #[test]
        fn other_bytes_are_refused(bytes in prop::collection::vec(0_u8..12, 0..60)) {
            let found = Strings::decode(&mut Cursor::new(&bytes), 1 << 10, &mut Unpacker::default());
            if let Ok(found) = found {
                prop_assert!(found.text.len() <= 1 << 10);
            }
        }
    }
}
