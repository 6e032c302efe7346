//! Time in steps.

use super::MetricsError;

/// How many steps a query may have: as many as a screen has points, generously.
pub const STEPS_MAX: u64 = 11_000;

/// A time and how it is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The first time, in nanoseconds since 1970.
    pub from_ns: i64,
    /// The last time.
    pub to_ns: i64,
    /// From one value to the next, in nanoseconds; 0 for one value of the whole time. The times of values are multiples of
    /// it, from the last one not after the first time to the first one not before the last.
    pub step_ns: i64,
}

/// Times of values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    /// Spans that begin after this time belong to the first value.
    start_ns: i64,
    step_ns: i64,
    count: usize,
    is_instant: bool,
    /// Whether spans that values are of are wanted.
    pub(super) exemplars: bool,
}

impl Steps {
    pub(super) fn new(step: &Step, exemplars: bool) -> Result<Self, MetricsError> {
        let &Step { from_ns, to_ns, step_ns } = step;
        if from_ns < 0 || to_ns <= from_ns || step_ns < 0 {
            return Err(MetricsError::Time);
        }
        if step_ns == 0 {
            return Ok(Self {
                start_ns: from_ns,
                step_ns: to_ns - from_ns,
                count: 1,
                is_instant: true,
                exemplars,
            });
        }
        let start_ns = from_ns - from_ns % step_ns - step_ns;
        let count =
            (i128::from(to_ns) - i128::from(start_ns) + i128::from(step_ns) - 1) / i128::from(step_ns);
        let end_ns = i128::from(start_ns) + count * i128::from(step_ns);
        match usize::try_from(count) {
            Ok(count) if count as u64 <= STEPS_MAX && end_ns <= i128::from(i64::MAX) => {
                Ok(Self { start_ns, step_ns, count, is_instant: false, exemplars })
            }
            _ => Err(MetricsError::Steps(u64::try_from(count).unwrap_or(u64::MAX))),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The seconds that one value is of.
    pub(super) fn seconds(&self) -> f64 {
        self.step_ns as f64 / 1e9
    }

    /// The time of a value, in milliseconds since 1970.
    pub(super) fn time_ms(&self, slot: usize) -> i64 {
        (self.start_ns + (slot as i64 + 1) * self.step_ns).div_euclid(1_000_000)
    }

    /// The value that a span belongs to by its start. One value of the whole time includes both ends.
    pub(super) fn slot(&self, start_ns: i64) -> Option<usize> {
        let after = start_ns.checked_sub(self.start_ns)?;
        if self.is_instant {
            return (0..=self.step_ns).contains(&after).then_some(0);
        }
        let slot = usize::try_from((after - 1).div_euclid(self.step_ns)).ok()?;
        (slot < self.count).then_some(slot)
    }

    /// Spans outside of this range, its end excluded, belong to no value.
    pub(super) fn spans_range(&self) -> (i64, i64) {
        (self.start_ns, (self.start_ns + self.count as i64 * self.step_ns).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_of_the_step_before_them() {
        let steps =
            Steps::new(&Step { from_ns: 25_000_000, to_ns: 41_000_000, step_ns: 10_000_000 }, false).unwrap();
        let times: Vec<i64> = (0..steps.count()).map(|slot| steps.time_ms(slot)).collect();
        assert_eq!(times, [20, 30, 40, 50]);
        for (start_ns, slot) in [
            (10_000_000, None),
            (10_000_001, Some(0)),
            (20_000_000, Some(0)),
            (20_000_001, Some(1)),
            (50_000_000, Some(3)),
            (50_000_001, None),
        ] {
            assert_eq!(steps.slot(start_ns), slot, "{start_ns}");
        }
        assert_eq!(steps.spans_range(), (10_000_000, 50_000_001));
    }

    #[test]
    fn one_value_is_of_the_whole_time() {
        let steps = Steps::new(&Step { from_ns: 5, to_ns: 2_000_000_005, step_ns: 0 }, false).unwrap();
        assert_eq!((steps.count(), steps.seconds(), steps.time_ms(0)), (1, 2.0, 2000));
        assert_eq!(
            [4, 5, 2_000_000_005, 2_000_000_006].map(|at| steps.slot(at)),
            [None, Some(0), Some(0), None]
        );
    }

    #[test]
    fn times_that_cannot_be_are_refused() {
        let check =
            |from_ns, to_ns, step_ns| Steps::new(&Step { from_ns, to_ns, step_ns }, false).unwrap_err();
        assert_eq!(check(5, 5, 1), MetricsError::Time);
        assert_eq!(check(-5, 5, 1), MetricsError::Time);
        assert_eq!(check(1, 5, -1), MetricsError::Time);
        assert_eq!(check(0, 12_000, 1), MetricsError::Steps(12_001));
        assert!(matches!(check(0, i64::MAX, 1), MetricsError::Steps(_)));
        assert!(matches!(check(i64::MAX - 1, i64::MAX, i64::MAX / 2), MetricsError::Steps(_)));
    }
}
