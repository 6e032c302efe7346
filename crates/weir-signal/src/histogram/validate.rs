//! What a histogram has to be before it is kept.

use std::cmp::Ordering;

use super::bounds::{SCHEMA_MAX, SCHEMA_MIN, is_exponential};
use super::{BucketRun, CUSTOM_SCHEMA, Histogram, IntHistogram};

/// Why a histogram was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHistogram {
    /// A schema that nobody calculates with.
    #[error(
        "schema {0} is unknown: exponential buckets have {SCHEMA_MIN} to {SCHEMA_MAX}, custom ones {CUSTOM_SCHEMA}"
    )]
    Schema(i32),
    /// Runs and counts do not agree.
    #[error("the runs of {side} buckets hold {expected} buckets, but {found} counts are given")]
    Counts {
        /// `positive` or `negative`.
        side: &'static str,
        /// Buckets in all runs.
        expected: u64,
        /// Counts.
        found: usize,
    },
    /// A run begins before the one before it ends, or a first custom bucket lies below the first bound.
    #[error("run {run} of the {side} buckets has the negative offset {offset}")]
    Offset {
        /// `positive` or `negative`.
        side: &'static str,
        /// Which one, from 1.
        run: usize,
        /// Its offset.
        offset: i32,
    },
    /// Fewer than nothing was observed.
    #[error("{place} counts {count} observations, fewer than none")]
    Negative {
        /// Where.
        place: &'static str,
        /// How many.
        count: f64,
    },
    /// Custom bounds that are no bounds.
    #[error("custom bounds have to ascend strictly and end before +Inf: bound {0} does not")]
    Bounds(usize),
    /// More custom buckets than bounds.
    #[error("{buckets} custom buckets need at least {} bounds, {bounds} are given", buckets - 1)]
    BoundsMissing {
        /// Buckets up to the last one of the last run.
        buckets: u64,
        /// Bounds.
        bounds: usize,
    },
    /// Custom bounds leave no room for a bucket around zero or buckets below it.
    #[error("with custom bounds there is no bucket around zero and none below zero")]
    CustomOnly,
    /// Bounds beside an exponential schema.
    #[error("exponential buckets have no listed bounds")]
    ExponentialBounds,
    /// The buckets hold other than the count.
    #[error("the buckets hold {buckets} observations, the histogram counts {count}")]
    Sum {
        /// Observations in all buckets.
        buckets: u128,
        /// Observations as counted.
        count: u64,
    },
}

impl Histogram {
    /// Whether the parts agree.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn validate(&self) -> Result<(), InvalidHistogram> {
        let custom = self.custom_bounds.as_ref();
        check_schema(self.schema, custom, self.zero_threshold != 0.0 || self.zero_count != 0.0)?;
        for (side, buckets) in [("positive", &self.positive), ("negative", &self.negative)] {
            check_runs(self.schema, side, &buckets.runs, buckets.counts.len(), custom)?;
            let place = if side == "positive" { "a positive bucket" } else { "a negative bucket" };
            buckets.counts.iter().try_for_each(|&count| check_count(place, count))?;
        }
        check_count("the bucket around zero", self.zero_count)?;
        check_count("the histogram", self.count)
    }
}

impl IntHistogram {
    /// Whether the parts agree, and the buckets hold as many observations as were counted (no more, where NaN was observed,
    /// which has no bucket).
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn validate(&self) -> Result<(), InvalidHistogram> {
        let custom = self.custom_bounds.as_ref();
        check_schema(self.schema, custom, self.zero_threshold != 0.0 || self.zero_count != 0)?;
        for (side, buckets) in [("positive", &self.positive), ("negative", &self.negative)] {
            check_runs(self.schema, side, &buckets.runs, buckets.counts.len(), custom)?;
        }
        let counts = self.positive.counts.iter().chain(&self.negative.counts).chain([&self.zero_count]);
        let buckets = counts.map(|&count| u128::from(count)).sum();
        let count = u128::from(self.count);
        if if self.sum.is_nan() { buckets > count } else { buckets != count } {
            return Err(InvalidHistogram::Sum { buckets, count: self.count });
        }
        Ok(())
    }
}

fn check_schema(schema: i32, bounds: &[f64], zero: bool) -> Result<(), InvalidHistogram> {
    if is_exponential(schema) {
        return if bounds.is_empty() { Ok(()) } else { Err(InvalidHistogram::ExponentialBounds) };
    }
    if schema != CUSTOM_SCHEMA {
        return Err(InvalidHistogram::Schema(schema));
    }
    let falls = |pair: &[f64; 2]| pair[0].partial_cmp(&pair[1]) != Some(Ordering::Less);
    if bounds.first().is_some_and(|bound| bound.is_nan()) {
        return Err(InvalidHistogram::Bounds(1));
    }
    if let Some(place) = bounds.array_windows().position(falls) {
        return Err(InvalidHistogram::Bounds(place + 2));
    }
    if bounds.last() == Some(&f64::INFINITY) {
        return Err(InvalidHistogram::Bounds(bounds.len()));
    }
    if zero { Err(InvalidHistogram::CustomOnly) } else { Ok(()) }
}

fn check_runs(
    schema: i32,
    side: &'static str,
    runs: &[BucketRun],
    counts: usize,
    bounds: &[f64],
) -> Result<(), InvalidHistogram> {
    let custom = schema == CUSTOM_SCHEMA;
    if custom && side == "negative" && (counts > 0 || !runs.is_empty()) {
        return Err(InvalidHistogram::CustomOnly);
    }
    for (i, run) in runs.iter().enumerate() {
        if run.offset < 0 && (i > 0 || custom) {
            return Err(InvalidHistogram::Offset { side, run: i + 1, offset: run.offset });
        }
    }
    let expected = runs.iter().map(|run| u64::from(run.length)).sum();
    if expected != counts as u64 {
        return Err(InvalidHistogram::Counts { side, expected, found: counts });
    }
    if custom {
        let buckets = expected + runs.iter().map(|run| u64::from(run.offset.unsigned_abs())).sum::<u64>();
        if buckets > bounds.len() as u64 + 1 {
            return Err(InvalidHistogram::BoundsMissing { buckets, bounds: bounds.len() });
        }
    }
    Ok(())
}

fn check_count(place: &'static str, count: f64) -> Result<(), InvalidHistogram> {
    if count < 0.0 { Err(InvalidHistogram::Negative { place, count }) } else { Ok(()) }
}
