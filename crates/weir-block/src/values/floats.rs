//! Floats that are no decimal fractions.

use pco::{DeltaSpec, ModeSpec};

use super::entropy;
use crate::frame::Damage;
use crate::varint::{Cursor, length_u64, put_u64};

/// Appends a chunk of pco.
pub(super) fn compress(values: &[f64], dense: &mut Vec<u8>) -> bool {
    entropy::compress(values, ModeSpec::Auto, DeltaSpec::Auto, dense)
}

/// Appends `count` values.
pub(super) fn decompress(dense: &[u8], count: usize, values: &mut Vec<f64>) -> Result<(), Damage> {
    let start = values.len();
    values.resize(start + count, 0.0);
    entropy::decompress(dense, &mut values[start..])
}

/// The bytes that [`put_changes`] takes.
pub(super) fn changes_bytes(values: &[f64]) -> usize {
    let (mut bytes, mut last) = (0, 0);
    for (index, pair) in values.array_windows().enumerate() {
        if differ(pair) {
            bytes += 8 + length_u64((index - last) as u64);
            last = index;
        }
    }
    bytes + 10
}

fn differ([a, b]: &[f64; 2]) -> bool {
    a.to_bits() != b.to_bits()
}

/// Appends the first value, then how many are like the one before, and the next one, until all are there.
pub(super) fn put_changes(values: &[f64], out: &mut Vec<u8>) {
    let mut rest = values;
    while let Some(&value) = rest.first() {
        let like = rest.iter().take_while(|other| other.to_bits() == value.to_bits()).count();
        out.extend_from_slice(&value.to_bits().to_le_bytes());
        put_u64(out, like as u64 - 1);
        rest = &rest[like..];
    }
}

pub(super) fn changes(cursor: &mut Cursor<'_>, count: usize, values: &mut Vec<f64>) -> Result<(), Damage> {
    let end = values.len() + count;
    while values.len() < end {
        let value = cursor.f64()?;
        let like = cursor.length(end - values.len() - 1)? + 1;
        values.resize(values.len() + like, value);
    }
    Ok(())
}

/// Appends the bits that change from value to value, all first bytes, all second ones, and so on: what rarely changes is then
/// zeros in a row.
pub(super) fn put_planes(values: &[f64], out: &mut Vec<u8>) {
    for plane in 0..8 {
        let mut last = 0;
        for value in values {
            let bits = value.to_bits();
            out.push(((bits ^ last) >> (8 * plane)) as u8);
            last = bits;
        }
    }
}

pub(super) fn planes(cursor: &mut Cursor<'_>, count: usize, values: &mut Vec<f64>) -> Result<(), Damage> {
    let bytes = cursor.take(count.saturating_mul(8))?;
    let mut last = 0;
    values.extend((0..count).map(|index| {
        for plane in 0..8 {
            last ^= u64::from(bytes[plane * count + index]) << (8 * plane);
        }
        f64::from_bits(last)
    }));
    Ok(())
}
