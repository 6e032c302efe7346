//! The parent of each span.
//!
//! ```text
//! packed, for each span: 0: none   1: one that is not in the fragment   2: one that is told by its place
//!   3 and more: the span before it in the fragment, the parent of that, the parent of that parent, and so on
//! packed: places in their fragments
//! packed: ids of those that are not there
//! ```

use weir_signal::SpanId;

use super::gather::Row;
use crate::frame::Damage;
use crate::spans::columns::{ColumnReader, ColumnWriter};
use crate::varint::{Cursor, put_u64};

const NO_PARENT: u8 = 0;
const ELSEWHERE: u8 = 1;
const PLACE: u8 = 2;
const ABOVE: u8 = 3;
const NONE: u32 = u32::MAX;
/// In larger fragments spans are not looked for one by one.
const SCAN_MAX: usize = 32;

pub(super) fn encode<'a>(
    fragments: impl Iterator<Item = &'a [Row]>,
    writer: &mut ColumnWriter,
    out: &mut Vec<u8>,
) {
    let (mut symbols, mut places, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    let (mut parents, mut sorted): (Vec<u32>, Vec<(SpanId, u32)>) = (Vec::new(), Vec::new());
    for fragment in fragments {
        parents.clear();
        sorted.clear();
        for (place, row) in fragment.iter().enumerate() {
            if row.parent.is_zero() {
                symbols.push(NO_PARENT);
                parents.push(NONE);
                continue;
            }
            let (mut above, mut steps) = (place.checked_sub(1), 0);
            while let Some(there) = above
                && fragment[there].id != row.parent
            {
                steps += 1;
                let next = parents[there];
                above = (next != NONE && next < place as u32 && steps <= u8::MAX - ABOVE)
                    .then_some(next as usize);
            }
            if let Some(there) = above {
                symbols.push(ABOVE + steps);
                parents.push(there as u32);
                continue;
            }
            if fragment.len() > SCAN_MAX && sorted.is_empty() {
                sorted.extend((0..).zip(fragment).map(|(place, row)| (row.id, place)));
                sorted.sort_unstable();
            }
            let found = if sorted.is_empty() {
                fragment.iter().position(|other| other.id == row.parent).map(|place| place as u32)
            } else {
                let first = sorted.partition_point(|&(id, _)| id < row.parent);
                sorted.get(first).filter(|(id, _)| *id == row.parent).map(|&(_, place)| place)
            };
            if let Some(there) = found {
                symbols.push(PLACE);
                put_u64(&mut places, u64::from(there));
                parents.push(there);
            } else {
                symbols.push(ELSEWHERE);
                ids.extend_from_slice(&row.parent.0);
                parents.push(NONE);
            }
        }
    }
    writer.put_packed(&symbols, out);
    writer.put_packed(&places, out);
    writer.put_ids(&ids, out);
}

/// Reads the parents of spans with these ids; `ends` says where fragments end.
pub(super) fn decode(
    cursor: &mut Cursor<'_>,
    ids: &[SpanId],
    ends: &[u32],
    reader: &mut ColumnReader,
) -> Result<Vec<SpanId>, Damage> {
    let bad = cursor.damage("a span has a parent that is not there");
    let symbols = reader.take_exactly(cursor, ids.len())?;
    let places = reader.take_packed(cursor, ids.len().saturating_mul(5))?;
    let elsewhere = reader.take_packed(cursor, ids.len().saturating_mul(8))?;
    let (mut places, mut elsewhere) = (Cursor::new(&places), Cursor::new(&elsewhere));
    let mut found = Vec::with_capacity(ids.len());
    let mut parents: Vec<u32> = Vec::new();
    let mut start = 0;
    for &end in ends {
        let fragment = &ids[start..end as usize];
        parents.clear();
        for (place, &symbol) in symbols[start..end as usize].iter().enumerate() {
            let parent = match symbol {
                NO_PARENT | ELSEWHERE => NONE,
                PLACE => places.length(fragment.len()).map_err(|_| bad)? as u32,
                _ => {
                    let mut above = (place as u32).checked_sub(1).ok_or(bad)?;
                    for _ in 0..symbol - ABOVE {
                        above = parents[above as usize];
                        if above >= place as u32 {
                            return Err(bad);
                        }
                    }
                    above
                }
            };
            found.push(match symbol {
                NO_PARENT => SpanId::default(),
                ELSEWHERE => SpanId(elsewhere.array().map_err(|_| bad)?),
                _ => *fragment.get(parent as usize).ok_or(bad)?,
            });
            parents.push(parent);
        }
        start = end as usize;
    }
    places.end().and_then(|()| elsewhere.end()).map_err(|_| bad)?;
    Ok(found)
}
