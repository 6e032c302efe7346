//! Sums and means of many histograms, compensated for what rounding loses.

use super::arithmetic::{Joined, MixedSchemas};
use super::custom::add_on_common_bounds;
use super::{Buckets, Histogram};

/// Adds `value` to `sum`, whose lost low bits are kept in `carry` (Kahan's summation as Neumaier improved it). The sum that
/// is meant is `sum + carry`.
pub fn kahan_add(value: f64, sum: &mut f64, carry: &mut f64) {
    let total = *sum + value;
    if total.is_infinite() {
        *carry = 0.0;
    } else if sum.abs() >= value.abs() {
        *carry += (*sum - total) + value;
    } else {
        *carry += (value - total) + *sum;
    }
    *sum = total;
}

/// What rounding lost, place by place.
#[derive(Debug, Clone, Default)]
pub(super) struct Lost {
    pub(super) zero_count: f64,
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) positive: Vec<f64>,
    pub(super) negative: Vec<f64>,
}

/// The sum of histograms, each place of it compensated.
#[derive(Debug, Clone)]
pub struct HistogramSum {
    value: Histogram,
    lost: Lost,
}

impl HistogramSum {
    /// The sum of one.
    pub fn new(first: Histogram) -> Self {
        let lost = Lost {
            positive: vec![0.0; first.positive.counts.len()],
            negative: vec![0.0; first.negative.counts.len()],
            ..Lost::default()
        };
        Self { value: first, lost }
    }

    /// Adds one. Schemas, buckets around zero and custom bounds are brought to what both can say.
    ///
    /// # Errors
    /// One has custom bounds, the other does not; the sum is as it was.
    pub fn add(&mut self, other: &Histogram) -> Result<Joined, MixedSchemas> {
        let Self { value, lost } = self;
        let hints_collide = value.meet(other)?;
        kahan_add(other.count, &mut value.count, &mut lost.count);
        kahan_add(other.sum, &mut value.sum, &mut lost.sum);
        if value.uses_custom_buckets() {
            let bounds_reconciled = add_on_common_bounds(value, Some(&mut lost.positive), other, 1.0);
            return Ok(Joined { hints_collide, bounds_reconciled });
        }
        let zero_count = value.reconcile_zero_bucket(Some(lost), other);
        kahan_add(zero_count, &mut value.zero_count, &mut lost.zero_count);
        if other.schema < value.schema {
            value.positive.coarsen(Some(&mut lost.positive), value.schema, other.schema);
            value.negative.coarsen(Some(&mut lost.negative), value.schema, other.schema);
            value.schema = other.schema;
        }
        let [positive, negative] = other.outside(value.zero_threshold, value.schema);
        value.positive.merge(Some(&mut lost.positive), positive.indexed(), 1.0);
        value.negative.merge(Some(&mut lost.negative), negative.indexed(), 1.0);
        Ok(Joined { hints_collide, bounds_reconciled: false })
    }

    /// Multiplies each place.
    pub fn mul(&mut self, factor: f64) {
        self.value.mul(factor);
        self.lost.each(|lost| *lost *= factor);
    }

    /// Divides each place.
    pub fn div(&mut self, divisor: f64) {
        self.value.div(divisor);
        self.lost.each(|lost| *lost /= divisor);
        if divisor == 0.0 {
            self.lost.positive.clear();
            self.lost.negative.clear();
        }
    }

    /// Whether a place is infinite.
    pub fn has_overflow(&self) -> bool {
        self.value.has_overflow()
    }

    /// The sum, with what rounding lost put back. Buckets may be empty.
    pub fn finish(self) -> Histogram {
        let Self { mut value, lost } = self;
        let put_back = |buckets: &mut Buckets, lost: &[f64]| {
            buckets.counts.iter_mut().zip(lost).for_each(|(count, lost)| *count += lost);
        };
        value.zero_count += lost.zero_count;
        value.count += lost.count;
        value.sum += lost.sum;
        put_back(&mut value.positive, &lost.positive);
        put_back(&mut value.negative, &lost.negative);
        value
    }
}

impl Lost {
    fn each(&mut self, mut change: impl FnMut(&mut f64)) {
        change(&mut self.zero_count);
        change(&mut self.count);
        change(&mut self.sum);
        self.positive.iter_mut().chain(&mut self.negative).for_each(change);
    }
}

/// The mean of histograms: their sum divided by their number while the sum stays finite, else a running mean, which is less
/// exact but cannot overflow.
#[derive(Debug, Clone)]
pub struct HistogramMean {
    /// The sum, or the running mean.
    sum: HistogramSum,
    number: f64,
    running: bool,
}

/// A place below this in both sums and summands cannot overflow, however many buckets a merge throws together.
const SAFE: f64 = 1e290;

impl HistogramMean {
    /// The mean of one.
    pub fn new(first: Histogram) -> Self {
        Self { sum: HistogramSum::new(first), number: 1.0, running: false }
    }

    /// Takes one in.
    ///
    /// # Errors
    /// One has custom bounds, the other does not.
    pub fn add(&mut self, other: &Histogram) -> Result<Joined, MixedSchemas> {
        self.number += 1.0;
        if !self.running {
            if self.sum.value.all_within(SAFE) && other.all_within(SAFE) {
                return self.sum.add(other);
            }
            let mut sum = self.sum.clone();
            let joined = sum.add(other)?;
            if !sum.has_overflow() {
                self.sum = sum;
                return Ok(joined);
            }
            self.running = true;
            self.sum.div(self.number - 1.0);
        }
        self.sum.mul((self.number - 1.0) / self.number);
        let mut share = other.clone();
        share.div(self.number);
        self.sum.add(&share)
    }

    /// The mean. Buckets may be empty.
    pub fn finish(mut self) -> Histogram {
        if !self.running {
            self.sum.div(self.number);
        }
        self.sum.finish()
    }
}
