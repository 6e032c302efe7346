//! Quantiles out of buckets that double in size.

use std::collections::BTreeMap;

use crate::eval::Seen;

/// The upper bound of the bucket that a positive number falls into, the next power of two; that of a duration is in
/// seconds, from a power of two of nanoseconds. `None` for what is no positive number.
pub(super) fn bucket_of(seen: &Seen<'_>) -> Option<f64> {
    let number = seen.number().filter(|number| *number > 0.0 && number.is_finite())?;
    match seen {
        Seen::Int(whole) => Some((*whole as u64).next_power_of_two() as f64),
        Seen::Duration(nanos) => Some((*nanos as u64).next_power_of_two() as f64 / 1e9),
        _ => Some(number.log2().ceil().exp2()),
    }
}

/// The value below which a share of the spans lies, between the bounds of its bucket by the logarithm; 0 where there are no
/// spans. Buckets are given as the bits of their upper bounds, and how many spans each has.
pub(super) fn quantile(wanted: f64, buckets: &BTreeMap<u64, f64>) -> f64 {
    let all: f64 = buckets.values().sum();
    let below = (wanted * all).ceil().max(1.0);
    let mut so_far = 0.0;
    let mut lower = None;
    for (bound, spans) in buckets {
        let upper = f64::from_bits(*bound);
        if so_far + spans == below {
            return upper;
        }
        if so_far + spans > below {
            let upper = upper.log2();
            let lower = lower.map_or(upper - 1.0, f64::log2);
            return (lower + (upper - lower) * (below - so_far) / spans).exp2();
        }
        so_far += spans;
        lower = Some(upper);
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fall_into_powers_of_two() {
        let check = |seen: Seen<'_>, bound: Option<f64>| assert_eq!(bucket_of(&seen), bound, "{seen:?}");
        check(Seen::Int(1), Some(1.0));
        check(Seen::Int(5), Some(8.0));
        check(Seen::Int(0), None);
        check(Seen::Float(0.3), Some(0.5));
        check(Seen::Duration(1_000_000_000), Some(1.073_741_824));
        check(Seen::Nil, None);
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let buckets =
            [(1.0_f64, 2.0), (2.0, 2.0), (8.0, 4.0)].map(|(bound, spans)| (bound.to_bits(), spans)).into();
        let check = |wanted: f64, value: f64| assert_eq!(quantile(wanted, &buckets), value, "{wanted}");
        check(0.0, 2.0_f64.powf(-0.5));
        check(0.25, 1.0);
        check(0.5, 2.0);
        check(0.75, 4.0);
        check(1.0, 8.0);
        assert_eq!(quantile(0.5, &BTreeMap::new()), 0.0);
    }
}
