//! The series that have a term.
//!
//! ```text
//! count << 2 | form, then
//! run:     first
//! gaps:    first, then since the one before, less one
//! roaring: length, bitmap as crate `roaring` (and its specification) writes it
//! ```

use roaring::RoaringBitmap;

use crate::frame::Damage;
use crate::varint::{Cursor, put_bytes, put_u64};

const RUN: u64 = 0;
const GAPS: u64 = 1;
const ROARING: u64 = 2;
/// More than this are not tried as gaps: roaring answers faster.
const GAPS_MAX: usize = 1 << 16;

/// Appends numbers, ascending, at least one.
pub(super) fn write(series: &[u32], out: &mut Vec<u8>) {
    let (Some(&first), Some(&last)) = (series.first(), series.last()) else { return };
    let count = series.len() as u64;
    if u64::from(last - first) + 1 == count {
        put_u64(out, count << 2 | RUN);
        put_u64(out, u64::from(first));
        return;
    }
    let start = out.len();
    put_u64(out, count << 2 | GAPS);
    put_u64(out, u64::from(first));
    for &[before, number] in series.array_windows() {
        put_u64(out, u64::from(number - before - 1));
    }
    let mut bitmap: RoaringBitmap = series.iter().copied().collect();
    bitmap.optimize();
    if series.len() > GAPS_MAX || bitmap.serialized_size() < out.len() - start {
        out.truncate(start);
        put_u64(out, count << 2 | ROARING);
        let mut bytes = Vec::new();
        bitmap.serialize_into(&mut bytes).expect("a Vec takes all that is written");
        put_bytes(out, &bytes);
    }
}

/// Numbers as they are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Postings<'a> {
    bytes: &'a [u8],
    form: u64,
    count: u64,
    series: u32,
}

impl<'a> Postings<'a> {
    /// Reads past one posting list of an index with `series` series.
    pub(super) fn read(cursor: &mut Cursor<'a>, series: u32) -> Result<Self, Damage> {
        let head = cursor.u64()?;
        let (count, form) = (head >> 2, head & 3);
        if count == 0 || count > u64::from(series) {
            return Err(cursor.damage("a term has a number of series that cannot be"));
        }
        let bytes = cursor.rest();
        let start = cursor.at();
        match form {
            RUN => drop(cursor.u64()?),
            GAPS => {
                for _ in 0..count {
                    cursor.u64()?;
                }
            }
            ROARING => drop(cursor.bytes()?),
            _ => return Err(cursor.damage("a list of series has an unknown form")),
        }
        Ok(Self { bytes: &bytes[..cursor.at() - start], form, count, series })
    }

    /// The numbers.
    pub(super) fn bitmap(&self) -> Result<RoaringBitmap, Damage> {
        let mut cursor = Cursor::new(self.bytes);
        let beyond = Damage { at: 0, what: "a term has series that are not there" };
        match self.form {
            RUN => {
                let first = cursor.u64()?;
                match first.checked_add(self.count) {
                    Some(end) if end <= u64::from(self.series) => {
                        let mut bitmap = RoaringBitmap::new();
                        bitmap.insert_range(first as u32..end as u32);
                        Ok(bitmap)
                    }
                    _ => Err(beyond),
                }
            }
            GAPS => {
                let mut next = 0_u64;
                let mut numbers = Vec::new();
                for _ in 0..self.count {
                    let number = next.saturating_add(cursor.u64()?);
                    if number >= u64::from(self.series) {
                        return Err(beyond);
                    }
                    numbers.push(number as u32);
                    next = number + 1;
                }
                RoaringBitmap::from_sorted_iter(numbers).map_err(|_| beyond)
            }
            _ => {
                let bytes = cursor.bytes()?;
                let bitmap = RoaringBitmap::deserialize_from(bytes)
                    .map_err(|_| Damage { at: 0, what: "a list of series is no roaring bitmap" })?;
                if bitmap.max().is_some_and(|max| max >= self.series) || bitmap.len() != self.count {
                    return Err(beyond);
                }
                Ok(bitmap)
            }
        }
    }

    /// Whether any of them is in `series`.
    pub(super) fn any_of(&self, series: &RoaringBitmap) -> Result<bool, Damage> {
        Ok(!self.bitmap()?.is_disjoint(series))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn come_back(
            series in prop::collection::btree_set(0_u32..200_000, 1..400),
            from in 0_u32..100_000,
            length in 0_u32..20_000,
        ) {
            let mut series = series;
            series.extend(from..from + length);
            let series: Vec<_> = series.into_iter().collect();
            let mut out = Vec::new();
            write(&series, &mut out);
            let mut cursor = Cursor::new(&out);
            let postings = Postings::read(&mut cursor, 200_000)?;
            cursor.end()?;
            prop_assert_eq!(postings.bitmap()?.iter().collect::<Vec<_>>(), series.clone());
            let fewer = Postings::read(&mut Cursor::new(&out), series.len() as u32)?;
            let all_within = series.last().is_some_and(|&last| (last as usize) < series.len());
            prop_assert_eq!(fewer.bitmap().is_ok(), all_within);
        }

        #[test]
        fn other_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(postings) = Postings::read(&mut Cursor::new(&bytes), 1000)
                && let Ok(bitmap) = postings.bitmap()
            {
                prop_assert!(bitmap.max().is_none_or(|max| max < 1000));
            }
        }
    }
}
