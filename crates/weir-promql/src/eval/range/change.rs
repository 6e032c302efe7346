//! `changes`, `resets`: how often something happened between neighbouring samples.

use std::sync::Arc;

use weir_signal::Histogram;

use super::RangeCall;
use super::samples::Samples;
use super::start::{Stamp, is_reset};
use super::window::Window;
use crate::ast::Extension;
use crate::eval::column::Column;

pub(super) fn changes(call: &RangeCall<'_>, samples: &Samples, _: &str, out: &mut Column) {
    count(call, samples, out, |(_, before), (_, after)| match (before, after) {
        (Value::Float(before), Value::Float(after)) => {
            before != after && !(before.is_nan() && after.is_nan())
        }
        (Value::Histogram(before), Value::Histogram(after)) => !after.same_as(before),
        _ => true,
    });
}

pub(super) fn resets(call: &RangeCall<'_>, samples: &Samples, _: &str, out: &mut Column) {
    let starts = call.context.options.start_timestamps;
    count(call, samples, out, |(then, before), (now, after)| {
        let anew = starts && is_reset(then, now);
        match (before, after) {
            (Value::Float(before), Value::Float(after)) => after < before || anew,
            (Value::Histogram(before), Value::Histogram(after)) => anew || after.detect_reset(before),
            _ => true,
        }
    });
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Float(f64),
    Histogram(&'a Arc<Histogram>),
}

type Sample<'a> = (Stamp, Value<'a>);

/// Counts the neighbours for which `happened` says so.
fn count(
    call: &RangeCall<'_>,
    samples: &Samples,
    out: &mut Column,
    happened: impl for<'a> Fn(Sample<'a>, Sample<'a>) -> bool,
) {
    call.windows.each(samples, |step, window| {
        let Some(window) = anchored(call, step, window) else { return };
        let Window { floats, histograms } = window;
        let (mut float, mut histogram) = (0, 0);
        let mut previous: Option<Sample<'_>> = None;
        let mut counted = 0_u64;
        while float < floats.len() || histogram < histograms.len() {
            let is_float = match (floats.times.get(float), histograms.times.get(histogram)) {
                (Some(a), Some(b)) => a < b,
                (a, _) => a.is_some(),
            };
            let current = if is_float {
                float += 1;
                (floats.stamp(float - 1), Value::Float(floats.values[float - 1]))
            } else {
                histogram += 1;
                (histograms.stamp(histogram - 1), Value::Histogram(&histograms.values[histogram - 1]))
            };
            counted += u64::from(previous.is_some_and(|previous| happened(previous, current)));
            previous = Some(current);
        }
        out.set(step, counted as f64);
    });
}

/// Where the range is anchored, its samples with the newest one at or before its start. `None` where it has none itself.
fn anchored<'a>(call: &RangeCall<'_>, step: usize, window: Window<'a>) -> Option<Window<'a>> {
    if call.windows.extension != Some(Extension::Anchored) {
        return Some(window);
    }
    let Window { floats, histograms } = window;
    let start = call.windows.start(step);
    let before = |times: &[i64]| times.partition_point(|&time| time <= start);
    let (float, histogram) = (before(floats.times), before(histograms.times));
    if float == floats.len() && histogram == histograms.len() {
        return None;
    }
    let time = |times: &[i64], next: usize| next.checked_sub(1).map(|last| times[last]);
    let (last_float, last_histogram) = (time(floats.times, float), time(histograms.times, histogram));
    let (from_float, from_histogram) = match (last_float, last_histogram) {
        (None, None) => (0, 0),
        (a, b) if a >= b => (float - 1, histogram),
        _ => (float, histogram - 1),
    };
    Some(Window {
        floats: floats.slice(from_float..floats.len()),
        histograms: histograms.slice(from_histogram..histograms.len()),
    })
}
