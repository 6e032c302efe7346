//! When a target is asked: at times that lie an exact interval apart, each target at its own place in the interval. Pure.

use std::time::Duration;

/// A scrape that begins this close to its ideal time bears that time: equal steps cost next to nothing on disk, and timers
/// are not exact.
const TOLERANCE_MS: i64 = 2;

/// The times of a target's scrapes, all in milliseconds.
#[derive(Debug)]
pub(super) struct Grid {
    step: i64,
    offset: i64,
    last: Option<i64>,
}

impl Grid {
    /// The grid of the target that `id` names, the same in every process: targets are spread over the interval, and a
    /// restart does not move them.
    pub(super) fn new(interval: Duration, id: u128) -> Self {
        let step = interval.as_millis().clamp(1, i64::MAX as u128 >> 8) as i64;
        Self { step, offset: (id as u64 % step as u64) as i64, last: None }
    }

    /// The ideal time of the next scrape. It lies in the past where scrapes took longer than the interval: one of those
    /// that were missed is made up for.
    pub(super) fn next(&mut self, now_ms: i64) -> i64 {
        let step = self.step;
        let upcoming = now_ms + (self.offset - now_ms).rem_euclid(step);
        let next = match self.last {
            None => upcoming,
            Some(last) if last + step <= now_ms - step => now_ms - (now_ms - self.offset).rem_euclid(step),
            // The clock was set back.
            Some(last) if last > now_ms + step => upcoming,
            Some(last) => last + step,
        };
        self.last = Some(next);
        next
    }

    /// The time that a scrape bears which was due at `ideal_ms`, and begins now.
    pub(super) fn stamp(&self, ideal_ms: i64, now_ms: i64) -> i64 {
        let tolerance = TOLERANCE_MS.min(self.step / 100);
        if (now_ms - ideal_ms).abs() <= tolerance { ideal_ms } else { now_ms }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_lie_an_interval_apart() {
        let mut grid = Grid::new(Duration::from_secs(5), 12_345);
        assert_eq!(grid.next(100_000), 102_345);
        // Early, in time, late: always the next one.
        assert_eq!(grid.next(102_344), 107_345);
        assert_eq!(grid.next(107_346), 112_345);
        assert_eq!(grid.next(117_344), 117_345);
        // The scrape took longer than the interval: at once.
        assert_eq!(grid.next(122_500), 122_345);
        // Several were missed: one is made up for.
        assert_eq!(grid.next(150_000), 147_345);
        assert_eq!(grid.next(150_001), 152_345);
        // The clock was set back by a minute.
        assert_eq!(grid.next(92_000), 92_345);
    }

    #[test]
    fn times_close_to_the_ideal_are_it() {
        let check = |interval_ms: u64, now_ms: i64, expect: i64| {
            let grid = Grid::new(Duration::from_millis(interval_ms), 0);
            assert_eq!(grid.stamp(1000, now_ms), expect, "{interval_ms} {now_ms}");
        };
        check(5000, 1000, 1000);
        check(5000, 1002, 1000);
        check(5000, 998, 1000);
        check(5000, 1003, 1003);
        check(100, 1001, 1000);
        check(100, 1002, 1002);
    }

    proptest! {
        #[test]
        fn every_time_is_on_the_grid(id: u128, interval in 1_u64..100_000, steps in prop::collection::vec(-50_000_i64..50_000, 1..20)) {
            let mut grid = Grid::new(Duration::from_millis(interval), id);
            let mut now = 1_700_000_000_000;
            for step in steps {
                let next = grid.next(now);
                prop_assert_eq!((next - grid.offset).rem_euclid(interval as i64), 0);
                prop_assert!((next - now).abs() <= 2 * interval as i64);
                now = next + step;
            }
        }
    }
}
