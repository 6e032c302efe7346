//! The change over a range whose ends are known: `anchored` by the sample before, `smoothed` by those around.

use super::RangeCall;
use super::rate::Kind;
use super::samples::View;
use super::window::seconds;
use crate::ast::Extension;

/// The value at `time_ms` on the line between two samples (time, value). A counter that fell between them began anew at
/// zero.
pub(in crate::eval) fn interpolate(
    before: (i64, f64),
    after: (i64, f64),
    time_ms: i64,
    is_counter: bool,
) -> f64 {
    let from = if is_counter && after.1 < before.1 { 0.0 } else { before.1 };
    from + (after.1 - from) * (time_ms - before.0) as f64 / (after.0 - before.0) as f64
}

/// The samples that count for a range: the last one at or before its start (else the first one at all), and the last one
/// within it; where it is smoothed, the first one at or after its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub first: usize,
    pub last: usize,
}

impl Ends {
    /// `None` where no sample lies within the range.
    pub(super) fn of(times: &[i64], start: i64, end: i64, smoothed: bool) -> Option<Self> {
        let mut last = times.len().checked_sub(1)?;
        let first = times[..last].partition_point(|&time| time <= start).saturating_sub(1);
        if smoothed {
            last = times[..last].partition_point(|&time| time < end);
        }
        let outside = times[last] <= start || (smoothed && times[first] > end);
        (!outside).then_some(Self { first, last })
    }
}

/// The values at both ends of a range.
fn at_ends(
    samples: View<'_, f64>,
    ends: Ends,
    (start, end): (i64, i64),
    smoothed: bool,
    is_counter: bool,
) -> (f64, f64) {
    let sample = |at: usize| (samples.times[at], samples.values[at]);
    let Ends { first, last } = ends;
    let left = if smoothed && samples.times[first] < start {
        interpolate(sample(first), sample(first + 1), start, is_counter)
    } else {
        samples.values[first]
    };
    let right = if smoothed && last > 0 && samples.times[last] > end {
        interpolate(sample(last - 1), sample(last), end, is_counter)
    } else {
        samples.values[last]
    };
    (left, right)
}

/// The samples that lie strictly between both ends of a range.
fn inside(samples: View<'_, f64>, ends: Ends, (start, end): (i64, i64)) -> View<'_, f64> {
    let from = ends.first + usize::from(samples.times[ends.first] <= start);
    let to = ends.last + usize::from(samples.times[ends.last] < end);
    samples.slice(from..to.max(from))
}

pub(super) fn rate(call: &RangeCall<'_>, kind: Kind, step: usize, samples: View<'_, f64>) -> Option<f64> {
    let smoothed = call.windows.extension == Some(Extension::Smoothed);
    let range = (call.windows.start(step), call.windows.end(step));
    let ends = Ends::of(samples.times, range.0, range.1, smoothed)?;
    let (left, right) = at_ends(samples, ends, range, smoothed, kind.is_counter);
    let mut change = right - left;
    if kind.is_counter {
        change += counted_before_resets(left, right, inside(samples, ends, range).values);
    }
    if kind.is_rate {
        change /= seconds(call.windows.range_ms);
    }
    Some(change)
}

fn counted_before_resets(left: f64, right: f64, between: &[f64]) -> f64 {
    let (mut counted, mut previous) = (0.0, left);
    for &value in between.iter().chain([&right]) {
        if value < previous {
            counted += previous;
        }
        previous = value;
    }
    counted
}

/// The samples of a range with its ends put in: what an extended selector is by itself.
pub(in crate::eval) fn extend(
    samples: View<'_, f64>,
    range: (i64, i64),
    smoothed: bool,
) -> (Vec<i64>, Vec<f64>) {
    let (mut times, mut values) = (Vec::new(), Vec::new());
    // Here a range that the samples only surround counts as well.
    let Some(mut last) = samples.times.len().checked_sub(1) else { return (times, values) };
    let first = samples.times[..last].partition_point(|&time| time <= range.0).saturating_sub(1);
    if smoothed {
        last = samples.times[..last].partition_point(|&time| time < range.1);
    }
    if samples.times[last] <= range.0 {
        return (times, values);
    }
    let ends = Ends { first, last };
    let (left, right) = at_ends(samples, ends, range, smoothed, false);
    let between = inside(samples, ends, range);
    times.push(range.0);
    values.push(left);
    times.extend_from_slice(between.times);
    values.extend_from_slice(between.values);
    times.push(range.1);
    values.push(right);
    (times, values)
}
