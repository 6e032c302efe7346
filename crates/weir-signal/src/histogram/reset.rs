//! Whether a counter began anew.

use std::iter::Peekable;

use super::custom::shrank_on_common_bounds;
use super::{Histogram, ResetHint};
use crate::points::is_stale;

impl Histogram {
    /// Whether counting began anew between `previous` and this one: where the hint does not say, if any count became
    /// smaller, or the buckets became finer, or the bucket around zero narrower, which only a fresh start explains.
    pub fn detect_reset(&self, previous: &Self) -> bool {
        match self.reset_hint {
            ResetHint::Reset => return true,
            ResetHint::NotReset => return false,
            // A function of counters may be asked of a gauge; it then gets a counter's answer.
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
        self.began_anew(previous)
    }

    /// The hint that a histogram is read with that was stored after `previous`: what its sender said where that was `Reset`
    /// or `Gauge`; `NotReset` where it plainly goes on; else `Unknown`, which leaves the comparison to who needs it, since
    /// a sample between the two may still be missing.
    ///
    /// This is what Prometheus' storage answers, and aggregations pass it on. Whoever keeps histograms as they were sent
    /// calls this when reading.
    pub fn hint_after(&self, previous: Option<&Self>) -> ResetHint {
        if matches!(self.reset_hint, ResetHint::Reset | ResetHint::Gauge) {
            return self.reset_hint;
        }
        let goes_on = previous.is_some_and(|previous| {
            previous.reset_hint != ResetHint::Gauge
                && !is_stale(previous.sum)
                && (is_stale(self.sum)
                    || (self.schema == previous.schema
                        && self.zero_threshold == previous.zero_threshold
                        && self.custom_bounds == previous.custom_bounds
                        && !self.began_anew(previous)))
        });
        if goes_on { ResetHint::NotReset } else { ResetHint::Unknown }
    }

    /// Whether counts, resolution or the bucket around zero say that counting began anew, whatever the hint says.
    fn began_anew(&self, previous: &Self) -> bool {
        if self.count < previous.count {
            return true;
        }
        if self.uses_custom_buckets() {
            if !previous.uses_custom_buckets() {
                return true;
            }
            if self.custom_bounds != previous.custom_bounds {
                return shrank_on_common_bounds(self, previous);
            }
            return shrank(self.positive.indexed().peekable(), previous.positive.indexed());
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let (zero_count, _, threshold) = if self.zero_threshold == previous.zero_threshold {
            (previous.zero_count, 0.0, previous.zero_threshold)
        } else {
            previous.zero_count_within(self.zero_threshold, None)
        };
        // A threshold within a bucket that held something cannot have come about by widening.
        if threshold != self.zero_threshold || self.zero_count < zero_count {
            return true;
        }
        let [positive, negative] = previous.outside(threshold, self.schema);
        shrank(self.positive.indexed().peekable(), positive.indexed())
            || shrank(self.negative.indexed().peekable(), negative.indexed())
    }
}

/// Whether a bucket of `before` holds more than the same one of `current`.
fn shrank(
    mut current: Peekable<impl Iterator<Item = (i32, f64)>>,
    mut before: impl Iterator<Item = (i32, f64)>,
) -> bool {
    before.any(|(index, held)| {
        while current.next_if(|&(other, _)| other < index).is_some() {}
        match current.peek() {
            Some(&(other, holds)) if other == index => holds < held,
            _ => held != 0.0,
        }
    })
}
