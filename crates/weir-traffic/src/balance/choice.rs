//! A choice by weight, for the backends of a route.

use crate::Rng;

/// Picks an index at random, in proportion to its weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedChoice {
    /// Sums of the weights up to and including each.
    sums: Box<[u64]>,
}

impl WeightedChoice {
    /// A choice among `weights`. At least one must be above 0, which the model promises of a route's backends; where none
    /// is, all are taken as equal.
    pub fn new(weights: &[u32]) -> Self {
        let even = weights.iter().all(|&w| w == 0);
        let sums = weights
            .iter()
            .scan(0, |sum, &weight| {
                *sum += if even { 1 } else { u64::from(weight) };
                Some(*sum)
            })
            .collect();
        Self { sums }
    }

    /// An index; 0 where there are none. A single one costs no random number.
    #[inline]
    pub fn pick(&self, rng: &mut Rng) -> usize {
        match &*self.sums {
            [] | [_] => 0,
            [.., total] => {
                let drawn = rng.below(*total);
                self.sums.partition_point(|&sum| sum <= drawn)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        #[track_caller]
        fn check(weights: &[u32], expected: &[u32]) {
            let (choice, mut rng) = (WeightedChoice::new(weights), Rng::seeded(3));
            let mut seen = vec![0u32; weights.len()];
            for _ in 0..100_000 {
                seen[choice.pick(&mut rng)] += 1;
            }
            for (seen, expected) in seen.iter().zip(expected) {
                assert!(seen.abs_diff(*expected) <= 600, "{weights:?}: {seen} is not near {expected}");
                assert!(*expected > 0 || *seen == 0, "weight 0 was picked");
            }
        }
        check(&[5], &[100_000]);
        check(&[9, 1], &[90_000, 10_000]);
        check(&[0, 3, 0, 1, 0], &[0, 75_000, 0, 25_000, 0]);
        check(&[0, 0], &[50_000, 50_000]);
        check(&[u32::MAX, u32::MAX], &[50_000, 50_000]);
        assert_eq!(WeightedChoice::new(&[]).pick(&mut Rng::seeded(0)), 0);
    }
}
