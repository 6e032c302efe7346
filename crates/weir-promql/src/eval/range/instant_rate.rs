//! `irate`, `idelta`: the change between the last two samples of a range.

use std::sync::Arc;

use weir_signal::{Histogram, ResetHint};

use super::RangeCall;
use super::samples::Samples;
use super::start::{Stamp, is_reset};
use super::window::Window;
use crate::eval::annotation::{Annotation, HistogramOperation};
use crate::eval::column::{Cell, Column};
use crate::functions::FunctionId;

pub(super) fn instant_rate(call: &RangeCall<'_>, samples: &Samples, metric: &str, out: &mut Column) {
    let is_rate = call.function == FunctionId::Irate;
    let starts = is_rate && call.context.options.start_timestamps;
    call.windows.each(samples, |step, mut window| {
        if !starts {
            window.floats.starts = &[];
            window.histograms.starts = &[];
        }
        if let Some(cell) = change(call, is_rate, window, metric) {
            out.set_cell(step, cell);
        }
    });
}

enum Value<'a> {
    Float(f64),
    Histogram(&'a Histogram),
}

/// The last two samples of whatever kind.
fn last_two<'a>(window: &Window<'a>) -> Option<[(Stamp, Value<'a>); 2]> {
    let (floats, histograms) = (window.floats, window.histograms);
    let (mut float, mut histogram) = (floats.len(), histograms.len());
    let mut back = || {
        let float_is_last = match (float.checked_sub(1), histogram.checked_sub(1)) {
            (None, None) => return None,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(a), Some(b)) => floats.times[a] > histograms.times[b],
        };
        Some(if float_is_last {
            float -= 1;
            (floats.stamp(float), Value::Float(floats.values[float]))
        } else {
            histogram -= 1;
            (histograms.stamp(histogram), Value::Histogram(&histograms.values[histogram]))
        })
    };
    let last = back()?;
    Some([back()?, last])
}

fn change(call: &RangeCall<'_>, is_rate: bool, window: Window<'_>, metric: &str) -> Option<Cell> {
    let note = |annotation| call.context.annotate(annotation);
    let [(before, from), (after, to)] = last_two(&window)?;
    let distance_ms = after.time - before.time;
    if distance_ms == 0 {
        return None;
    }
    let seconds = distance_ms as f64 / 1000.0;
    match (from, to) {
        (Value::Float(from), Value::Float(to)) => {
            let anew = is_rate && (to < from || is_reset(before, after));
            let change = if anew { to } else { to - from };
            Some(Cell::Float(if is_rate { change / seconds } else { change }))
        }
        (Value::Histogram(from), Value::Histogram(to)) => {
            let gauges = [from, to].iter().filter(|value| value.reset_hint == ResetHint::Gauge).count();
            if is_rate && gauges > 0 {
                note(Annotation::not_a_counter(call.span, metric));
            }
            if !is_rate && gauges < 2 {
                note(Annotation::not_a_gauge(call.span, metric));
            }
            let mut change = to.clone();
            if !is_rate || (!is_reset(before, after) && !to.detect_reset(from)) {
                let Ok(joined) = change.sub(from) else {
                    note(Annotation::mixed_exponential_custom(call.span, metric));
                    return None;
                };
                if joined.bounds_reconciled {
                    note(Annotation::mismatched_bounds(call.span, HistogramOperation::Sub));
                }
            }
            change.reset_hint = ResetHint::Gauge;
            change.compact();
            if is_rate {
                change.div(seconds);
            }
            Some(Cell::Histogram(Arc::new(change)))
        }
        _ => {
            note(Annotation::mixed_floats_histograms(call.span, metric));
            None
        }
    }
}
