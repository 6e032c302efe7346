//! The change of native histograms over a range.

use std::sync::Arc;

use weir_signal::{Histogram, ResetHint};

use super::RangeCall;
use super::rate::Kind;
use super::samples::View;
use super::start::{is_reset, overlaps};
use crate::eval::annotation::{Annotation, HistogramOperation};

/// The last of several histograms minus the first, with what they had counted before they began anew. `None` where they
/// cannot be joined, which is remarked.
pub(super) fn change(
    call: &RangeCall<'_>,
    kind: Kind,
    samples: View<'_, Arc<Histogram>>,
    metric: &str,
) -> Option<Histogram> {
    let note = |annotation| call.context.annotate(annotation);
    let mixed = || {
        note(Annotation::mixed_exponential_custom(call.span, metric));
        None
    };
    let values = samples.values;
    let (first, second, last) = (&values[0], &values[1], &values[values.len() - 1]);
    if kind.is_counter && [first, last].iter().any(|value| value.reset_hint == ResetHint::Gauge) {
        note(Annotation::not_a_counter(call.span, metric));
    }
    // Where counting begins anew with the second, the first does not matter, not even how its buckets lie.
    let mut nothing = None;
    if kind.is_counter && (is_reset(samples.stamp(0), samples.stamp(1)) || second.detect_reset(first)) {
        nothing = Some(Arc::new(Histogram {
            schema: second.schema,
            custom_bounds: second.custom_bounds.clone(),
            ..Histogram::default()
        }));
    }
    let first = nothing.as_ref().unwrap_or(first);
    let is_custom = first.uses_custom_buckets();
    if last.uses_custom_buckets() != is_custom {
        return mixed();
    }
    let mut schema = last.schema.min(first.schema);
    if kind.is_counter {
        for value in &values[1..values.len() - 1] {
            if value.reset_hint == ResetHint::Gauge {
                note(Annotation::not_a_counter(call.span, metric));
            }
            schema = schema.min(value.schema);
            if value.uses_custom_buckets() != is_custom {
                return mixed();
            }
        }
    }
    let mut change = last.to_schema(schema);
    match change.sub(first) {
        Err(_) => return mixed(),
        Ok(joined) if joined.bounds_reconciled => {
            note(Annotation::mismatched_bounds(call.span, HistogramOperation::Sub));
        }
        Ok(_) => {}
    }
    if kind.is_counter {
        let (mut previous, mut overlap_seen) = (first, false);
        for (at, value) in values.iter().enumerate().skip(1) {
            let stamps = (samples.stamp(at - 1), samples.stamp(at));
            if !overlap_seen && overlaps(stamps.0, stamps.1) {
                note(Annotation::start_overlap(call.span, metric));
                overlap_seen = true;
            }
            if is_reset(stamps.0, stamps.1) || value.detect_reset(previous) {
                add(call, &mut change, previous, metric)?;
            }
            previous = value;
        }
    } else if values[0].reset_hint != ResetHint::Gauge || last.reset_hint != ResetHint::Gauge {
        note(Annotation::not_a_gauge(call.span, metric));
    }
    change.reset_hint = ResetHint::Gauge;
    change.compact();
    Some(change)
}

/// Adds a histogram. `None` where they cannot be joined, which is remarked.
pub(super) fn add(call: &RangeCall<'_>, sum: &mut Histogram, other: &Histogram, metric: &str) -> Option<()> {
    join(call, sum.add(other), HistogramOperation::Add, metric)
}

/// Subtracts a histogram. `None` where they cannot be joined, which is remarked.
pub(super) fn sub(
    call: &RangeCall<'_>,
    difference: &mut Histogram,
    other: &Histogram,
    metric: &str,
) -> Option<()> {
    join(call, difference.sub(other), HistogramOperation::Sub, metric)
}

fn join(
    call: &RangeCall<'_>,
    joined: Result<weir_signal::Joined, weir_signal::MixedSchemas>,
    operation: HistogramOperation,
    metric: &str,
) -> Option<()> {
    match joined {
        Err(_) => {
            call.context.annotate(Annotation::mixed_exponential_custom(call.span, metric));
            return None;
        }
        Ok(joined) if joined.bounds_reconciled => {
            call.context.annotate(Annotation::mismatched_bounds(call.span, operation));
        }
        Ok(_) => {}
    }
    Some(())
}
