//! Turns by weight, worked out beforehand.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Rng;

/// After so many turns in a row that are not usable, it is asked whether any endpoint is.
const PATIENCE: usize = 16;
/// Most entries, unless there are more endpoints.
const ENTRIES_MAX: u64 = 8192;

/// One round of turns in which each endpoint comes as often as its weight (divided by what all have in common) says,
/// spread evenly: weights 5, 1, 1 give `a a b a c a a`-like rounds rather than `a a a a a b c`.
///
/// The order is that of earliest deadlines: of an endpoint's `w` turns in a round, the k-th is due at `(2k + 1) / 2w`.
/// Worked out once, a turn costs one look-up, however many endpoints there are; skipping what is not usable keeps the
/// others' proportions, because it is the same as taking it out of the round. Rounds that would be too long are scaled
/// down, each endpoint keeping at least one turn.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    turns: Box<[u32]>,
    endpoints: usize,
}

impl Schedule {
    pub(super) fn new(weights: &[u32]) -> Self {
        let common = weights.iter().fold(0, |a, &b| greatest_common_divisor(a, u64::from(b))).max(1);
        let total: u64 = weights.iter().map(|&w| u64::from(w) / common).sum();
        let scaled = |weight: u32| {
            let weight = u64::from(weight) / common;
            match total {
                0..=ENTRIES_MAX => weight,
                _ if weight == 0 => 0,
                _ => ((u128::from(weight) * u128::from(ENTRIES_MAX) / u128::from(total)) as u64).max(1),
            }
        };
        // Deadlines in units of which a round has 2^40; ties in the order of the endpoints.
        let due = |turn: u64, weight: u64| ((2 * turn + 1) << 39) / weight;
        let mut queue: BinaryHeap<_> = (0u32..)
            .zip(weights)
            .map(|(endpoint, &w)| (endpoint, scaled(w)))
            .filter(|&(_, weight)| weight > 0)
            .map(|(endpoint, weight)| Reverse((due(0, weight), endpoint, 0, weight)))
            .collect();
        let mut turns = Vec::new();
        while let Some(Reverse((_, endpoint, turn, weight))) = queue.pop() {
            turns.push(endpoint);
            if turn + 1 < weight {
                queue.push(Reverse((due(turn + 1, weight), endpoint, turn + 1, weight)));
            }
        }
        Self { turns: turns.into(), endpoints: weights.len() }
    }

    /// The next usable endpoint from `at` on, which moves behind it.
    #[inline]
    pub(super) fn next(&self, at: &mut u32, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let len = self.turns.len();
        let mut index = *at as usize;
        if index >= len {
            index = index.checked_rem(len)?;
        }
        for skipped in 0..len {
            // A round may be much longer than there are endpoints.
            if skipped == PATIENCE && !(0..self.endpoints).any(&usable) {
                return None;
            }
            let endpoint = self.turns[index] as usize;
            index = if index + 1 == len { 0 } else { index + 1 };
            if usable(endpoint) {
                *at = index as u32;
                return Some(endpoint);
            }
        }
        None
    }

    /// An endpoint at random, by weight.
    #[inline]
    pub(super) fn draw(&self, rng: &mut Rng) -> Option<usize> {
        self.turns.get(rng.below(self.turns.len() as u64) as usize).map(|&endpoint| endpoint as usize)
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds() {
        #[track_caller]
        fn check(weights: &[u32], round: &[u32]) {
            assert_eq!(&*Schedule::new(weights).turns, round, "{weights:?}");
        }
        check(&[], &[]);
        check(&[0, 0], &[]);
        check(&[7], &[0]);
        check(&[1, 1, 1], &[0, 1, 2]);
        check(&[100, 100], &[0, 1]);
        check(&[2, 1], &[0, 1, 0]);
        check(&[5, 1, 1], &[0, 0, 0, 1, 2, 0, 0]);
        check(&[6, 0, 3], &[0, 2, 0]);
    }

    #[test]
    fn long_rounds_are_scaled() {
        let schedule = Schedule::new(&[u32::MAX, u32::MAX / 2, 1, 0]);
        let turns = |endpoint| schedule.turns.iter().filter(|&&e| e == endpoint).count();
        assert!((5400..=5462).contains(&turns(0)), "{}", turns(0));
        assert!((2700..=2731).contains(&turns(1)), "{}", turns(1));
        assert_eq!((turns(2), turns(3)), (1, 0));
    }
}
