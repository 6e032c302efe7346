//! Type, unit and help of metric families.

use weir_signal::{Metadata, MetricKind};

use crate::frame::Damage;
use crate::pack::{Packer, Unpacker};
use crate::strings::{self, Strings};
use crate::varint::Cursor;

const BYTES_MAX: usize = 256 << 20;

const KINDS: [MetricKind; 8] = [
    MetricKind::Unknown,
    MetricKind::Counter,
    MetricKind::Gauge,
    MetricKind::Histogram,
    MetricKind::GaugeHistogram,
    MetricKind::Summary,
    MetricKind::Info,
    MetricKind::StateSet,
];

/// Writes families, ascending by name: names, kinds, units, helps.
pub(super) fn write<'a>(
    families: impl Iterator<Item = (&'a str, &'a Metadata)> + Clone,
    packer: &mut Packer,
    out: &mut Vec<u8>,
) {
    strings::encode(families.clone().map(|(name, _)| name), packer, out);
    let kind = |kind: MetricKind| KINDS.iter().position(|&known| known == kind).unwrap_or_default() as u8;
    packer.pack(&families.clone().map(|(_, metadata)| kind(metadata.kind)).collect::<Vec<_>>(), out);
    strings::encode(families.clone().map(|(_, metadata)| &*metadata.unit), packer, out);
    strings::encode(families.map(|(_, metadata)| &*metadata.help), packer, out);
}

/// Reads all of them.
pub(super) fn read(body: &[u8]) -> Result<Vec<(String, Metadata)>, Damage> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let (mut cursor, mut unpacker, mut kinds) = (Cursor::new(body), Unpacker::default(), Vec::new());
    let names = Strings::decode(&mut cursor, BYTES_MAX, &mut unpacker)?;
    unpacker.unpack(&mut cursor, names.len(), &mut kinds)?;
    let units = Strings::decode(&mut cursor, BYTES_MAX, &mut unpacker)?;
    let helps = Strings::decode(&mut cursor, BYTES_MAX, &mut unpacker)?;
    cursor.end()?;
    if [kinds.len(), units.len(), helps.len()] != [names.len(); 3] {
        return Err(cursor.damage("columns of metadata have different lengths"));
    }
    let mut families = Vec::with_capacity(names.len());
    for (((name, kind), unit), help) in names.iter().zip(kinds).zip(units.iter()).zip(helps.iter()) {
        let Some(&kind) = KINDS.get(usize::from(kind)) else {
            return Err(cursor.damage("a family has an unknown type"));
        };
        families.push((name.to_owned(), Metadata { kind, unit: unit.into(), help: help.into() }));
    }
    Ok(families)
}
