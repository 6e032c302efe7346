//! What only some blocks have: start timestamps and histograms.
//!
//! ```text
//! what there is: 1 start timestamps, 2 histograms, 4 not every sample is a histogram
//! starts: a column
//! indexes, if not every sample: count, then gaps; then the histograms (crate::histograms)
//! ```

use std::ops::Range;

use weir_signal::HistogramSample;

use super::samples::{Samples, Sink};
use crate::frame::Damage;
use crate::histograms;
use crate::pack::Effort;
use crate::values::integers;
use crate::varint::{Cursor, put_u64};

const STARTS: u8 = 1;
const HISTOGRAMS: u8 = 2;
const SOME: u8 = 4;

/// Appends what the samples of `range` have beside times and values; whether they have anything.
pub(crate) fn write(samples: &Samples, range: Range<usize>, effort: Effort, out: &mut Vec<u8>) -> bool {
    let within = histograms_within(samples, &range);
    let starts = samples.starts.get(range.clone()).unwrap_or_default();
    let mut what = 0;
    if !samples.starts.is_empty() {
        what |= STARTS;
    }
    if !within.is_empty() {
        what |= HISTOGRAMS;
        if within.len() < range.len() {
            what |= SOME;
        }
    }
    if what == 0 {
        return false;
    }
    out.push(what);
    if what & STARTS != 0 {
        integers::encode(starts, effort, out);
    }
    if what & SOME != 0 {
        put_u64(out, within.len() as u64);
        let mut next = range.start as u32;
        for &(at, _) in within {
            put_u64(out, u64::from(at - next));
            next = at + 1;
        }
    }
    if what & HISTOGRAMS != 0 {
        histograms::encode(within.iter().map(|(_, histogram)| histogram), effort, out);
    }
    true
}

/// The histograms at indexes of `range`.
pub(crate) fn histograms_within<'a>(
    samples: &'a Samples,
    range: &Range<usize>,
) -> &'a [(u32, HistogramSample)] {
    let all = &samples.histograms;
    let from = all.partition_point(|&(at, _)| (at as usize) < range.start);
    let to = all.partition_point(|&(at, _)| (at as usize) < range.end);
    &all[from..to]
}

/// Adds to the samples of `sink` from index `start` on what [`write`] wrote of them.
pub(crate) fn read(cursor: &mut Cursor<'_>, start: usize, sink: &mut impl Sink) -> Result<(), Damage> {
    let what = cursor.u8()?;
    if what == 0 || what > 7 || what & (SOME | HISTOGRAMS) == SOME {
        return Err(cursor.damage("a block has unknown parts"));
    }
    let columns = sink.columns();
    let count = columns.times.len() - start;
    if what & STARTS != 0 {
        columns.starts.resize(start, 0);
        integers::decode(cursor, count, columns.starts)?;
    }
    if what & HISTOGRAMS != 0 {
        let mut at = Vec::new();
        if what & SOME != 0 {
            let mut next = 0;
            for _ in 0..cursor.length(count)? {
                let index = next + cursor.length(count)?;
                if index >= count {
                    return Err(cursor.damage("a histogram is no sample of its block"));
                }
                at.push(start + index);
                next = index + 1;
            }
        } else {
            at.extend(start..start + count);
        }
        let sums: Vec<_> = at.iter().map(|&index| columns.values[index]).collect();
        let mut at = at.into_iter();
        histograms::decode(cursor, &sums, |histogram| {
            if let Some(at) = at.next() {
                sink.histogram(at as u32, histogram);
            }
        })?;
    }
    cursor.end()
}
