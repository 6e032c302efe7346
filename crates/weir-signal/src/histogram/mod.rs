//! Native histograms (Prometheus' sparse, high-resolution ones), exponential or with bounds of their own, and how queries
//! calculate with them.
//!
//! Nothing here panics: what breaks [`Histogram::validate`] may lead to an answer without sense, no more.

#![expect(clippy::float_cmp, reason = "bounds are equal or they are not; whole counts are exact")]

mod answers;
mod arithmetic;
mod bounds;
mod buckets;
mod custom;
mod display;
mod layout;
mod reset;
mod sum;
mod trim;
mod validate;
mod zero;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use answers::QuantileNote;
pub use arithmetic::{Joined, MixedSchemas};
pub use buckets::Bucket;
pub use display::go_g;
pub use sum::{HistogramMean, HistogramSum, kahan_add};
pub use validate::InvalidHistogram;

/// The schema that says that the bounds of a histogram's buckets are listed in it.
pub const CUSTOM_SCHEMA: i32 = -53;

/// Whether a histogram is known to begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ResetHint {
    /// Nobody said; compare with the one before.
    #[default]
    Unknown,
    /// Counting began anew with this one.
    Reset,
    /// This one goes on from the one before.
    NotReset,
    /// A gauge: it never resets.
    Gauge,
}

/// A run of neighbouring buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BucketRun {
    /// For the first run the index of its first bucket, else the empty buckets since the end of the run before.
    pub offset: i32,
    /// How many buckets follow each other.
    pub length: u32,
}

/// Buckets of one sign with absolute counts as floats: `counts` has as many entries as all runs together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Buckets {
    /// Where they are.
    pub runs: Vec<BucketRun>,
    /// How many observations fell into each.
    pub counts: Vec<f64>,
}

/// A native histogram with float counts: what queries calculate with.
///
/// Bounds of bucket `i` of an exponential one (schemas -4 to 8): `(2^((i-1)·2^-schema), 2^(i·2^-schema)]`. With
/// [`CUSTOM_SCHEMA`] there are only positive buckets, bucket `i` ends at `custom_bounds[i]`, the last one at +Inf.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Resolution, or [`CUSTOM_SCHEMA`].
    pub schema: i32,
    /// What the bucket around zero holds: values of at most this size.
    pub zero_threshold: f64,
    /// Observations in the bucket around zero.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Their sum; the staleness marker where the series ended.
    pub sum: f64,
    /// Buckets above zero.
    pub positive: Buckets,
    /// Buckets below zero.
    pub negative: Buckets,
    /// Ascending upper bounds, without +Inf; empty unless the schema is [`CUSTOM_SCHEMA`].
    pub custom_bounds: Arc<[f64]>,
    /// Whether it begins anew.
    pub reset_hint: ResetHint,
}

/// Buckets of one sign with whole, absolute counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct IntBuckets {
    /// Where they are.
    pub runs: Vec<BucketRun>,
    /// How many observations fell into each.
    pub counts: Vec<u64>,
}

/// A native histogram with whole counts, as programs send it. Kept as it came; queries see [`IntHistogram::to_float`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IntHistogram {
    /// Resolution, or [`CUSTOM_SCHEMA`].
    pub schema: i32,
    /// What the bucket around zero holds.
    pub zero_threshold: f64,
    /// Observations in the bucket around zero.
    pub zero_count: u64,
    /// All observations.
    pub count: u64,
    /// Their sum; the staleness marker where the series ended.
    pub sum: f64,
    /// Buckets above zero.
    pub positive: IntBuckets,
    /// Buckets below zero.
    pub negative: IntBuckets,
    /// Ascending upper bounds, without +Inf.
    pub custom_bounds: Arc<[f64]>,
    /// Whether it begins anew.
    pub reset_hint: ResetHint,
}

/// A histogram as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub enum HistogramSample {
    /// Whole counts.
    Int(IntHistogram),
    /// Float counts.
    Float(Histogram),
}

impl HistogramSample {
    /// What queries calculate with.
    pub fn to_float(&self) -> Histogram {
        match self {
            Self::Int(histogram) => histogram.to_float(),
            Self::Float(histogram) => histogram.clone(),
        }
    }

    /// The sum of what was observed.
    pub fn sum(&self) -> f64 {
        match self {
            Self::Int(histogram) => histogram.sum,
            Self::Float(histogram) => histogram.sum,
        }
    }
}

impl IntHistogram {
    /// The same histogram with float counts.
    pub fn to_float(&self) -> Histogram {
        let floats = |buckets: &IntBuckets| Buckets {
            runs: buckets.runs.clone(),
            counts: buckets.counts.iter().map(|&count| count as f64).collect(),
        };
        Histogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count as f64,
            count: self.count as f64,
            sum: self.sum,
            positive: floats(&self.positive),
            negative: floats(&self.negative),
            custom_bounds: Arc::clone(&self.custom_bounds),
            reset_hint: self.reset_hint,
        }
    }
}
