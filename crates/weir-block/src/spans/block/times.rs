//! When spans begin and end.
//!
//! The clock of an operation has a *grain*: a nanosecond, a microsecond or a millisecond, of which all its times are multiples.
//! A start is told as its distance from the start of the span before it in the fragment (of the first one, of the fragment
//! before it), an end as its distance from the start, each in the grain of its clock. What stands for distances of one grain is
//! a column of its own; so are the first ones of fragments.

use super::gather::Row;
use crate::frame::Damage;
use crate::spans::columns::{ColumnReader, ColumnWriter};
use crate::varint::Cursor;

const GRAINS_NS: [i64; 3] = [1, 1_000, 1_000_000];
/// Columns: one for each grain, and those of first starts.
const FIRSTS: usize = GRAINS_NS.len();

/// The grains of an operation's starts and ends, each an index of [`GRAINS_NS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grains {
    start: u8,
    end: u8,
}

impl Grains {
    /// The coarsest, which holds for no times at all.
    pub(super) const COARSEST: Self = Self { start: 2, end: 2 };

    pub(super) fn code(self) -> u8 {
        self.start * 3 + self.end
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        (code < 9).then_some(Self { start: code / 3, end: code % 3 })
    }

    /// Makes it hold for a row, too.
    pub(super) fn hold(&mut self, row: &Row) {
        let fit = |grain: &mut u8, time: i64| {
            while *grain > 0 && time % GRAINS_NS[usize::from(*grain)] != 0 {
                *grain -= 1;
            }
        };
        fit(&mut self.start, row.start_ns);
        fit(&mut self.end, row.end_ns);
    }
}

/// How many grains a time is after another one, that of the other rounded down.
fn distance(time: i64, base: i64, grain: u8) -> i64 {
    let grain = GRAINS_NS[usize::from(grain)];
    if grain == 1 { time.wrapping_sub(base) } else { (time / grain).wrapping_sub(base.div_euclid(grain)) }
}

/// The time of a distance.
fn time(distance: i64, base: i64, grain: u8) -> i64 {
    let grain = GRAINS_NS[usize::from(grain)];
    if grain == 1 {
        base.wrapping_add(distance)
    } else {
        base.div_euclid(grain).wrapping_add(distance).wrapping_mul(grain)
    }
}

/// Appends starts, and ends.
pub(super) fn encode(
    rows: &[Row],
    begins: &[bool],
    grains: impl Fn(usize) -> Grains,
    writer: &mut ColumnWriter,
    starts: &mut Vec<u8>,
    ends: &mut Vec<u8>,
) {
    let mut start_columns: [Vec<i64>; FIRSTS + 1] = Default::default();
    let mut end_columns: [Vec<i64>; FIRSTS] = Default::default();
    let (mut last, mut first) = (0, 0);
    for (place, row) in rows.iter().enumerate() {
        let grains = grains(place);
        if begins[place] {
            start_columns[FIRSTS].push(distance(row.start_ns, first, grains.start));
            first = row.start_ns;
        } else {
            start_columns[usize::from(grains.start)].push(distance(row.start_ns, last, grains.start));
        }
        last = row.start_ns;
        end_columns[usize::from(grains.end)].push(distance(row.end_ns, row.start_ns, grains.end));
    }
    for column in &start_columns {
        writer.put_numbers(column, starts);
    }
    for column in &end_columns {
        writer.put_numbers(column, ends);
    }
}

/// Reads starts.
pub(super) fn starts(
    cursor: &mut Cursor<'_>,
    begins: &[bool],
    grains: impl Fn(usize) -> Grains,
    reader: &mut ColumnReader,
) -> Result<Vec<i64>, Damage> {
    let mut counts = [0; FIRSTS + 1];
    let column = |place: usize| if begins[place] { FIRSTS } else { usize::from(grains(place).start) };
    (0..begins.len()).for_each(|place| counts[column(place)] += 1);
    let mut columns = take_columns(cursor, &counts, reader)?;
    let (mut last, mut first) = (0, 0);
    let mut starts = Vec::with_capacity(begins.len());
    for (place, &begins) in begins.iter().enumerate() {
        let distance = columns[column(place)].next().unwrap_or_default();
        last = time(distance, if begins { first } else { last }, grains(place).start);
        if begins {
            first = last;
        }
        starts.push(last);
    }
    Ok(starts)
}

/// Reads ends.
pub(super) fn ends(
    cursor: &mut Cursor<'_>,
    starts: &[i64],
    grains: impl Fn(usize) -> Grains,
    reader: &mut ColumnReader,
) -> Result<Vec<i64>, Damage> {
    let mut counts = [0; FIRSTS];
    (0..starts.len()).for_each(|place| counts[usize::from(grains(place).end)] += 1);
    let mut columns = take_columns(cursor, &counts, reader)?;
    let end = |(place, &start): (usize, &i64)| {
        let grain = grains(place).end;
        time(columns[usize::from(grain)].next().unwrap_or_default(), start, grain)
    };
    Ok(starts.iter().enumerate().map(end).collect())
}

fn take_columns(
    cursor: &mut Cursor<'_>,
    counts: &[usize],
    reader: &mut ColumnReader,
) -> Result<Vec<std::vec::IntoIter<i64>>, Damage> {
    let columns = counts.iter().map(|&count| Ok(reader.take_numbers(cursor, count)?.into_iter())).collect();
    cursor.end()?;
    columns
}
