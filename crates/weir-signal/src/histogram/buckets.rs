//! Buckets with their bounds.

use std::fmt;

use super::bounds::upper_bound;
use super::display::go_g;
use super::{Buckets, Histogram};

/// A bucket with its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bucket {
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
    /// Whether an observation of the lower bound itself is counted here.
    pub lower_inclusive: bool,
    /// Whether an observation of the upper bound itself is counted here.
    pub upper_inclusive: bool,
    /// Observations.
    pub count: f64,
    /// Its number among those of its schema and sign; 0 for the bucket around zero.
    pub index: i32,
}

impl Bucket {
    /// Which bounds are inclusive, as Prometheus' HTTP API says it: 0 the upper, 1 the lower, 2 neither, 3 both.
    pub fn boundaries(&self) -> u8 {
        match (self.lower_inclusive, self.upper_inclusive) {
            (false, true) => 0,
            (true, false) => 1,
            (false, false) => 2,
            (true, true) => 3,
        }
    }

    /// How much of the bucket, from 0 to 1, lies at or below `value`, which lies strictly within its finite bounds: on a
    /// straight line, or on a logarithmic scale, on which all exponential buckets are equally wide.
    pub fn fraction_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let (lower, upper) = (self.lower.abs().log2(), self.upper.abs().log2());
        let at = value.abs().log2();
        if value > 0.0 { (at - lower) / (upper - lower) } else { 1.0 - (at - upper) / (lower - upper) }
    }
}

/// In mathematics' notation, with the count: `(1,2]:3`.
impl fmt::Display for Bucket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.lower_inclusive { '[' } else { '(' };
        let close = if self.upper_inclusive { ']' } else { ')' };
        write!(out, "{open}{},{}{close}:{}", go_g(self.lower), go_g(self.upper), go_g(self.count))
    }
}

impl Histogram {
    /// The buckets above zero, from zero outwards, empty ones included where they are there. With custom bounds these are
    /// all.
    pub fn positive_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + Clone + '_ {
        self.positive.indexed().map(|(index, count)| self.positive_bucket(index, count))
    }

    /// The buckets below zero, from zero outwards.
    pub fn negative_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + Clone + '_ {
        self.negative.indexed().map(|(index, count)| {
            let bucket = self.positive_bucket(index, count);
            Bucket {
                lower: -bucket.upper,
                upper: -bucket.lower,
                lower_inclusive: true,
                upper_inclusive: false,
                ..bucket
            }
        })
    }

    /// The bucket around zero.
    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
            index: 0,
        }
    }

    /// All buckets, ascending; the one around zero where it holds something. Where it reaches into a neighbour, the
    /// neighbour begins at its end.
    pub fn buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + Clone + '_ {
        let threshold = self.zero_threshold;
        let positive = self.positive_buckets().map(move |bucket| Bucket {
            lower: if bucket.lower > 0.0 && bucket.lower < threshold { threshold } else { bucket.lower },
            ..bucket
        });
        let negative = self.negative_buckets().map(move |bucket| Bucket {
            upper: if bucket.upper < 0.0 && bucket.upper > -threshold { -threshold } else { bucket.upper },
            ..bucket
        });
        let zero = (self.zero_count > 0.0).then(|| self.zero_bucket());
        negative.rev().chain(zero).chain(positive)
    }

    fn positive_bucket(&self, index: i32, count: f64) -> Bucket {
        let bound = |index: i32| {
            if !self.uses_custom_buckets() {
                return upper_bound(index, self.schema);
            }
            match usize::try_from(index) {
                Ok(index) => self.custom_bounds.get(index).copied().unwrap_or(f64::INFINITY),
                Err(_) => f64::NEG_INFINITY,
            }
        };
        Bucket {
            lower: bound(index.saturating_sub(1)),
            upper: bound(index),
            lower_inclusive: self.uses_custom_buckets() && index == 0,
            upper_inclusive: true,
            count,
            index,
        }
    }
}

impl Buckets {
    /// Whether there is no bucket, not even an empty one.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}
