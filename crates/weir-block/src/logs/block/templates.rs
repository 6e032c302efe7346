//! Templates: texts with slots for values.
//!
//! A template is known by its *key*: the number of its slots, of those in the line, and of its bytes of the line (4 bytes
//! each), place (4 bytes) and kind (2 bytes) of each slot, and its text. Behind the text of the line stand the names of its
//! metadata; the slot of each is at its end.

use super::line::{Kind, Parts, Slot};
use super::pools::{Pool, Pools};
use crate::frame::Damage;
use crate::varint::{Cursor, put_u64};

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Template {
    pub(super) text: Vec<u8>,
    pub(super) slots: Vec<Slot>,
    /// How many of the slots are in the line.
    pub(super) line_slots: usize,
    /// How many bytes of the text are the line's.
    pub(super) line_bytes: usize,
}

/// Replaces what is in `key` by the key of a line, to whose parts its metadata was added.
pub(super) fn write_key(parts: &Parts, line_slots: usize, line_bytes: usize, key: &mut Vec<u8>) {
    key.clear();
    for number in [parts.slots.len(), line_slots, line_bytes] {
        key.extend_from_slice(&(number as u32).to_le_bytes());
    }
    for slot in &parts.slots {
        key.extend_from_slice(&slot.at.to_le_bytes());
        key.extend_from_slice(&slot.kind.code().to_le_bytes());
    }
    key.extend_from_slice(&parts.text);
}

impl Template {
    /// From a key that [`write_key`] wrote.
    pub(super) fn from_key(key: &[u8]) -> Self {
        let number = |at: usize| u32::from_le_bytes([key[at], key[at + 1], key[at + 2], key[at + 3]]);
        let (slots, line_slots, line_bytes) = (number(0) as usize, number(4) as usize, number(8) as usize);
        let (list, text) = key[12..].split_at(slots * 6);
        let slots = list
            .chunks_exact(6)
            .map(|slot| Slot {
                at: u32::from_le_bytes([slot[0], slot[1], slot[2], slot[3]]),
                kind: Kind::from_code(u16::from_le_bytes([slot[4], slot[5]])).unwrap_or(Kind::Word),
            })
            .collect();
        Self { text: text.to_vec(), slots, line_slots, line_bytes }
    }

    pub(super) fn encode(&self, pools: &mut Pools) {
        pools.get(Pool::Texts).extend_from_slice(&self.text);
        let out = pools.get(Pool::Slots);
        put_u64(out, self.text.len() as u64);
        put_u64(out, self.line_bytes as u64);
        put_u64(out, self.slots.len() as u64);
        put_u64(out, self.line_slots as u64);
        let mut last = 0;
        for slot in &self.slots {
            put_u64(out, u64::from(slot.at - last));
            put_u64(out, u64::from(slot.kind.code()));
            last = slot.at;
        }
    }

    /// Reads one; what it promises holds for what is read, too: slots lie in the text, ascending, those of metadata behind
    /// the line's, a copy is of a slot before it that is none.
    pub(super) fn decode(slots: &mut Cursor<'_>, texts: &mut Cursor<'_>) -> Result<Self, Damage> {
        let length = slots.length(texts.left())?;
        let text = texts.take(length)?.to_vec();
        let line_bytes = slots.length(text.len())?;
        let count = slots.length(slots.left())?;
        let line_slots = slots.length(count)?;
        let mut found: Vec<Slot> = Vec::with_capacity(count);
        let mut at = 0;
        for place in 0..count {
            let limit = if place < line_slots { line_bytes } else { text.len() };
            at += slots.length(limit.saturating_sub(at))?;
            if place >= line_slots && at < line_bytes {
                return Err(slots.damage("a slot of metadata lies in the line"));
            }
            let code = slots.length(usize::from(u16::MAX))? as u16;
            let kind = Kind::from_code(code).ok_or_else(|| slots.damage("a slot has an unknown kind"))?;
            if let Kind::Copy(of) = kind
                && found.get(usize::from(of)).is_none_or(|of| matches!(of.kind, Kind::Copy(_)))
            {
                return Err(slots.damage("a slot copies what is not there"));
            }
            found.push(Slot { at: at as u32, kind });
        }
        Ok(Self { text, slots: found, line_slots, line_bytes })
    }
}
