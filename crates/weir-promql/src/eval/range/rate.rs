//! `rate`, `increase`, `delta`: the change over a range, extended to the whole of it.

use std::sync::Arc;

use weir_signal::Histogram;

use super::samples::{Samples, View};
use super::start::{Stamp, is_reset, overlaps};
use super::window::{Window, seconds};
use super::{RangeCall, extended, extended_histogram, histogram_rate};
use crate::eval::annotation::Annotation;
use crate::eval::column::{Cell, Column};
use crate::functions::FunctionId;

pub(super) fn rate(call: &RangeCall<'_>, samples: &Samples, metric: &str, out: &mut Column) {
    let kind = Kind::of(call.function);
    if call.windows.extension.is_some() {
        call.windows.each(samples, |step, window| {
            let found = if window.is_mixed() {
                call.context.annotate(Annotation::mixed_floats_histograms(call.span, metric));
                None
            } else if window.histograms.is_empty() {
                extended::rate(call, kind, step, window.floats).map(Cell::Float)
            } else {
                extended_histogram::rate(call, kind, step, window.histograms, metric).map(Cell::Histogram)
            };
            if let Some(cell) = found {
                out.set_cell(step, cell);
            }
        });
        return;
    }
    let use_starts = kind.is_counter && call.context.options.start_timestamps;
    if samples.histograms.times.is_empty() && (!use_starts || samples.floats.starts.is_empty()) {
        floats(call, kind, samples.floats.view(), out);
        return;
    }
    call.windows.each(samples, |step, mut window| {
        if !use_starts {
            window.floats.starts = &[];
            window.histograms.starts = &[];
        }
        if let Some(cell) = one(call, kind, step, window, metric) {
            out.set_cell(step, cell);
        }
    });
}

/// Which of the three functions it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// Whether a fall is a counter that began anew.
    pub is_counter: bool,
    /// Whether the answer is per second.
    pub is_rate: bool,
}

impl Kind {
    fn of(function: FunctionId) -> Self {
        Self { is_counter: function != FunctionId::Delta, is_rate: function == FunctionId::Rate }
    }
}

/// How the samples of a window lie in its range, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    to_first: i64,
    from_last: i64,
    sampled: i64,
    /// How many distances there are between the samples.
    distances: usize,
}

/// What follows from a layout alone, in seconds.
#[derive(Debug, Clone, Copy)]
struct Extrapolation {
    to_start: f64,
    to_end: f64,
    sampled: f64,
    /// What the change is to be multiplied with, unless the counter would reach zero within the range.
    factor: f64,
}

impl Extrapolation {
    /// Up to the bounds of the range where they are not further than samples are apart (and a tenth more), else for half of
    /// that distance: it is not known where within it the series begins or ends.
    fn of(layout: Layout, per_seconds: Option<f64>) -> Self {
        let mut to_start = layout.to_first as f64 / 1000.0;
        let mut to_end = layout.from_last as f64 / 1000.0;
        let sampled = layout.sampled as f64 / 1000.0;
        let distance = if layout.distances > 0 { sampled / layout.distances as f64 } else { 0.0 };
        let threshold = distance * 1.1;
        if to_start >= threshold {
            to_start = distance / 2.0;
        }
        if to_end >= threshold {
            to_end = distance / 2.0;
        }
        let mut this = Self { to_start, to_end, sampled, factor: 0.0 };
        this.factor = this.factor_from(to_start, per_seconds);
        this
    }

    fn factor_from(&self, to_start: f64, per_seconds: Option<f64>) -> f64 {
        let mut factor = 1.0;
        if self.sampled != 0.0 {
            factor = (self.sampled + to_start + self.to_end) / self.sampled;
        }
        if let Some(seconds) = per_seconds {
            factor /= seconds;
        }
        factor
    }

    /// A counter does not begin below zero: the range is extended no further than to where it would have been zero.
    fn factor_for_counter(&self, first: f64, increase: f64, per_seconds: Option<f64>) -> f64 {
        if increase > 0.0 && first >= 0.0 {
            let to_zero = self.sampled * (first / increase);
            if to_zero < self.to_start {
                return self.factor_from(to_zero, per_seconds);
            }
        }
        self.factor
    }
}

/// All windows of a series of floats whose counting began nowhere anew but where it fell.
///
/// Falls are looked for once. Samples mostly lie in their ranges as they did a step before, so what follows from that is
/// kept from step to step.
fn floats(call: &RangeCall<'_>, kind: Kind, samples: View<'_, f64>, out: &mut Column) {
    let values = samples.values;
    let falls: Vec<usize> = if kind.is_counter {
        (1..values.len()).filter(|&at| values[at] < values[at - 1]).collect()
    } else {
        Vec::new()
    };
    let mut next_fall = 0;
    let per_seconds = kind.is_rate.then(|| seconds(call.windows.range_ms));
    let mut kept: Option<(Layout, Extrapolation)> = None;
    call.windows.slide(samples.times, |step, range, end| {
        if range.len() < 2 {
            return;
        }
        let (first, last) = (range.start, range.end - 1);
        let mut change = values[last] - values[first];
        while falls.get(next_fall).is_some_and(|&at| at <= first) {
            next_fall += 1;
        }
        for &at in falls[next_fall..].iter().take_while(|&&at| at <= last) {
            change += values[at - 1];
        }
        let layout = Layout {
            to_first: samples.times[first].saturating_sub(end.saturating_sub(call.windows.range_ms)),
            from_last: end.saturating_sub(samples.times[last]),
            sampled: samples.times[last].saturating_sub(samples.times[first]),
            distances: last - first,
        };
        let extrapolation = match &kept {
            Some((of, extrapolation)) if *of == layout => extrapolation,
            _ => &kept.insert((layout, Extrapolation::of(layout, per_seconds))).1,
        };
        let factor = if kind.is_counter {
            extrapolation.factor_for_counter(values[first], change, per_seconds)
        } else {
            extrapolation.factor
        };
        out.set(step, change * factor);
    });
}

/// One window of whatever samples.
fn one(call: &RangeCall<'_>, kind: Kind, step: usize, window: Window<'_>, metric: &str) -> Option<Cell> {
    if window.is_mixed() {
        call.context.annotate(Annotation::mixed_floats_histograms(call.span, metric));
        return None;
    }
    let per_seconds = kind.is_rate.then(|| seconds(call.windows.range_ms));
    if window.histograms.is_empty() {
        let (samples, first) = (window.floats, window.floats.values[0]);
        let mut change = samples.values[samples.len() - 1] - first;
        if kind.is_counter {
            change = corrected(call, samples, change, metric);
        }
        let stretch = Stretch::of(call, kind, step, samples.times, samples.stamp(0))?;
        if stretch.is_from_start {
            change += first;
        }
        return Some(Cell::Float(change * stretch.factor(kind, first, change, per_seconds)));
    }
    let samples = window.histograms;
    let first = &samples.values[0];
    let mut change: Option<Histogram> = None;
    if samples.len() > 1 {
        change = Some(histogram_rate::change(call, kind, samples, metric)?);
    }
    let stretch = Stretch::of(call, kind, step, samples.times, samples.stamp(0))?;
    let mut change = match change {
        None => Histogram::clone(first),
        Some(mut change) => {
            if stretch.is_from_start {
                histogram_rate::add(call, &mut change, first, metric)?;
            }
            change
        }
    };
    change.mul(stretch.factor(kind, first.count, change.count, per_seconds));
    Some(Cell::Histogram(Arc::new(change)))
}

/// The change of a counter, with what it had counted before it began anew.
fn corrected(call: &RangeCall<'_>, samples: View<'_, f64>, mut change: f64, metric: &str) -> f64 {
    let mut overlap_seen = false;
    for at in 1..samples.len() {
        let (previous, current) = (samples.stamp(at - 1), samples.stamp(at));
        if !overlap_seen && overlaps(previous, current) {
            call.context.annotate(Annotation::start_overlap(call.span, metric));
            overlap_seen = true;
        }
        if samples.values[at] < samples.values[at - 1] || is_reset(previous, current) {
            change += samples.values[at - 1];
        }
    }
    change
}

/// How far a change is stretched over its range.
struct Stretch {
    extrapolation: Extrapolation,
    /// The counter began within the range, at zero: nothing is assumed about what was before.
    is_from_start: bool,
}

impl Stretch {
    /// `None` where one sample is all there is and it does not say when counting began.
    fn of(call: &RangeCall<'_>, kind: Kind, step: usize, times: &[i64], first: Stamp) -> Option<Self> {
        let (start, last) = (call.windows.start(step), times[times.len() - 1]);
        let per_seconds = kind.is_rate.then(|| seconds(call.windows.range_ms));
        let is_from_start =
            kind.is_counter && first.start != 0 && first.start > start && first.start < first.time;
        if !is_from_start && times.len() == 1 {
            return None;
        }
        let layout = Layout {
            to_first: first.time - start,
            from_last: call.windows.end(step) - last,
            sampled: last - first.time,
            distances: times.len() - 1,
        };
        let mut extrapolation = Extrapolation::of(layout, per_seconds);
        if is_from_start {
            extrapolation.to_start = 0.0;
            extrapolation.sampled = (last - first.start) as f64 / 1000.0;
            extrapolation.factor = extrapolation.factor_from(0.0, per_seconds);
        }
        Some(Self { extrapolation, is_from_start })
    }

    fn factor(&self, kind: Kind, first: f64, change: f64, per_seconds: Option<f64>) -> f64 {
        if kind.is_counter && !self.is_from_start {
            self.extrapolation.factor_for_counter(first, change, per_seconds)
        } else {
            self.extrapolation.factor
        }
    }
}
