//! Quantiles of floats, and of histograms whose buckets are series of their own.

use std::cmp::Ordering;

use super::number::almost_equal;

/// Below this share of each other, counts of neighbouring buckets are the same but for rounding.
const TOLERANCE: f64 = 1e-12;

/// Sorts ascending, NaN first.
pub(super) fn sort(values: &mut [f64]) {
    values.sort_unstable_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
    });
}

/// The quantile of sorted values, on the line between the two around it: NaN where there are none or `quantile` is NaN,
/// -Inf below 0, +Inf above 1.
pub(super) fn of_sorted(quantile: f64, sorted: &[f64]) -> f64 {
    if sorted.is_empty() || quantile.is_nan() {
        return f64::NAN;
    }
    if quantile < 0.0 {
        return f64::NEG_INFINITY;
    }
    if quantile > 1.0 {
        return f64::INFINITY;
    }
    let last = sorted.len() - 1;
    let rank = quantile * last as f64;
    let lower = (rank.floor() as usize).min(last);
    let upper = (lower + 1).min(last);
    let weight = rank - rank.floor();
    if weight == 0.0 {
        // Not weighed with the other one, which may be infinite.
        return sorted[lower];
    }
    sorted[lower] * (1.0 - weight) + sorted[upper] * weight
}

/// A bucket of a classic histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    /// Its upper bound, `le`.
    pub bound: f64,
    /// How many observations are not above it.
    pub count: f64,
}

/// Where counts fell with growing bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Falls {
    pub bucket_min: f64,
    pub bucket_max: f64,
    pub difference_max: f64,
}

/// The quantile that buckets say, on a line within each bucket; and where their counts had to be made to grow.
///
/// NaN without an observation, without a bucket up to +Inf and another, or where `quantile` is NaN; -Inf below 0, +Inf above
/// 1. The first bucket begins at 0 where it ends above that; in the last one the quantile is where that begins.
pub(super) fn of_buckets(quantile: f64, buckets: &mut Vec<Bucket>) -> (f64, Option<Falls>) {
    if quantile.is_nan() {
        return (f64::NAN, None);
    }
    if quantile < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if quantile > 1.0 {
        return (f64::INFINITY, None);
    }
    if !prepare(buckets) {
        return (f64::NAN, None);
    }
    let falls = make_monotonic(buckets);
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if buckets.len() < 2 || observations == 0.0 {
        return (f64::NAN, falls);
    }
    let mut rank = quantile * observations;
    let at = buckets[..last].partition_point(|bucket| bucket.count < rank || bucket.count.is_nan());
    let found = if at == last {
        buckets[last - 1].bound
    } else if at == 0 && buckets[0].bound <= 0.0 {
        buckets[0].bound
    } else {
        let Bucket { bound: end, mut count } = buckets[at];
        let mut start = 0.0;
        if at > 0 {
            let before = buckets[at - 1];
            start = before.bound;
            count -= before.count;
            rank -= before.count;
        }
        start + (end - start) * (rank / count)
    };
    (found, falls)
}

/// The share of observations between two bounds.
pub(super) fn fraction_of_buckets(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !prepare(buckets) {
        return f64::NAN;
    }
    let count = buckets[buckets.len() - 1].count;
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let (mut lower_rank, mut upper_rank) = (None, None);
    let mut rank = 0.0;
    let mut start = if buckets[0].bound <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    for bucket in buckets.iter() {
        let locate = |found: &mut Option<f64>, bound: f64| {
            if found.is_some() {
            } else if start >= bound {
                *found = Some(rank);
            } else if bucket.bound > bound {
                // A bucket without a lower end has no inside: all of it counts.
                *found = Some(if start == f64::NEG_INFINITY {
                    bucket.count
                } else {
                    rank + (bucket.count - rank) * (bound - start) / (bucket.bound - start)
                });
            }
        };
        locate(&mut lower_rank, lower);
        locate(&mut upper_rank, upper);
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        rank = bucket.count;
        start = bucket.bound;
    }
    let within = |rank: Option<f64>| rank.filter(|&rank| rank <= count || rank.is_nan()).unwrap_or(count);
    (within(upper_rank) - within(lower_rank)) / count
}

/// Sorts buckets and joins those of the same bound. `false` where none reaches up to +Inf.
fn prepare(buckets: &mut Vec<Bucket>) -> bool {
    buckets.sort_by(|a, b| a.bound.partial_cmp(&b.bound).unwrap_or(Ordering::Equal));
    if buckets.last().is_none_or(|bucket| bucket.bound != f64::INFINITY) {
        return false;
    }
    buckets.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    true
}

/// Makes counts grow with their bounds: what falls by no more than rounding loses is no fall.
fn make_monotonic(buckets: &mut [Bucket]) -> Option<Falls> {
    let mut falls: Option<Falls> = None;
    let mut before = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let count = bucket.count;
        if count == before {
            continue;
        }
        if almost_equal(before, count, TOLERANCE) {
            bucket.count = before;
        } else if count < before {
            bucket.count = before;
            let falls = falls.get_or_insert(Falls {
                bucket_min: bucket.bound,
                bucket_max: bucket.bound,
                difference_max: 0.0,
            });
            falls.bucket_max = bucket.bound;
            falls.difference_max = falls.difference_max.max(before - count);
        } else {
            before = count;
        }
    }
    falls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lie_on_the_line_between_values() {
        let check = |quantile, values: &[f64], expect: f64| {
            let mut values = values.to_vec();
            sort(&mut values);
            let found = of_sorted(quantile, &values);
            assert!(found == expect || (found.is_nan() && expect.is_nan()), "{quantile} {values:?}: {found}");
        };
        check(0.5, &[3.0, 1.0, 2.0], 2.0);
        check(0.25, &[1.0, 2.0], 1.25);
        check(1.0, &[1.0, 2.0], 2.0);
        check(-0.1, &[1.0], f64::NEG_INFINITY);
        check(1.1, &[1.0], f64::INFINITY);
        check(0.5, &[], f64::NAN);
        check(0.0, &[1.0, f64::NAN], f64::NAN);
    }

    #[test]
    fn of_buckets_that_do_not_grow() {
        let bucket = |bound, count| Bucket { bound, count };
        let mut buckets =
            vec![bucket(f64::INFINITY, 10.0), bucket(1.0, 5.0), bucket(2.0, 4.0), bucket(3.0, 10.0)];
        let (found, falls) = of_buckets(0.75, &mut buckets);
        assert_eq!(found, 2.5);
        assert_eq!(falls, Some(Falls { bucket_min: 2.0, bucket_max: 2.0, difference_max: 1.0 }));
        assert!(of_buckets(0.5, &mut vec![bucket(1.0, 5.0)]).0.is_nan());
        assert_eq!(fraction_of_buckets(0.0, 1.0, &mut buckets), 0.5);
    }
}
