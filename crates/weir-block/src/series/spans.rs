//! Roughly when each series has samples: for each, in which 256th of the segment its first and its last one lie.
//!
//! Most series last as long as their segment, so that this packs to almost nothing.

use std::ops::RangeInclusive;

use crate::frame::Damage;
use crate::pack::{Packer, Unpacker};
use crate::varint::Cursor;

/// The first and last 256th of a series.
type Span = (u8, u8);

/// Spans by series.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spans(Vec<Span>);

/// Which 256th of `from_ms..=to_ms` a time lies in; the nearest for one outside.
fn cell(time_ms: i64, (from_ms, to_ms): (i64, i64)) -> u8 {
    let length = i128::from(to_ms) - i128::from(from_ms) + 1;
    let at = i128::from(time_ms) - i128::from(from_ms);
    (at * 256 / length.max(1)).clamp(0, 255) as u8
}

impl Spans {
    /// `ranges` are the earliest and latest times by series; an empty range where that is not known.
    pub(super) fn write(
        ranges: &[RangeInclusive<i64>],
        segment: (i64, i64),
        packer: &mut Packer,
        out: &mut Vec<u8>,
    ) {
        let span = |range: &RangeInclusive<i64>| {
            if range.is_empty() {
                (0, 255)
            } else {
                (cell(*range.start(), segment), cell(*range.end(), segment))
            }
        };
        let spans: Vec<Span> = ranges.iter().map(span).collect();
        let first = spans.iter().map(|&(first, _)| first);
        let last = spans.iter().map(|&(_, last)| last);
        packer.pack(&first.chain(last).collect::<Vec<u8>>(), out);
    }

    pub(super) fn read(body: &[u8], series: u32) -> Result<Self, Damage> {
        let (mut cursor, mut plain) = (Cursor::new(body), Vec::new());
        Unpacker::default().unpack(&mut cursor, (series as usize).saturating_mul(2), &mut plain)?;
        cursor.end()?;
        if plain.len() != series as usize * 2 {
            return Err(cursor.damage("there are spans of more or fewer series than there are"));
        }
        let (first, last) = plain.split_at(series as usize);
        Ok(Self(first.iter().copied().zip(last.iter().copied()).collect()))
    }

    /// Whether a series may have a sample in `from_ms..=to_ms`.
    pub(super) fn may_have(&self, series: u32, from_ms: i64, to_ms: i64, segment: (i64, i64)) -> bool {
        let Some(&(first, last)) = self.0.get(series as usize) else { return true };
        first <= cell(to_ms, segment) && cell(from_ms, segment) <= last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pack::Effort;

    proptest! {
        #[test]
        fn no_series_is_missed(times in prop::collection::vec(any::<i64>(), 6), near: bool) {
            let scale = if near { 1 << 50 } else { 1 };
            let times: Vec<_> = times.into_iter().map(|time| time / scale).collect();
            let range = |a: i64, b: i64| a.min(b)..=a.max(b);
            let ranges = [range(times[0], times[1]), range(times[2], times[3])];
            let segment = (
                ranges.iter().map(|range| *range.start()).min().unwrap(),
                ranges.iter().map(|range| *range.end()).max().unwrap(),
            );
            let mut out = Vec::new();
            Spans::write(&ranges, segment, &mut Packer::of(Effort::Fast), &mut out);
            let spans = Spans::read(&out, 2)?;
            prop_assert!(Spans::read(&out, 1).is_err());
            let asked = range(times[4], times[5]);
            for (series, range) in ranges.iter().enumerate() {
                if range.start() <= asked.end() && asked.start() <= range.end() {
                    prop_assert!(spans.may_have(series as u32, *asked.start(), *asked.end(), segment));
                }
            }
        }
    }
}
