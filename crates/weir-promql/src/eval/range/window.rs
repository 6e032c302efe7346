//! Windows over the samples of a series, one for each step.

use std::ops::Range;

use super::samples::{Samples, View};
use crate::ast::Extension;
use crate::eval::grid::Grid;
use crate::eval::selector::Shift;

/// Which samples the function sees at each step: those of the range, with those around it where the range is extended.
#[derive(Debug, Clone, Copy)]
pub(in crate::eval) struct Windows {
    pub grid: Grid,
    pub shift: Shift,
    pub range_ms: i64,
    pub extension: Option<Extension>,
    pub lookback_ms: i64,
}

impl Windows {
    /// The last time of the range at a step.
    pub(in crate::eval) fn end(&self, step: usize) -> i64 {
        self.shift.apply(self.grid.time(step))
    }

    /// The time that the range at a step begins after.
    pub(in crate::eval) fn start(&self, step: usize) -> i64 {
        self.end(step).saturating_sub(self.range_ms)
    }

    /// The times that samples at a step are later than, and not later than.
    pub(in crate::eval) fn bounds(&self, step: usize) -> (i64, i64) {
        self.extend(self.start(step), self.end(step))
    }

    /// The same for all steps together.
    pub(in crate::eval) fn whole(&self) -> (i64, i64) {
        let last = self.grid.len().saturating_sub(1);
        self.extend(self.start(0), self.end(last))
    }

    fn extend(&self, start: i64, end: i64) -> (i64, i64) {
        let lookback_ms = self.lookback_ms;
        match self.extension {
            None => (start, end),
            Some(Extension::Anchored) => (start.saturating_sub(lookback_ms), end),
            Some(Extension::Smoothed) => (start.saturating_sub(lookback_ms), end.saturating_add(lookback_ms)),
        }
    }

    /// Calls `each` with every step, the places of its samples among `times`, and the time they are not later than.
    #[inline]
    pub(in crate::eval) fn slide(&self, times: &[i64], mut each: impl FnMut(usize, Range<usize>, i64)) {
        let (mut from, mut to) = (0, 0);
        let (mut after, mut until) = self.bounds(0);
        // What is pinned to a time stays where it is.
        let step_ms = if self.shift.at.is_some() { 0 } else { self.grid.step_ms() };
        for step in 0..self.grid.len() {
            while from < times.len() && times[from] <= after {
                from += 1;
            }
            to = to.max(from);
            while to < times.len() && times[to] <= until {
                to += 1;
            }
            each(step, from..to, until);
            after = after.saturating_add(step_ms);
            until = until.saturating_add(step_ms);
        }
    }

    /// Calls `each` with every step and the samples of its window, where it has any.
    pub(in crate::eval) fn each(&self, samples: &Samples, mut each: impl FnMut(usize, Window<'_>)) {
        let (floats, histograms) = (samples.floats.view(), samples.histograms.view());
        if histograms.is_empty() {
            self.slide(floats.times, |step, range, _| {
                if !range.is_empty() {
                    each(step, Window { floats: floats.slice(range), histograms });
                }
            });
            return;
        }
        let mut ranges = Vec::with_capacity(self.grid.len());
        self.slide(floats.times, |_, range, _| ranges.push(range));
        self.slide(histograms.times, |step, range, _| {
            let window =
                Window { floats: floats.slice(ranges[step].clone()), histograms: histograms.slice(range) };
            if !window.floats.is_empty() || !window.histograms.is_empty() {
                each(step, window);
            }
        });
    }
}

/// The samples that a function sees at one step.
#[derive(Debug, Clone, Copy)]
pub(in crate::eval) struct Window<'a> {
    pub floats: View<'a, f64>,
    pub histograms: View<'a, std::sync::Arc<weir_signal::Histogram>>,
}

impl Window<'_> {
    /// Whether there are samples of both kinds.
    pub(in crate::eval) fn is_mixed(&self) -> bool {
        !self.floats.is_empty() && !self.histograms.is_empty()
    }
}

/// Milliseconds in seconds, rounded as Go's durations are.
pub(in crate::eval) fn seconds(millis: i64) -> f64 {
    (millis / 1000) as f64 + (millis % 1000 * 1_000_000) as f64 / 1e9
}
