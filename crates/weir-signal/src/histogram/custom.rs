//! Histograms whose bounds are listed in them: what two with different bounds have in common.

use std::sync::Arc;

use super::layout::Carry;
use super::sum::kahan_add;
use super::{Buckets, Histogram};

/// Adds `other` to `own`, `sign` times, both with custom bounds; `true` where the bounds differed, and only those that both
/// have are left.
pub(super) fn add_on_common_bounds(
    own: &mut Histogram,
    mut carry: Carry<'_>,
    other: &Histogram,
    sign: f64,
) -> bool {
    if own.custom_bounds == other.custom_bounds {
        own.positive.merge(carry, other.positive.indexed(), sign);
        return false;
    }
    let common = common_bounds(&own.custom_bounds, &other.custom_bounds);
    let mut sums = Sums { counts: vec![0.0; common.len() + 1], carries: vec![0.0; common.len() + 1] };
    sums.take(&own.positive, &own.custom_bounds, &common, 1.0);
    if let Some(carry) = carry.as_deref() {
        let lost = Buckets { runs: own.positive.runs.clone(), counts: carry.clone() };
        sums.take(&lost, &own.custom_bounds, &common, 1.0);
    }
    sums.take(&other.positive, &other.custom_bounds, &common, sign);
    let kept: Vec<usize> =
        (0..=common.len()).filter(|&i| sums.counts[i] != 0.0 || sums.carries[i] != 0.0).collect();
    own.positive =
        Buckets::from_indexed(kept.iter().map(|&i| (i32::try_from(i).unwrap_or(i32::MAX), sums.counts[i])));
    if let Some(carry) = carry.as_mut() {
        **carry = kept.iter().map(|&i| sums.carries[i]).collect();
    }
    own.custom_bounds = common;
    true
}

/// Whether a count of `current` is smaller than in `previous`, on the bounds that both have.
pub(super) fn shrank_on_common_bounds(current: &Histogram, previous: &Histogram) -> bool {
    let common = common_bounds(&current.custom_bounds, &previous.custom_bounds);
    let counts = |histogram: &Histogram| {
        let mut sums = Sums { counts: vec![0.0; common.len() + 1], carries: vec![0.0; common.len() + 1] };
        sums.take(&histogram.positive, &histogram.custom_bounds, &common, 1.0);
        sums.counts
    };
    counts(current).iter().zip(counts(previous)).any(|(&current, previous)| current < previous)
}

/// The bounds in both, ascending as they are.
fn common_bounds(a: &[f64], b: &[f64]) -> Arc<[f64]> {
    let mut rest = b.iter().copied().peekable();
    let common = a.iter().copied().filter(|&bound| {
        while rest.next_if(|&other| other < bound).is_some() {}
        rest.next_if(|&other| other == bound).is_some()
    });
    common.collect()
}

/// Compensated counts on common bounds, the last one up to +Inf.
struct Sums {
    counts: Vec<f64>,
    carries: Vec<f64>,
}

impl Sums {
    fn take(&mut self, buckets: &Buckets, bounds: &[f64], common: &[f64], sign: f64) {
        for (index, count) in buckets.indexed() {
            let bound = usize::try_from(index).ok().and_then(|index| bounds.get(index));
            let target = bound.map_or(common.len(), |bound| common.partition_point(|common| common < bound));
            kahan_add(sign * count, &mut self.counts[target], &mut self.carries[target]);
        }
    }
}
