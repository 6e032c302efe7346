//! Which attributes a segment has.
//!
//! ```text
//! how many, whether others were left out; packed, for each, ascending by scope and name:
//!   scope, name, which kinds of values it has, its blocks (see [`super::fingerprints`])
//!   0 where it has many values; else how many + 1, and these (see [`super::nested`])
//! ```

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use weir_signal::Value;

use super::PLAIN_BYTES_MAX;
use super::fingerprints::{Blocks, put_list, take_list};
use super::nested;
use crate::frame::Damage;
use crate::pack::{Packer, Unpacker};
use crate::varint::{Cursor, put_bytes, put_u64};

/// Of an attribute with more values, or longer ones, none is kept here.
const VALUES_MAX: usize = 64;
const VALUE_BYTES_MAX: usize = 64;

/// A segment keeps no more attributes: senders that make names up must not make the index large.
const KEYS_MAX: usize = 1 << 16;

/// What an attribute is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyScope {
    Span = 0,
    Resource = 1,
}

/// Kinds of values, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct KeyKinds(u8);

impl KeyKinds {
    pub(super) const TEXT: Self = Self(1);
    pub(super) const INT: Self = Self(2);
    pub(super) const BOOL: Self = Self(4);
    /// Such as no filter knows.
    pub(super) const OTHERS: Self = Self(8);

    pub(super) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What is known of an attribute.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyEntry {
    pub(super) kinds: KeyKinds,
    blocks: Vec<u32>,
    values: Facets,
}

#[derive(Debug, Clone, Default)]
struct Facets {
    texts: BTreeSet<Box<[u8]>>,
    ints: BTreeSet<i64>,
    bools: [bool; 2],
    many: bool,
}

impl KeyEntry {
    pub(super) fn add_text(&mut self, text: &[u8]) {
        let values = &mut self.values;
        if values.many || values.texts.contains(text) {
            return;
        }
        values.many = text.len() > VALUE_BYTES_MAX || values.count() == VALUES_MAX;
        values.texts.insert(text.into());
    }

    pub(super) fn add_int(&mut self, number: i64) {
        let values = &mut self.values;
        if !values.many && !values.ints.contains(&number) {
            values.many = values.count() == VALUES_MAX;
            values.ints.insert(number);
        }
    }

    pub(super) fn add_bool(&mut self, value: bool) {
        self.values.bools[usize::from(value)] = true;
    }
}

impl Facets {
    fn count(&self) -> usize {
        self.texts.len() + self.ints.len()
    }

    fn list(&self) -> Vec<Value> {
        let texts = self.texts.iter().map(|text| Value::String(String::from_utf8_lossy(text).into()));
        let ints = self.ints.iter().map(|&int| Value::Int(int));
        let bools =
            [false, true].into_iter().filter(|&value| self.bools[usize::from(value)]).map(Value::Bool);
        texts.chain(ints).chain(bools).collect()
    }
}

/// Gathers the attributes of a segment.
#[derive(Debug, Default)]
pub(super) struct KeysWriter {
    entries: BTreeMap<(KeyScope, Box<str>), KeyEntry>,
    many: bool,
}

impl KeysWriter {
    /// What is known of an attribute of this block; `None` where there are too many. Blocks come in ascending order.
    pub(super) fn entry(&mut self, scope: KeyScope, key: &str, block: u32) -> Option<&mut KeyEntry> {
        let full = self.entries.len() >= KEYS_MAX;
        let entry = match self.entries.entry((scope, key.into())) {
            Entry::Vacant(_) if full => {
                self.many = true;
                return None;
            }
            entry => entry.or_default(),
        };
        if entry.blocks.last() != Some(&block) {
            entry.blocks.push(block);
        }
        Some(entry)
    }

    pub(super) fn encode(&self, blocks: u32, packer: &mut Packer) -> Vec<u8> {
        let mut plain = Vec::new();
        for ((scope, key), entry) in &self.entries {
            plain.push(*scope as u8);
            put_bytes(&mut plain, key.as_bytes());
            plain.push(entry.kinds.0);
            put_list(&entry.blocks, blocks, &mut plain);
            if entry.values.many || entry.kinds.has(KeyKinds::OTHERS) {
                put_u64(&mut plain, 0);
            } else {
                let values = entry.values.list();
                put_u64(&mut plain, values.len() as u64 + 1);
                for value in &values {
                    assert!(nested::encode(value, 0, &mut plain), "it holds no others");
                }
            }
        }
        let mut out = Vec::new();
        put_u64(&mut out, self.entries.len() as u64);
        out.push(u8::from(self.many));
        packer.pack(&plain, &mut out);
        out
    }
}

/// An attribute of a segment.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) scope: KeyScope,
    pub(super) name: Box<str>,
    pub(super) kinds: KeyKinds,
    pub(super) blocks: Blocks,
    /// All its values, where they are few.
    pub(super) values: Option<Vec<Value>>,
}

/// The attributes of a segment, ascending by scope and name.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) list: Vec<Key>,
    /// Others were left out.
    pub(super) many: bool,
}

/// Reads what [`KeysWriter::encode`] wrote.
pub(super) fn decode(body: &[u8], blocks: u32) -> Result<Keys, Damage> {
    let mut cursor = Cursor::new(body);
    let count = cursor.length(KEYS_MAX)?;
    let many = cursor.u8()? != 0;
    let mut plain = Vec::new();
    Unpacker::default().unpack(&mut cursor, PLAIN_BYTES_MAX, &mut plain)?;
    cursor.end()?;
    let mut entries = Cursor::new(&plain);
    let mut keys: Vec<Key> = Vec::new();
    let mut read = || {
        for _ in 0..count {
            let scope = if entries.u8()? == 0 { KeyScope::Span } else { KeyScope::Resource };
            let name: Box<str> = entries.text()?.into();
            let kinds = KeyKinds(entries.u8()?);
            let list = take_list(&mut entries, blocks)?;
            let values = match entries.length(VALUES_MAX + 3)? {
                0 => None,
                many => Some((1..many).map(|_| nested::decode(&mut entries, 0)).collect::<Result<_, _>>()?),
            };
            if keys.last().is_some_and(|last| (last.scope, &last.name) >= (scope, &name)) {
                return Err(entries.damage("attributes stand in another order"));
            }
            keys.push(Key { scope, name, kinds, blocks: list, values });
        }
        entries.end()
    };
    read().map_err(|damage: Damage| cursor.damage(damage.what))?;
    Ok(Keys { list: keys, many })
}
