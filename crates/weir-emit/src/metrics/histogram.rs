//! Latency buckets: six steps in each decade from 100 µs to 60 s, at bounds that people use in objectives.

/// Upper bounds in nanoseconds, inclusive.
pub(super) const BOUNDS_NS: [u64; 35] = {
    let steps = [100_000, 150_000, 200_000, 300_000, 500_000, 700_000];
    let mut bounds = [0; 35];
    let (mut at, mut scale) = (0, 1);
    while at < 30 {
        bounds[at] = steps[at % 6] * scale;
        at += 1;
        if at.is_multiple_of(6) {
            scale *= 10;
        }
    }
    let last = [10, 15, 20, 30, 60];
    while at < 35 {
        bounds[at] = last[at - 30] * 1_000_000_000;
        at += 1;
    }
    bounds
};

/// Buckets, with the one beyond the last bound.
pub(super) const BUCKETS: usize = BOUNDS_NS.len() + 1;

/// The cell behind the buckets: the sum, in whole microseconds so that it does not wrap within a process' life. The
/// count is the sum of the buckets, so the two can never disagree.
pub(super) const SUM: u32 = BUCKETS as u32;

/// Cells of one histogram.
pub(super) const WIDTH: u32 = SUM + 1;

/// For every length in bits, the first bucket that such a number can fall into.
const FIRST: [u8; 65] = {
    let mut first = [0; 65];
    let mut bits = 1;
    while bits <= 64 {
        let smallest = 1_u64 << (bits - 1);
        let mut bucket = 0;
        while bucket < BOUNDS_NS.len() && BOUNDS_NS[bucket] < smallest {
            bucket += 1;
        }
        first[bits] = bucket as u8;
        bits += 1;
    }
    first
};

/// The bucket of a latency. At most three comparisons.
#[inline]
pub(super) fn bucket(nanos: u64) -> u32 {
    let mut bucket = usize::from(FIRST[64 - nanos.leading_zeros() as usize]);
    while bucket < BOUNDS_NS.len() && BOUNDS_NS[bucket] < nanos {
        bucket += 1;
    }
    bucket as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_are_round_and_rising() {
        assert!(BOUNDS_NS.is_sorted_by(|a, b| a < b));
        assert_eq!((BOUNDS_NS[0], BOUNDS_NS[4], BOUNDS_NS[34]), (100_000, 500_000, 60_000_000_000));
        assert!(BOUNDS_NS.contains(&1_000_000_000));
    }

    proptest! {
        #[test]
        fn the_bucket_is_the_first_that_holds(nanos in any::<u64>(), shift in 0_u32..64, near in 0_usize..35, by in -1_i64..=1) {
            for nanos in [nanos >> shift, BOUNDS_NS[near].wrapping_add_signed(by)] {
                prop_assert_eq!(bucket(nanos) as usize, BOUNDS_NS.partition_point(|bound| *bound < nanos));
            }
        }
    }
}
