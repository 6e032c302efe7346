//! What is asked of one histogram: quantiles, fractions, mean, variance.

use super::sum::kahan_add;
use super::{Bucket, Histogram};

/// What is to be said about a quantile of a histogram that observed NaN: such observations are counted, but in no bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QuantileNote {
    /// Nothing.
    #[default]
    None,
    /// The quantile lies among the NaNs, so it is NaN.
    NanResult,
    /// NaNs count as if they were larger than everything, so the quantile may be too high.
    NanSkew,
}

impl Histogram {
    /// The value below which the share `q` of all observations lies: -Inf where `q` is below 0, +Inf where it is above 1,
    /// NaN where it is NaN or nothing was observed.
    ///
    /// Within exponential buckets observations are taken to lie evenly on a logarithmic scale, within custom buckets and the
    /// bucket around zero evenly. The latter begins (ends) at 0 where nothing below (above) zero was observed.
    pub fn quantile(&self, q: f64) -> (f64, QuantileNote) {
        if q < 0.0 {
            return (f64::NEG_INFINITY, QuantileNote::None);
        }
        if q > 1.0 {
            return (f64::INFINITY, QuantileNote::None);
        }
        if self.count == 0.0 || q.is_nan() {
            return (f64::NAN, QuantileNote::None);
        }
        // Counted from the nearer end, for exactness. NaNs have no bucket, so with them only the lower end is known.
        let ascending = self.sum.is_nan() || q < 0.5;
        let rank = if ascending { q * self.count } else { (1.0 - q) * self.count };
        let mut all = self.buckets();
        let mut next = || if ascending { all.next() } else { all.next_back() };
        let (mut bucket, mut count) = (Bucket::default(), 0.0);
        while let Some(found) = next() {
            bucket = found;
            if bucket.count == 0.0 {
                continue;
            }
            count += bucket.count;
            if count >= rank {
                break;
            }
        }
        if self.uses_custom_buckets() {
            if bucket.lower == f64::NEG_INFINITY {
                if bucket.upper <= 0.0 {
                    return (bucket.upper, QuantileNote::None);
                }
                bucket.lower = 0.0;
            } else if bucket.upper == f64::INFINITY {
                return (bucket.lower, QuantileNote::None);
            }
        } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
            bucket = self.one_sided(bucket);
        }
        // Sums of fractions may come out above the count.
        count = count.min(self.count);
        if count < rank {
            return if self.sum.is_nan() {
                (f64::NAN, QuantileNote::NanResult)
            } else {
                (bucket.upper, QuantileNote::None)
            };
        }
        let into = if ascending { rank - (count - bucket.count) } else { count - rank };
        let mut note = QuantileNote::None;
        if self.sum.is_nan() {
            while let Some(found) = next() {
                count += found.count;
            }
            if count < self.count {
                note = QuantileNote::NanSkew;
            }
        }
        let fraction = into / bucket.count;
        if self.uses_custom_buckets() || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
            return (bucket.lower + (bucket.upper - bucket.lower) * fraction, note);
        }
        let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
        let value = if bucket.lower > 0.0 {
            (lower + (upper - lower) * fraction).exp2()
        } else {
            -(upper + (lower - upper) * (1.0 - fraction)).exp2()
        };
        (value, note)
    }

    /// The share of observations between the bounds, interpolated as [`Histogram::quantile`] does, and whether NaNs were
    /// observed, which lie between no bounds. NaN where nothing was observed or a bound is NaN; 0 where the lower bound is
    /// not below the upper one.
    pub fn fraction(&self, lower: f64, upper: f64) -> (f64, bool) {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return (f64::NAN, false);
        }
        if lower >= upper {
            return (0.0, false);
        }
        let mut all = self.buckets();
        let (mut lower_rank, mut upper_rank) = (None, None);
        let (mut rank, mut count) = (0.0, 0.0);
        for mut bucket in all.by_ref() {
            count += bucket.count;
            let mut linear = self.uses_custom_buckets();
            if linear {
                if bucket.lower == f64::NEG_INFINITY && bucket.upper > 0.0 {
                    bucket.lower = 0.0;
                }
            } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
                linear = true;
                bucket = self.one_sided(bucket);
            }
            let locate = |found: &mut Option<f64>, bound: f64| {
                if found.is_some() {
                } else if bucket.lower >= bound {
                    *found = Some(rank);
                } else if bucket.upper > bound {
                    // A bucket without a lower end has no inside: all of it counts.
                    *found = Some(if bucket.lower == f64::NEG_INFINITY {
                        bucket.count
                    } else {
                        rank + bucket.count * bucket.fraction_below(bound, linear)
                    });
                }
            };
            locate(&mut lower_rank, lower);
            locate(&mut upper_rank, upper);
            if lower_rank.is_some() && upper_rank.is_some() {
                break;
            }
            rank += bucket.count;
        }
        let mut nans = false;
        if self.sum.is_nan() {
            count += all.map(|bucket| bucket.count).sum::<f64>();
            nans = count < self.count;
        } else {
            count = self.count;
        }
        let within = |rank: Option<f64>| rank.map_or(count, |rank| if rank > count { count } else { rank });
        ((within(upper_rank) - within(lower_rank)) / self.count, nans)
    }

    /// The bucket around zero, cut at zero where there are buckets on one side only.
    fn one_sided(&self, mut bucket: Bucket) -> Bucket {
        match (self.negative.is_empty(), self.positive.is_empty()) {
            (true, false) => bucket.lower = 0.0,
            (false, true) => bucket.upper = 0.0,
            _ => {}
        }
        bucket
    }

    /// The mean of what was observed.
    pub fn average(&self) -> f64 {
        self.sum / self.count
    }

    /// The variance of what was observed, as if all observations of a bucket were at its middle: the arithmetic one with
    /// custom bounds, zero around zero, the geometric one elsewhere.
    pub fn variance(&self) -> f64 {
        let mean = self.average();
        let (mut variance, mut carry) = (0.0, 0.0);
        for bucket in self.buckets().filter(|bucket| bucket.count != 0.0) {
            let middle = if self.uses_custom_buckets() {
                f64::midpoint(bucket.upper, bucket.lower)
            } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
                0.0
            } else {
                (bucket.upper * bucket.lower).sqrt().copysign(bucket.upper)
            };
            let delta = middle - mean;
            kahan_add(bucket.count * delta * delta, &mut variance, &mut carry);
        }
        (variance + carry) / self.count
    }

    /// The standard deviation of what was observed: the root of [`Histogram::variance`].
    pub fn deviation(&self) -> f64 {
        self.variance().sqrt()
    }
}
