//! Whether a counter began anew.

use std::iter::Peekable;

use super::custom::shrank_on_common_bounds;
use super::{Histogram, ResetHint};

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
