//! Deltas to running totals: what a series of differences adds up to (the collector's `deltatocumulative`).
//!
//! Prometheus' functions want counters that grow. A sender that reports differences is added up here, by series, in memory;
//! after a restart, or once a series was pushed out, its total begins anew, which is a counter's reset like any other.

use std::collections::HashMap;

use weir_signal::{IntHistogram, Reason, Refusal};

/// Series of differences that are added up at once.
pub const DELTA_SERIES_MAX: usize = 200_000;

/// A series without a difference for so long is forgotten where room is needed.
const STALE_MS: i64 = 5 * 60 * 1000;

/// What was added up so far. One for each tenant.
#[derive(Debug, Default)]
pub struct Deltas {
    series: HashMap<u128, State>,
}

#[derive(Debug)]
struct State {
    time_ms: i64,
    start_ms: i64,
    total: Total,
}

#[derive(Debug, Clone)]
pub(super) enum Total {
    Number(f64),
    /// Count, sum, one count for each bucket.
    Classic {
        count: u64,
        sum: f64,
        bounds: Vec<f64>,
        buckets: Vec<u64>,
    },
    Native(IntHistogram),
}

impl Deltas {
    /// Adds a difference to the series of `id`; gives the total and when its counting began.
    ///
    /// # Errors
    /// The difference is not newer than the one before: added again, it would count twice.
    pub(super) fn add(
        &mut self,
        id: u128,
        start_ms: i64,
        time_ms: i64,
        delta: Total,
    ) -> Result<(Total, i64), Refusal> {
        if let Some(state) = self.series.get_mut(&id) {
            if time_ms <= state.time_ms {
                return Err(Refusal::new(
                    Reason::TooOld,
                    "a delta that is not newer than the one before it was added up already; send them in order",
                ));
            }
            state.time_ms = time_ms;
            if !state.total.add(&delta) {
                // Other bounds or another scale: counting begins anew.
                *state = State { time_ms, start_ms, total: delta };
            }
            return Ok((state.total.clone(), state.start_ms));
        }
        if self.series.len() >= DELTA_SERIES_MAX {
            self.series.retain(|_, state| time_ms - state.time_ms < STALE_MS);
            if self.series.len() >= DELTA_SERIES_MAX {
                let message =
                    format!("more than {DELTA_SERIES_MAX} series of deltas at once; send cumulative ones");
                return Err(Refusal::new(Reason::Cardinality, message));
            }
        }
        self.series.insert(id, State { time_ms, start_ms, total: delta.clone() });
        Ok((delta, start_ms))
    }
}

impl Total {
    /// False where the two do not fit together.
    fn add(&mut self, delta: &Self) -> bool {
        match (self, delta) {
            (Self::Number(total), Self::Number(delta)) => *total += delta,
            (
                Self::Classic { count, sum, bounds, buckets },
                Self::Classic { count: more, sum: added, bounds: same, buckets: counts },
            ) if bounds == same && buckets.len() == counts.len() => {
                *count = count.saturating_add(*more);
                *sum += added;
                buckets
                    .iter_mut()
                    .zip(counts)
                    .for_each(|(total, delta)| *total = total.saturating_add(*delta));
            }
            (Self::Native(total), Self::Native(delta)) => return add_native(total, delta),
            _ => return false,
        }
        true
    }
}

/// Adds where scale and bucket around zero are the same; false otherwise.
fn add_native(total: &mut IntHistogram, delta: &IntHistogram) -> bool {
    if total.schema != delta.schema || total.zero_threshold.to_bits() != delta.zero_threshold.to_bits() {
        return false;
    }
    total.count = total.count.saturating_add(delta.count);
    total.zero_count = total.zero_count.saturating_add(delta.zero_count);
    total.sum += delta.sum;
    for (into, from) in [(&mut total.positive, &delta.positive), (&mut total.negative, &delta.negative)] {
        let mut counts = super::point::dense(into);
        for (index, count) in super::point::dense(from) {
            let sum = counts.entry(index).or_default();
            *sum = sum.saturating_add(count);
        }
        *into = super::point::sparse(counts);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_added_up_in_order() {
        let mut deltas = Deltas::default();
        let mut check = |time_ms, delta, expect: Option<(f64, i64)>| {
            let got = deltas.add(1, time_ms - 10, time_ms, Total::Number(delta)).ok();
            let got =
                got.map(|(total, start)| (if let Total::Number(n) = total { n } else { f64::NAN }, start));
            assert_eq!(got, expect);
        };
        check(10, 5.0, Some((5.0, 0)));
        check(20, 2.0, Some((7.0, 0)));
        check(20, 2.0, None);
        check(30, 1.0, Some((8.0, 0)));
    }
}
