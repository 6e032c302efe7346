//! Which services and operations a segment has.
//!
//! ```text
//! how many, whether names were left out; packed, for each, ascending:
//!   service, name, kind, spans, errors, first start, last start - first
//! ```

use std::collections::BTreeMap;

use weir_signal::SpanKind;

use super::PLAIN_BYTES_MAX;
use crate::frame::Damage;
use crate::pack::{Packer, Unpacker};
use crate::varint::{Cursor, put_bytes, put_i64, put_u64};

/// Of a segment with more operations, only the services are counted.
const OPERATIONS_MAX: usize = 1 << 14;

/// What a service does under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The service, as [`weir_signal::Resource::service`] gives it.
    pub service: Box<str>,
    /// The name of the spans; empty where the segment has too many to keep.
    pub name: Box<str>,
    /// Which side of a call they are.
    pub kind: SpanKind,
    /// How many.
    pub spans: u64,
    /// How many of them ended badly.
    pub errors: u64,
    /// The earliest start.
    pub from_ns: i64,
    /// The latest start, inclusive.
    pub to_ns: i64,
}

/// Gathers the operations of a segment.
#[derive(Debug, Default)]
pub(super) struct OperationsWriter {
    services: BTreeMap<Box<str>, ByName>,
    count: usize,
    /// Names are left out.
    many: bool,
}

type ByName = BTreeMap<(Box<str>, SpanKind), Counts>;

#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) spans: u64,
    pub(super) errors: u64,
    pub(super) from_ns: i64,
    pub(super) to_ns: i64,
}

impl Counts {
    /// Adds others.
    pub(super) fn add(&mut self, other: Self) {
        self.spans += other.spans;
        self.errors += other.errors;
        self.from_ns = self.from_ns.min(other.from_ns);
        self.to_ns = self.to_ns.max(other.to_ns);
    }
}

impl OperationsWriter {
    /// Counts spans.
    pub(super) fn add(&mut self, service: &str, name: &str, kind: SpanKind, counts: Counts) {
        let (name, kind) = if self.many { ("", SpanKind::Unspecified) } else { (name, kind) };
        let operations = match self.services.get_mut(service) {
            Some(operations) => operations,
            None => self.services.entry(service.into()).or_default(),
        };
        self.count += 1;
        operations
            .entry((name.into(), kind))
            .and_modify(|held| {
                held.add(counts);
                self.count -= 1;
            })
            .or_insert(counts);
        if self.count > OPERATIONS_MAX && !self.many {
            self.many = true;
            for operations in self.services.values_mut() {
                let all = std::mem::take(operations).into_values().reduce(|mut all, counts| {
                    all.add(counts);
                    all
                });
                operations.extend(all.map(|all| ((Box::default(), SpanKind::Unspecified), all)));
            }
        }
    }

    pub(super) fn encode(&self, packer: &mut Packer) -> Vec<u8> {
        let (mut plain, mut count) = (Vec::new(), 0);
        for (service, operations) in &self.services {
            for ((name, kind), counts) in operations {
                put_bytes(&mut plain, service.as_bytes());
                put_bytes(&mut plain, name.as_bytes());
                plain.push(*kind as u8);
                put_u64(&mut plain, counts.spans);
                put_u64(&mut plain, counts.errors);
                put_i64(&mut plain, counts.from_ns);
                put_u64(&mut plain, counts.to_ns.wrapping_sub(counts.from_ns) as u64);
                count += 1;
            }
        }
        let mut out = Vec::new();
        put_u64(&mut out, count);
        out.push(u8::from(self.many));
        packer.pack(&plain, &mut out);
        out
    }
}

/// The operations of a segment, ascending by service and name.
#[derive(Debug, Clone, Default)]
pub(super) struct Operations {
    pub(super) list: Vec<Operation>,
    /// Names were left out.
    pub(super) many: bool,
}

/// Reads what [`OperationsWriter::encode`] wrote.
pub(super) fn decode(body: &[u8]) -> Result<Operations, Damage> {
    let mut cursor = Cursor::new(body);
    let count = cursor.length(PLAIN_BYTES_MAX)?;
    let many = cursor.u8()? != 0;
    let mut plain = Vec::new();
    Unpacker::default().unpack(&mut cursor, PLAIN_BYTES_MAX, &mut plain)?;
    cursor.end()?;
    let mut entries = Cursor::new(&plain);
    let mut list = Vec::new();
    let mut read = || {
        for _ in 0..count {
            let (service, name) = (entries.text()?.into(), entries.text()?.into());
            let kind = SpanKind::from_number(u64::from(entries.u8()?));
            let (spans, errors, from_ns) = (entries.u64()?, entries.u64()?, entries.i64()?);
            let to_ns = from_ns.wrapping_add(entries.u64()?.cast_signed());
            list.push(Operation { service, name, kind, spans, errors, from_ns, to_ns });
        }
        entries.end()
    };
    read().map_err(|damage: Damage| cursor.damage(damage.what))?;
    Ok(Operations { list, many })
}
