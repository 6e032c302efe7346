//! `sum_over_time`, `avg_over_time`.

use std::sync::Arc;

use weir_signal::{Histogram, HistogramMean, HistogramSum, Joined, MixedSchemas, ResetHint};

use super::RangeCall;
use super::samples::Samples;
use super::window::Window;
use crate::eval::annotation::{Annotation, HistogramOperation};
use crate::eval::column::{Cell, Column};
use crate::eval::number::kahan_add;

pub(super) fn sum(call: &RangeCall<'_>, samples: &Samples, metric: &str, out: &mut Column) {
    each(call, samples, metric, out, float_sum, |histograms| {
        let mut sum = HistogramSum::new(Histogram::clone(&histograms[0]));
        let joined = join(histograms, |other| sum.add(other))?;
        Ok((sum.finish(), joined))
    });
}

pub(super) fn average(call: &RangeCall<'_>, samples: &Samples, metric: &str, out: &mut Column) {
    each(call, samples, metric, out, float_average, |histograms| {
        let mut mean = HistogramMean::new(Histogram::clone(&histograms[0]));
        let joined = join(histograms, |other| mean.add(other))?;
        Ok((mean.finish(), joined))
    });
}

fn float_sum(values: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0, 0.0);
    for &value in values {
        (sum, lost) = kahan_add(value, sum, lost);
    }
    if sum.is_infinite() { sum } else { sum + lost }
}

/// The sum divided by the number, unless the sum overflows: then a running mean from there on, which does not.
fn float_average(values: &[f64]) -> f64 {
    let (mut sum, mut lost) = (values[0], 0.0);
    for (at, &value) in values.iter().enumerate().skip(1) {
        let (next, next_lost) = kahan_add(value, sum, lost);
        if next.is_infinite() {
            return running_average(values, at, sum, lost);
        }
        (sum, lost) = (next, next_lost);
    }
    let count = values.len() as f64;
    sum / count + lost / count
}

/// The mean where the sum of the values before `from` is finite, and with that one's no more.
fn running_average(values: &[f64], from: usize, sum: f64, lost: f64) -> f64 {
    let (mut mean, mut lost) = (sum / from as f64, lost / from as f64);
    for (at, &value) in values.iter().enumerate().skip(from) {
        let count = (at + 1) as f64;
        let share = (count - 1.0) / count;
        (mean, lost) = kahan_add(value / count, share * mean, share * lost);
    }
    mean + lost
}

/// What was noticed while all histograms of a window were joined.
fn join(
    histograms: &[Arc<Histogram>],
    mut add: impl FnMut(&Histogram) -> Result<Joined, MixedSchemas>,
) -> Result<Joined, MixedSchemas> {
    let has = |hint| histograms.iter().any(|histogram| histogram.reset_hint == hint);
    let hints_collide = has(ResetHint::Reset) && has(ResetHint::NotReset);
    let mut bounds_reconciled = false;
    for other in &histograms[1..] {
        bounds_reconciled |= add(other)?.bounds_reconciled;
    }
    Ok(Joined { hints_collide, bounds_reconciled })
}

fn each(
    call: &RangeCall<'_>,
    samples: &Samples,
    metric: &str,
    out: &mut Column,
    of_floats: impl Fn(&[f64]) -> f64,
    of_histograms: impl Fn(&[Arc<Histogram>]) -> Result<(Histogram, Joined), MixedSchemas>,
) {
    let note = |annotation| call.context.annotate(annotation);
    call.windows.each(samples, |step, window: Window<'_>| {
        if window.is_mixed() {
            note(Annotation::mixed_floats_histograms(call.span, metric));
            return;
        }
        if window.histograms.is_empty() {
            out.set(step, of_floats(window.floats.values));
            return;
        }
        let Ok((value, joined)) = of_histograms(window.histograms.values) else {
            note(Annotation::mixed_exponential_custom(call.span, metric));
            return;
        };
        if joined.hints_collide {
            note(Annotation::reset_collision(call.span, HistogramOperation::Aggregate));
        }
        if joined.bounds_reconciled {
            note(Annotation::mismatched_bounds(call.span, HistogramOperation::Aggregate));
        }
        out.set_cell(step, Cell::Histogram(Arc::new(value)));
    });
}
