//! `*_over_time` apart from sums: what one number says about the samples of a range.

use std::collections::VecDeque;

use super::RangeCall;
use super::samples::{Samples, View};
use super::window::Window;
use crate::eval::annotation::Annotation;
use crate::eval::column::{Cell, Column};
use crate::eval::number::kahan_add;
use crate::eval::quantile::of_sorted;
use crate::functions::FunctionId;

pub(super) fn count(call: &RangeCall<'_>, samples: &Samples, _: &str, out: &mut Column) {
    call.windows.each(samples, |step, window| {
        out.set(step, (window.floats.len() + window.histograms.len()) as f64);
    });
}

pub(super) fn present(call: &RangeCall<'_>, samples: &Samples, _: &str, out: &mut Column) {
    call.windows.each(samples, |step, _| out.set(step, 1.0));
}

pub(super) fn first(call: &RangeCall<'_>, samples: &Samples, _: &str, out: &mut Column) {
    call.windows.each(samples, |step, window| {
        let Window { floats, histograms } = window;
        let is_float = match (floats.times.first(), histograms.times.first()) {
            (Some(float), Some(histogram)) => float < histogram,
            (float, _) => float.is_some(),
        };
        out.set_cell(
            step,
            if is_float {
                Cell::Float(floats.values[0])
            } else {
                Cell::Histogram(histograms.values[0].clone())
            },
        );
    });
}

pub(super) fn last(call: &RangeCall<'_>, samples: &Samples, _: &str, out: &mut Column) {
    call.windows.each(samples, |step, window| {
        let Window { floats, histograms } = window;
        let is_float = match (floats.times.last(), histograms.times.last()) {
            (Some(float), Some(histogram)) => float > histogram,
            (float, _) => float.is_some(),
        };
        out.set_cell(
            step,
            if is_float {
                Cell::Float(floats.values[floats.len() - 1])
            } else {
                Cell::Histogram(histograms.values[histograms.len() - 1].clone())
            },
        );
    });
}

pub(super) fn time_of_first(call: &RangeCall<'_>, samples: &Samples, _: &str, out: &mut Column) {
    call.windows.each(samples, |step, window| {
        let times = [window.floats.times.first(), window.histograms.times.first()];
        if let Some(&time) = times.into_iter().flatten().min() {
            out.set(step, time as f64 / 1000.0);
        }
    });
}

pub(super) fn time_of_last(call: &RangeCall<'_>, samples: &Samples, _: &str, out: &mut Column) {
    call.windows.each(samples, |step, window| {
        let times = [window.floats.times.last(), window.histograms.times.last()];
        if let Some(&time) = times.into_iter().flatten().max() {
            out.set(step, time as f64 / 1000.0);
        }
    });
}

/// Functions that pass over histograms, and remark it where there are floats beside them.
fn of_floats(
    call: &RangeCall<'_>,
    samples: &Samples,
    metric: &str,
    out: &mut Column,
    mut of: impl FnMut(usize, View<'_, f64>) -> f64,
) {
    call.windows.each(samples, |step, window| {
        if window.floats.is_empty() {
            return;
        }
        if window.is_mixed() {
            call.context.annotate(Annotation::histogram_ignored_in_mixed_range(call.span, metric));
        }
        out.set(step, of(step, window.floats));
    });
}

pub(super) fn extreme(call: &RangeCall<'_>, samples: &Samples, metric: &str, out: &mut Column) {
    if call.function == FunctionId::MaxOverTime {
        best(call, samples, metric, out, |value, max| value > max);
    } else {
        best(call, samples, metric, out, |value, min| value < min);
    }
}

fn best(
    call: &RangeCall<'_>,
    samples: &Samples,
    metric: &str,
    out: &mut Column,
    better: impl Fn(f64, f64) -> bool,
) {
    if !samples.histograms.times.is_empty() {
        of_floats(call, samples, metric, out, |_, floats| fold(floats.values, &better));
        return;
    }
    // The places that are or will be the best: each is better than those after it, or as good. What is worse than a later one
    // never will be, so that every sample is looked at twice at most, however long the range is.
    let mut candidates: VecDeque<usize> = VecDeque::new();
    let mut seen = 0;
    let values = &samples.floats.values;
    call.windows.slide(&samples.floats.times, |step, range, _| {
        while candidates.front().is_some_and(|&first| first < range.start) {
            candidates.pop_front();
        }
        for at in seen.max(range.start)..range.end {
            if values[at].is_nan() {
                continue;
            }
            while candidates.back().is_some_and(|&last| better(values[at], values[last])) {
                candidates.pop_back();
            }
            candidates.push_back(at);
        }
        seen = range.end;
        if let Some(last) = range.clone().next_back() {
            // Without a candidate all are NaN.
            out.set(step, values[candidates.front().copied().unwrap_or(last)]);
        }
    });
}

/// The first value that no other is better than; NaN only where there is nothing else.
#[inline]
fn fold(values: &[f64], better: impl Fn(f64, f64) -> bool) -> f64 {
    let mut best = values[0];
    for &value in &values[1..] {
        if better(value, best) || best.is_nan() {
            best = value;
        }
    }
    best
}

pub(super) fn time_of_extreme(call: &RangeCall<'_>, samples: &Samples, metric: &str, out: &mut Column) {
    let wants_max = call.function == FunctionId::TsOfMaxOverTime;
    of_floats(call, samples, metric, out, |_, floats| {
        let mut best = 0;
        for at in 0..floats.len() {
            let (value, so_far) = (floats.values[at], floats.values[best]);
            if (if wants_max { value >= so_far } else { value <= so_far }) || so_far.is_nan() {
                best = at;
            }
        }
        floats.times[best] as f64 / 1000.0
    });
}

pub(super) fn variance(call: &RangeCall<'_>, samples: &Samples, metric: &str, out: &mut Column) {
    let wants_root = call.function == FunctionId::StddevOverTime;
    of_floats(call, samples, metric, out, |_, floats| {
        let (mut mean, mut mean_lost) = (0.0, 0.0);
        let (mut squares, mut squares_lost) = (0.0, 0.0);
        for (at, &value) in floats.values.iter().enumerate() {
            let delta = value - (mean + mean_lost);
            (mean, mean_lost) = kahan_add(delta / (at + 1) as f64, mean, mean_lost);
            let square = delta * (value - (mean + mean_lost));
            (squares, squares_lost) = kahan_add(square, squares, squares_lost);
        }
        let variance = (squares + squares_lost) / floats.len() as f64;
        if wants_root { variance.sqrt() } else { variance }
    });
}

pub(super) fn quantile(call: &RangeCall<'_>, samples: &Samples, metric: &str, out: &mut Column) {
    let mut sorted = Vec::new();
    of_floats(call, samples, metric, out, |step, floats| {
        let quantile = call.params[0].at(step);
        if !(0.0..=1.0).contains(&quantile) {
            call.context.annotate(Annotation::invalid_quantile(call.span, quantile));
        }
        sorted.clear();
        sorted.extend_from_slice(floats.values);
        of_sorted(quantile, sort(&mut sorted))
    });
}

pub(super) fn median_deviation(call: &RangeCall<'_>, samples: &Samples, metric: &str, out: &mut Column) {
    let mut sorted = Vec::new();
    of_floats(call, samples, metric, out, |_, floats| {
        if floats.values.iter().any(|value| value.is_nan()) {
            return f64::NAN;
        }
        sorted.clear();
        sorted.extend_from_slice(floats.values);
        let median = of_sorted(0.5, sort(&mut sorted));
        for value in &mut sorted {
            *value = (*value - median).abs();
        }
        of_sorted(0.5, sort(&mut sorted))
    });
}

fn sort(values: &mut [f64]) -> &[f64] {
    crate::eval::quantile::sort(values);
    values
}
