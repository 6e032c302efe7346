//! Sums, differences, multiples.

use std::borrow::Cow;

use super::bounds::{coarser_index, upper_bound};
use super::custom::add_on_common_bounds;
use super::{Buckets, CUSTOM_SCHEMA, Histogram, ResetHint};

/// Exponential histograms and such with custom bounds have no sum, difference or mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("histograms with exponential buckets cannot be joined with histograms with custom buckets")]
pub struct MixedSchemas;

/// What was noticed when two histograms were joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Joined {
    /// One was known to begin anew, the other to go on.
    pub hints_collide: bool,
    /// Their custom bounds differed: only those that both have are left.
    pub bounds_reconciled: bool,
}

impl Histogram {
    /// Whether its bounds are listed in it.
    pub fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_SCHEMA
    }

    /// Adds `other`. Schemas, buckets around zero and custom bounds are brought to what both can say. Buckets may be empty
    /// afterwards.
    ///
    /// # Errors
    /// One has custom bounds, the other does not; this one is as it was.
    pub fn add(&mut self, other: &Self) -> Result<Joined, MixedSchemas> {
        self.join(other, 1.0)
    }

    /// Subtracts `other`, as [`Histogram::add`] adds.
    ///
    /// # Errors
    /// One has custom bounds, the other does not; this one is as it was.
    pub fn sub(&mut self, other: &Self) -> Result<Joined, MixedSchemas> {
        self.join(other, -1.0)
    }

    fn join(&mut self, other: &Self, sign: f64) -> Result<Joined, MixedSchemas> {
        let hints_collide = self.meet(other)?;
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        if self.uses_custom_buckets() {
            let bounds_reconciled = add_on_common_bounds(self, None, other, sign);
            return Ok(Joined { hints_collide, bounds_reconciled });
        }
        self.zero_count += sign * self.reconcile_zero_bucket(None, other);
        self.reduce_resolution(other.schema);
        let [positive, negative] = other.outside(self.zero_threshold, self.schema);
        self.positive.merge(None, positive.indexed(), sign);
        self.negative.merge(None, negative.indexed(), sign);
        Ok(Joined { hints_collide, bounds_reconciled: false })
    }

    /// Whether two can be joined, and what is known of resets then; `true` where what they say collides.
    ///
    /// Sums and differences are made for gauges. Where counters are joined, the hint stays as far as both agree.
    pub(super) fn meet(&mut self, other: &Self) -> Result<bool, MixedSchemas> {
        if self.uses_custom_buckets() != other.uses_custom_buckets() {
            return Err(MixedSchemas);
        }
        let (own, theirs) = (self.reset_hint, other.reset_hint);
        self.reset_hint = match (own, theirs) {
            _ if own == theirs => own,
            (ResetHint::Gauge, _) | (_, ResetHint::Gauge) => ResetHint::Gauge,
            _ => ResetHint::Unknown,
        };
        Ok(matches!(
            (own, theirs),
            (ResetHint::Reset, ResetHint::NotReset) | (ResetHint::NotReset, ResetHint::Reset)
        ))
    }

    /// Multiplies all counts and the sum. A negative factor makes a gauge of it.
    pub fn mul(&mut self, factor: f64) {
        self.each(|value| *value *= factor);
        if factor < 0.0 {
            self.reset_hint = ResetHint::Gauge;
        }
    }

    /// Divides all counts and the sum. Zero removes all buckets, a negative divisor makes a gauge of it.
    pub fn div(&mut self, divisor: f64) {
        self.each(|value| *value /= divisor);
        if divisor == 0.0 {
            self.positive = Buckets::default();
            self.negative = Buckets::default();
        }
        if divisor < 0.0 {
            self.reset_hint = ResetHint::Gauge;
        }
    }

    /// Whether a count, the sum or a bound is infinite.
    pub fn has_overflow(&self) -> bool {
        self.values().chain(self.custom_bounds.iter()).any(|value| value.is_infinite())
    }

    /// Whether both are the same, bit by bit, NaN included. Hints, and how runs are cut, do not count.
    pub fn same_as(&self, other: &Self) -> bool {
        let exactly = |a: f64, b: f64| a.to_bits() == b.to_bits();
        let buckets = |a: &Buckets, b: &Buckets| {
            a.indexed()
                .map(|(index, count)| (index, count.to_bits()))
                .eq(b.indexed().map(|(index, count)| (index, count.to_bits())))
        };
        self.schema == other.schema
            && exactly(self.count, other.count)
            && exactly(self.sum, other.sum)
            && self.zero_threshold == other.zero_threshold
            && exactly(self.zero_count, other.zero_count)
            && (!self.uses_custom_buckets() || self.custom_bounds == other.custom_bounds)
            && buckets(&self.positive, &other.positive)
            && buckets(&self.negative, &other.negative)
    }

    /// Whether no value is larger than `size`, either way. NaN is not.
    pub(super) fn all_within(&self, size: f64) -> bool {
        self.values().all(|value| value.abs() <= size)
    }

    fn values(&self) -> impl Iterator<Item = &f64> {
        [&self.zero_count, &self.count, &self.sum]
            .into_iter()
            .chain(&self.positive.counts)
            .chain(&self.negative.counts)
    }

    fn each(&mut self, mut change: impl FnMut(&mut f64)) {
        change(&mut self.zero_count);
        change(&mut self.count);
        change(&mut self.sum);
        self.positive.counts.iter_mut().chain(&mut self.negative.counts).for_each(change);
    }

    /// The buckets above and below zero at a coarser schema, or the same, without those that a bucket around zero of that
    /// threshold holds already.
    ///
    /// Where this one's own reaches less far, its buckets up to the threshold were added to it one by one; they must not
    /// come back as part of a coarser one.
    pub(super) fn outside(&self, threshold: f64, schema: i32) -> [Cow<'_, Buckets>; 2] {
        let widened = self.zero_threshold < threshold;
        let within = |&(index, _): &(i32, f64)| {
            let coarse = upper_bound(coarser_index(index, self.schema, schema), schema);
            coarse <= threshold || (widened && upper_bound(index, self.schema) <= threshold)
        };
        [&self.positive, &self.negative].map(|buckets| {
            let mut found = Cow::Borrowed(buckets);
            if threshold > 0.0 && buckets.indexed().next().is_some_and(|first| within(&first)) {
                found = Cow::Owned(Buckets::from_indexed(buckets.indexed().skip_while(within)));
            }
            if self.schema > schema {
                found.to_mut().coarsen(None, self.schema, schema);
            }
            found
        })
    }
}
