//! Native histograms in columns.
//!
//! Histograms that follow each other with one layout (kind of counts, schema, threshold, bounds, where their buckets are)
//! form a group; a group says its layout once and has a column for each count and bucket. Sums are not here: they stand
//! among the values of the series.
//!
//! ```text
//! until all are there: count of the group, kind of counts, layout, columns: reset hints, zero counts, counts, each bucket
//! layout: schema, threshold (bits), runs above zero, runs below zero, bounds (bits)
//! ```

use std::sync::Arc;

use weir_signal::{BucketRun, Buckets, Histogram, HistogramSample, IntBuckets, IntHistogram, ResetHint};

use crate::frame::Damage;
use crate::pack::Effort;
use crate::values::{self, integers};
use crate::varint::{Cursor, put_i64, put_u64};

/// The most buckets of all histograms of one column together: a bound on what a reader allocates.
pub const BUCKETS_MAX: usize = 1 << 22;

const INT: u8 = 0;
const FLOAT: u8 = 1;

/// How many buckets a histogram has; `None` where its runs and counts do not fit together.
pub fn buckets(histogram: &HistogramSample) -> Option<usize> {
    fn sound(runs: &[BucketRun], counts: usize) -> Option<usize> {
        let total: u64 = runs.iter().map(|run| u64::from(run.length)).sum();
        (total == counts as u64).then_some(counts + runs.len())
    }
    let (positive, negative, bounds) = match histogram {
        HistogramSample::Int(h) => (
            sound(&h.positive.runs, h.positive.counts.len())?,
            sound(&h.negative.runs, h.negative.counts.len())?,
            h.custom_bounds.len(),
        ),
        HistogramSample::Float(h) => (
            sound(&h.positive.runs, h.positive.counts.len())?,
            sound(&h.negative.runs, h.negative.counts.len())?,
            h.custom_bounds.len(),
        ),
    };
    Some(positive + negative + bounds)
}

/// Where buckets are: what histograms of one group share.
#[derive(Debug, Clone, PartialEq)]
struct Layout {
    float: bool,
    schema: i32,
    threshold_bits: u64,
    positive: Vec<BucketRun>,
    negative: Vec<BucketRun>,
    bounds: Arc<[f64]>,
}

impl Layout {
    fn of(histogram: &HistogramSample) -> Self {
        let (float, schema, threshold, positive, negative, bounds) = match histogram {
            HistogramSample::Int(h) => {
                (false, h.schema, h.zero_threshold, &h.positive.runs, &h.negative.runs, &h.custom_bounds)
            }
            HistogramSample::Float(h) => {
                (true, h.schema, h.zero_threshold, &h.positive.runs, &h.negative.runs, &h.custom_bounds)
            }
        };
        Self {
            float,
            schema,
            threshold_bits: threshold.to_bits(),
            positive: positive.clone(),
            negative: negative.clone(),
            bounds: Arc::clone(bounds),
        }
    }

    fn is_of(&self, histogram: &HistogramSample) -> bool {
        let (float, schema, threshold, positive, negative, bounds) = match histogram {
            HistogramSample::Int(h) => {
                (false, h.schema, h.zero_threshold, &h.positive.runs, &h.negative.runs, &h.custom_bounds)
            }
            HistogramSample::Float(h) => {
                (true, h.schema, h.zero_threshold, &h.positive.runs, &h.negative.runs, &h.custom_bounds)
            }
        };
        self.float == float
            && self.schema == schema
            && self.threshold_bits == threshold.to_bits()
            && self.positive == *positive
            && self.negative == *negative
            && self.bounds.len() == bounds.len()
            && self.bounds.iter().zip(&**bounds).all(|(a, b)| a.to_bits() == b.to_bits())
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_i64(out, i64::from(self.schema));
        out.extend_from_slice(&self.threshold_bits.to_le_bytes());
        for runs in [&self.positive, &self.negative] {
            put_u64(out, runs.len() as u64);
            for run in runs {
                put_i64(out, i64::from(run.offset));
                put_u64(out, u64::from(run.length));
            }
        }
        put_u64(out, self.bounds.len() as u64);
        for bound in &*self.bounds {
            out.extend_from_slice(&bound.to_bits().to_le_bytes());
        }
    }

    fn read(cursor: &mut Cursor<'_>, float: bool) -> Result<Self, Damage> {
        let schema =
            i32::try_from(cursor.i64()?).map_err(|_| cursor.damage("a schema is no number of 32 bits"))?;
        let threshold_bits = cursor.fixed_u64()?;
        let mut runs = || {
            let count = cursor.length(cursor.left() / 2)?;
            let mut runs = Vec::with_capacity(count);
            for _ in 0..count {
                let offset = i32::try_from(cursor.i64()?);
                let offset = offset.map_err(|_| cursor.damage("a run of buckets is nowhere"))?;
                let length = cursor.length(BUCKETS_MAX)? as u32;
                runs.push(BucketRun { offset, length });
            }
            Ok(runs)
        };
        let (positive, negative) = (runs()?, runs()?);
        let count = cursor.length(cursor.left() / 8)?;
        let bounds = (0..count).map(|_| cursor.f64()).collect::<Result<_, _>>()?;
        Ok(Self { float, schema, threshold_bits, positive, negative, bounds })
    }

    /// How many buckets are above and below zero.
    fn counts(&self) -> (usize, usize) {
        let total = |runs: &[BucketRun]| runs.iter().map(|run| run.length as usize).sum();
        (total(&self.positive), total(&self.negative))
    }
}

/// Appends histograms, all but their sums. How many there are is for the caller to keep, and that they have at most
/// [`BUCKETS_MAX`] buckets together, as [`buckets`] counts.
pub fn encode<'a>(
    histograms: impl Iterator<Item = &'a HistogramSample> + Clone,
    effort: Effort,
    out: &mut Vec<u8>,
) {
    let mut rest = histograms;
    while let Some(first) = rest.clone().next() {
        let layout = Layout::of(first);
        let group: Vec<_> = rest.clone().take_while(|histogram| layout.is_of(histogram)).collect();
        put_u64(out, group.len() as u64);
        out.push(if layout.float { FLOAT } else { INT });
        layout.write(out);
        let (positive, negative) = layout.counts();
        if layout.float {
            let mut encoder = values::Encoder::new(effort);
            let group: Vec<_> = group
                .iter()
                .filter_map(|histogram| match histogram {
                    HistogramSample::Float(histogram) => Some(histogram),
                    HistogramSample::Int(_) => None,
                })
                .collect();
            put_hints(group.iter().map(|h| h.reset_hint), effort, out);
            let mut column = |of: &dyn Fn(&Histogram) -> f64| {
                let column: Vec<_> = group.iter().map(|histogram| of(histogram)).collect();
                encoder.encode_whole(&column, out);
            };
            column(&|h| h.zero_count);
            column(&|h| h.count);
            (0..positive).for_each(|index| column(&|h| h.positive.counts[index]));
            (0..negative).for_each(|index| column(&|h| h.negative.counts[index]));
        } else {
            let group: Vec<_> = group
                .iter()
                .filter_map(|histogram| match histogram {
                    HistogramSample::Int(histogram) => Some(histogram),
                    HistogramSample::Float(_) => None,
                })
                .collect();
            put_hints(group.iter().map(|h| h.reset_hint), effort, out);
            let mut column = |of: &dyn Fn(&IntHistogram) -> u64| {
                let column: Vec<_> = group.iter().map(|histogram| of(histogram).cast_signed()).collect();
                integers::encode(&column, effort, out);
            };
            column(&|h| h.zero_count);
            column(&|h| h.count);
            (0..positive).for_each(|index| column(&|h| h.positive.counts[index]));
            (0..negative).for_each(|index| column(&|h| h.negative.counts[index]));
        }
        for _ in 0..group.len() {
            rest.next();
        }
    }
}

fn put_hints(hints: impl Iterator<Item = ResetHint>, effort: Effort, out: &mut Vec<u8>) {
    let hints: Vec<_> = hints
        .map(|hint| match hint {
            ResetHint::Unknown => 0,
            ResetHint::Reset => 1,
            ResetHint::NotReset => 2,
            ResetHint::Gauge => 3,
        })
        .collect();
    integers::encode(&hints, effort, out);
}

/// Reads one histogram for each of `sums` and gives them to `sink` in their order.
///
/// # Errors
/// The bytes are not so many histograms, or have more than [`BUCKETS_MAX`] buckets.
pub fn decode(
    cursor: &mut Cursor<'_>,
    sums: &[f64],
    mut sink: impl FnMut(HistogramSample),
) -> Result<(), Damage> {
    let mut left = sums;
    let mut buckets_left = BUCKETS_MAX;
    while !left.is_empty() {
        let count = cursor.length(left.len())?;
        if count == 0 {
            return Err(cursor.damage("a group of histograms is empty"));
        }
        let (sums, after) = left.split_at(count);
        left = after;
        let float = match cursor.u8()? {
            INT => false,
            FLOAT => true,
            _ => return Err(cursor.damage("histograms have an unknown kind of counts")),
        };
        let layout = Layout::read(cursor, float)?;
        let (positive, negative) = layout.counts();
        let buckets =
            (positive + negative + layout.positive.len() + layout.negative.len() + layout.bounds.len())
                .checked_mul(count)
                .and_then(|buckets| buckets_left.checked_sub(buckets));
        buckets_left = buckets.ok_or(cursor.damage("histograms have more buckets than they may have"))?;
        let mut hints = Vec::new();
        integers::decode(cursor, count, &mut hints)?;
        let hints: Vec<_> = hints.iter().map_while(|&hint| reset_hint(hint)).collect();
        if hints.len() != count {
            return Err(cursor.damage("a histogram has an unknown reset hint"));
        }
        if float {
            let mut group: Vec<_> = hints
                .iter()
                .zip(sums)
                .map(|(&reset_hint, &sum)| Histogram {
                    schema: layout.schema,
                    zero_threshold: f64::from_bits(layout.threshold_bits),
                    sum,
                    positive: Buckets { runs: layout.positive.clone(), counts: vec![0.0; positive] },
                    negative: Buckets { runs: layout.negative.clone(), counts: vec![0.0; negative] },
                    custom_bounds: Arc::clone(&layout.bounds),
                    reset_hint,
                    ..Histogram::default()
                })
                .collect();
            let (mut decoder, mut numbers) = (values::Decoder::default(), Vec::new());
            let mut column = |set: &dyn Fn(&mut Histogram, f64)| {
                numbers.clear();
                decoder.decode_whole(cursor, count, &mut numbers)?;
                group.iter_mut().zip(&numbers).for_each(|(histogram, &number)| set(histogram, number));
                Ok(())
            };
            column(&|h, number| h.zero_count = number)?;
            column(&|h, number| h.count = number)?;
            (0..positive).try_for_each(|index| column(&|h, number| h.positive.counts[index] = number))?;
            (0..negative).try_for_each(|index| column(&|h, number| h.negative.counts[index] = number))?;
            group.into_iter().map(HistogramSample::Float).for_each(&mut sink);
        } else {
            let mut group: Vec<_> = hints
                .iter()
                .zip(sums)
                .map(|(&reset_hint, &sum)| IntHistogram {
                    schema: layout.schema,
                    zero_threshold: f64::from_bits(layout.threshold_bits),
                    sum,
                    positive: IntBuckets { runs: layout.positive.clone(), counts: vec![0; positive] },
                    negative: IntBuckets { runs: layout.negative.clone(), counts: vec![0; negative] },
                    custom_bounds: Arc::clone(&layout.bounds),
                    reset_hint,
                    ..IntHistogram::default()
                })
                .collect();
            let mut numbers = Vec::new();
            let mut column = |set: &dyn Fn(&mut IntHistogram, u64)| {
                numbers.clear();
                integers::decode(cursor, count, &mut numbers)?;
                let numbers = numbers.iter().map(|number| number.cast_unsigned());
                group.iter_mut().zip(numbers).for_each(|(histogram, number)| set(histogram, number));
                Ok(())
            };
            column(&|h, number| h.zero_count = number)?;
            column(&|h, number| h.count = number)?;
            (0..positive).try_for_each(|index| column(&|h, number| h.positive.counts[index] = number))?;
            (0..negative).try_for_each(|index| column(&|h, number| h.negative.counts[index] = number))?;
            group.into_iter().map(HistogramSample::Int).for_each(&mut sink);
        }
    }
    Ok(())
}

fn reset_hint(hint: i64) -> Option<ResetHint> {
    Some(match hint {
        0 => ResetHint::Unknown,
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        3 => ResetHint::Gauge,
        _ => return None,
    })
}
