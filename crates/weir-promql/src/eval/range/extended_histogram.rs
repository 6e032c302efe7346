//! As [`super::extended`], for native histograms.

use std::sync::Arc;

use weir_signal::{Histogram, MixedSchemas, ResetHint};

use super::RangeCall;
use super::extended::Ends;
use super::histogram_rate::{add, sub};
use super::rate::Kind;
use super::samples::View;
use super::window::seconds;
use crate::ast::{Extension, Span};
use crate::eval::annotation::{Annotation, HistogramOperation};
use crate::eval::column::Cell;
use crate::eval::context::Context;

/// The histogram at `time_ms` on the line between two samples (time, histogram). A counter that began anew between them
/// did so at zero.
pub(in crate::eval) fn interpolate(
    context: &Context<'_>,
    span: Span,
    before: (i64, &Histogram),
    after: (i64, &Histogram),
    time_ms: i64,
    is_counter: bool,
) -> Result<Histogram, MixedSchemas> {
    if time_ms == before.0 {
        return Ok(before.1.clone());
    }
    let mut value = after.1.clone();
    if time_ms == after.0 {
        return Ok(value);
    }
    let fraction = (time_ms - before.0) as f64 / (after.0 - before.0) as f64;
    if is_counter && after.1.detect_reset(before.1) {
        value.mul(fraction);
        return Ok(value);
    }
    let note = |reconciled: bool, operation| {
        if reconciled {
            context.annotate(Annotation::mismatched_bounds(span, operation));
        }
    };
    note(value.sub(before.1)?.bounds_reconciled, HistogramOperation::Sub);
    value.mul(fraction);
    note(value.add(before.1)?.bounds_reconciled, HistogramOperation::Add);
    Ok(value)
}

/// The histogram at `time_ms`, which lies after that at `next - 1` and before that at `next`, where there is one.
pub(in crate::eval) fn between(
    context: &Context<'_>,
    span: Span,
    metric: &str,
    samples: View<'_, Arc<Histogram>>,
    next: usize,
    time_ms: i64,
) -> Option<Cell> {
    let before = &samples.values[next - 1];
    let Some(after) = samples.values.get(next) else {
        // What it says about resets was about the one before.
        let mut value = Histogram::clone(before);
        value.reset_hint = ResetHint::Unknown;
        return Some(Cell::Histogram(Arc::new(value)));
    };
    let is_counter = before.reset_hint != ResetHint::Gauge || after.reset_hint != ResetHint::Gauge;
    let are_alike = before.uses_custom_buckets() == after.uses_custom_buckets();
    let (before, after) = ((samples.times[next - 1], &**before), (samples.times[next], &**after));
    let value = interpolate(context, span, before, after, time_ms, is_counter).ok().filter(|_| are_alike);
    if value.is_none() {
        context.annotate(Annotation::mixed_exponential_custom(span, metric));
    }
    Some(Cell::Histogram(Arc::new(value?)))
}

pub(super) fn rate(
    call: &RangeCall<'_>,
    kind: Kind,
    step: usize,
    samples: View<'_, Arc<Histogram>>,
    metric: &str,
) -> Option<Arc<Histogram>> {
    let smoothed = call.windows.extension == Some(Extension::Smoothed);
    let (start, end) = (call.windows.start(step), call.windows.end(step));
    let ends = Ends::of(samples.times, start, end, smoothed)?;
    let Ends { first, last } = ends;
    if !are_alike(call, kind, &samples.values[first..=last], metric) {
        return None;
    }
    let at = |at: usize| (samples.times[at], &*samples.values[at]);
    let line = |before: usize, time_ms: i64| {
        let found =
            interpolate(call.context, call.span, at(before), at(before + 1), time_ms, kind.is_counter);
        if found.is_err() {
            call.context.annotate(Annotation::mixed_exponential_custom(call.span, metric));
        }
        found.ok()
    };
    let left = if smoothed && samples.times[first] < start {
        line(first, start)?
    } else {
        Histogram::clone(&samples.values[first])
    };
    let right = if smoothed && last > 0 && samples.times[last] > end {
        line(last - 1, end)?
    } else {
        Histogram::clone(&samples.values[last])
    };
    if !kind.is_counter && (left.reset_hint != ResetHint::Gauge || right.reset_hint != ResetHint::Gauge) {
        call.context.annotate(Annotation::not_a_gauge(call.span, metric));
    }
    let mut change = right.clone();
    sub(call, &mut change, &left, metric)?;
    if kind.is_counter {
        let left_is_line = smoothed && samples.times[first] < start;
        let counted =
            counted_before_resets(call, samples.values, ends, (&left, &right), left_is_line, metric)?;
        if let Some(counted) = counted {
            add(call, &mut change, &counted, metric)?;
        }
    }
    if kind.is_rate {
        change.div(seconds(call.windows.range_ms));
    }
    change.reset_hint = ResetHint::Gauge;
    change.compact();
    Some(Arc::new(change))
}

/// Whether all have bounds of the same kind; what is no counter is remarked.
fn are_alike(call: &RangeCall<'_>, kind: Kind, values: &[Arc<Histogram>], metric: &str) -> bool {
    for value in values {
        if value.uses_custom_buckets() != values[0].uses_custom_buckets() {
            call.context.annotate(Annotation::mixed_exponential_custom(call.span, metric));
            return false;
        }
        if kind.is_counter && value.reset_hint == ResetHint::Gauge {
            call.context.annotate(Annotation::not_a_counter(call.span, metric));
        }
    }
    true
}

/// What was counted before counting began anew within a range; the outer `None` where histograms cannot be joined.
#[expect(clippy::option_option, reason = "nothing was counted, or it cannot be said")]
fn counted_before_resets(
    call: &RangeCall<'_>,
    values: &[Arc<Histogram>],
    ends: Ends,
    (left, right): (&Histogram, &Histogram),
    left_is_line: bool,
    metric: &str,
) -> Option<Option<Histogram>> {
    // The samples at the ends are stood for by `left` and `right`; the last would otherwise be compared with itself.
    let mut from = ends.first + 1;
    let mut previous = left;
    if left_is_line && values[from].detect_reset(&values[ends.first]) {
        // The line to the left end took this reset into account.
        previous = &values[from];
        from += 1;
    }
    if from > ends.last {
        return Some(None);
    }
    let mut counted: Option<Histogram> = None;
    let between = values[from..ends.last].iter().map(|value| &**value);
    for value in between.chain([right]) {
        if value.detect_reset(previous) {
            match &mut counted {
                None => counted = Some(previous.clone()),
                Some(counted) => add(call, counted, previous, metric)?,
            }
        }
        previous = value;
    }
    Some(counted)
}
