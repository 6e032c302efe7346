//! Which operation each span is of.
//!
//! ```text
//! names: how many; packed, each with its length before it
//! operations: how many; packed, all resources, all scopes, names, shapes, flags, kinds, statuses, extras, grains
//! packed, for each span: 0 where its operation follows the one before it in the trace as one did last, else the
//!   operation's number + 1
//! ```
//!
//! Operations are numbered as they come first.

use super::gather::Operation;
use super::times::Grains;
use crate::frame::Damage;
use crate::spans::PLAIN_BYTES_MAX;
use crate::spans::columns::{ColumnReader, ColumnWriter};
use crate::spans::interner::Interner;
use crate::varint::{Cursor, put_bytes, put_u64};

/// The operations of a block that is being made.
#[derive(Debug, Default)]
pub(super) struct Operations {
    pub(super) list: Vec<Operation>,
    by_content: Interner,
    /// Of each span.
    pub(super) sequence: Vec<u32>,
}

impl Operations {
    /// Numbers operations in the order of rows.
    pub(super) fn number(&mut self, rows: impl Iterator<Item = Operation>) {
        self.list.clear();
        self.by_content.clear();
        self.sequence.clear();
        for operation in rows {
            let last = self.sequence.last().copied();
            let same = last.filter(|&last| self.list[last as usize] == operation);
            let number = same.unwrap_or_else(|| self.by_content.intern(&content(&operation)));
            if number as usize == self.list.len() {
                self.list.push(operation);
            }
            self.sequence.push(number);
        }
    }

    pub(super) fn encode(
        &self,
        grains: &[Grains],
        begins: &[bool],
        names: &Interner,
        writer: &mut ColumnWriter,
        out: &mut Vec<u8>,
    ) {
        let mut plain = Vec::new();
        (0..names.len() as u32).for_each(|name| put_bytes(&mut plain, names.get(name)));
        put_u64(out, names.len() as u64);
        writer.put_packed(&plain, out);
        plain.clear();
        let fields: [fn(&Operation) -> u32; 8] = [
            |operation| operation.resource,
            |operation| operation.scope,
            |operation| operation.name,
            |operation| operation.shape,
            |operation| operation.flags,
            |operation| u32::from(operation.kind),
            |operation| u32::from(operation.status),
            |operation| u32::from(operation.extras),
        ];
        for field in fields {
            self.list.iter().for_each(|operation| put_u64(&mut plain, u64::from(field(operation))));
        }
        plain.extend(grains.iter().map(|grains| grains.code()));
        put_u64(out, self.list.len() as u64);
        writer.put_packed(&plain, out);
        plain.clear();
        let mut follower = Followers::new(self.list.len());
        for (&number, &begins) in self.sequence.iter().zip(begins) {
            let likely = follower.likely(begins);
            put_u64(&mut plain, if *likely == number { 0 } else { u64::from(number) + 1 });
            *likely = number;
            follower.last = number;
        }
        writer.put_packed(&plain, out);
    }
}

fn content(operation: &Operation) -> [u8; 23] {
    let mut content = [0; 23];
    let numbers = [operation.resource, operation.scope, operation.name, operation.shape, operation.flags];
    for (place, number) in content.chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    content[20..].copy_from_slice(&[operation.kind, operation.status, operation.extras]);
    content
}

/// What came after each operation last.
struct Followers {
    /// By operation; the last one stands for the beginning of a fragment.
    after: Vec<u32>,
    last: u32,
}

impl Followers {
    fn new(operations: usize) -> Self {
        Self { after: vec![u32::MAX; operations + 1], last: 0 }
    }

    /// What came last where the next span stands: after the operation before it, or at the beginning of a fragment.
    fn likely(&mut self, begins: bool) -> &mut u32 {
        let place = if begins { self.after.len() - 1 } else { self.last as usize };
        &mut self.after[place]
    }
}

/// The operations of a block that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) names: Vec<Box<str>>,
    pub(super) operations: Vec<Operation>,
    pub(super) grains: Vec<Grains>,
    /// Of each span.
    pub(super) sequence: Vec<u32>,
}

impl Read {
    pub(super) fn decode(
        cursor: &mut Cursor<'_>,
        spans: usize,
        begins: &[bool],
        reader: &mut ColumnReader,
    ) -> Result<Self, Damage> {
        let bad = cursor.damage("the operations of a block are damaged");
        let inner = |_: Damage| bad;
        let count = cursor.length(PLAIN_BYTES_MAX)?;
        let plain = reader.take_packed(cursor, PLAIN_BYTES_MAX)?;
        let mut texts = Cursor::new(&plain);
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(texts.text().map_err(inner)?.into());
        }
        texts.end().map_err(inner)?;
        let count = cursor.length(spans)?;
        let plain = reader.take_packed(cursor, count.saturating_mul(64))?;
        let mut fields = Cursor::new(&plain);
        let mut operations = vec![Operation::default(); count];
        let set: [fn(&mut Operation, u32); 8] = [
            |operation, value| operation.resource = value,
            |operation, value| operation.scope = value,
            |operation, value| operation.name = value,
            |operation, value| operation.shape = value,
            |operation, value| operation.flags = value,
            |operation, value| operation.kind = value.min(255) as u8,
            |operation, value| operation.status = value.min(255) as u8,
            |operation, value| operation.extras = value.min(255) as u8,
        ];
        for set in set {
            for operation in &mut operations {
                set(operation, fields.length(u32::MAX as usize).map_err(inner)? as u32);
            }
        }
        let mut grains = Vec::with_capacity(count);
        for &code in fields.take(count).map_err(inner)? {
            grains.push(Grains::from_code(code).ok_or(bad)?);
        }
        fields.end().map_err(inner)?;
        if operations.iter().any(|operation| {
            operation.kind > 5
                || operation.status > 2
                || operation.extras > 127
                || operation.name as usize >= names.len()
        }) {
            return Err(bad);
        }
        let plain = reader.take_packed(cursor, spans.saturating_mul(5))?;
        let mut symbols = Cursor::new(&plain);
        let mut follower = Followers::new(count);
        let mut sequence = Vec::with_capacity(spans);
        for &begins in begins {
            let likely = follower.likely(begins);
            let number = match symbols.u64().map_err(inner)? {
                0 => *likely,
                told => (told - 1).min(u64::from(u32::MAX)) as u32,
            };
            if number as usize >= count {
                return Err(bad);
            }
            *likely = number;
            follower.last = number;
            sequence.push(number);
        }
        symbols.end().map_err(inner)?;
        Ok(Self { names, operations, grains, sequence })
    }

    /// The operation of a span.
    pub(super) fn of(&self, row: usize) -> &Operation {
        &self.operations[self.sequence[row] as usize]
    }
}
