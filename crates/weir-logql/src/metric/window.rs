//! What is made of the numbers in a window.

use crate::ast::RangeOp;

/// A number and its time, in nanoseconds since 1970.
pub(super) type Sample = (i64, f64);

/// The value of a window that has numbers. `end_ns` is its end, `range_ns` its length.
pub(super) fn value(op: RangeOp, quantile: f64, samples: &[Sample], end_ns: i64, range_ns: i64) -> f64 {
    let values = || samples.iter().map(|&(_, value)| value);
    let seconds = range_ns as f64 / 1e9;
    match op {
        RangeOp::Count => samples.len() as f64,
        RangeOp::Absent => 1.0,
        RangeOp::Sum | RangeOp::Bytes => values().sum(),
        RangeOp::Rate | RangeOp::BytesRate => values().sum::<f64>() / seconds,
        RangeOp::RateCounter => counter_rate(samples, end_ns, range_ns),
        RangeOp::Avg => average(values()),
        RangeOp::Min => extreme(values(), |found, least| found < least),
        RangeOp::Max => extreme(values(), |found, most| found > most),
        RangeOp::Stdvar => variance(values()),
        RangeOp::Stddev => variance(values()).sqrt(),
        RangeOp::Quantile => quantile_of(quantile, values().collect()),
        RangeOp::First => samples.first().map_or(f64::NAN, |sample| sample.1),
        RangeOp::Last => samples.last().map_or(f64::NAN, |sample| sample.1),
    }
}

/// The mean, without a sum that could be infinite.
fn average(values: impl Iterator<Item = f64>) -> f64 {
    let (mut mean, mut count) = (0.0_f64, 0.0);
    for value in values {
        count += 1.0;
        let stays = mean.is_infinite()
            && if value.is_infinite() { (mean > 0.0) == (value > 0.0) } else { !value.is_nan() };
        if !stays {
            mean += value / count - mean / count;
        }
    }
    mean
}

fn extreme(values: impl Iterator<Item = f64>, beats: fn(f64, f64) -> bool) -> f64 {
    values.fold(f64::NAN, |best, value| if best.is_nan() || beats(value, best) { value } else { best })
}

/// By Welford's method: <https://en.wikipedia.org/wiki/Algorithms_for_calculating_variance>.
fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut mean, mut count) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        sum += delta * (value - mean);
    }
    sum / count
}

/// The value that so many lie below, on the line between the two around it. NaN is below all.
fn quantile_of(quantile: f64, mut values: Vec<f64>) -> f64 {
    if quantile < 0.0 {
        return f64::NEG_INFINITY;
    }
    if quantile > 1.0 {
        return f64::INFINITY;
    }
    let below = |value: &f64| !value.is_nan();
    values.sort_unstable_by(|a, b| below(a).cmp(&below(b)).then(a.total_cmp(b)));
    let rank = quantile * (values.len() as f64 - 1.0);
    let lower = rank.floor().max(0.0);
    let upper = (lower + 1.0).min(values.len() as f64 - 1.0);
    let weight = rank - rank.floor();
    let at = |place: f64| values.get(place as usize).copied().unwrap_or(f64::NAN);
    at(lower) * (1.0 - weight) + at(upper) * weight
}

/// How much a counter grows per second, resets added back: from the first number to the last, and on from both towards the
/// window's ends as far as numbers are expected there, but never below zero.
fn counter_rate(samples: &[Sample], end_ns: i64, range_ns: i64) -> f64 {
    let ([first, .., last], Some(gaps)) = (samples, samples.len().checked_sub(1)) else { return 0.0 };
    let mut grown = last.1 - first.1;
    let mut before = 0.0;
    for &(_, value) in samples {
        if value < before {
            grown += before;
        }
        before = value;
    }
    let seconds = |from: i64, to: i64| to.saturating_sub(from) as f64 / 1e9;
    let mut to_start = seconds(end_ns.saturating_sub(range_ns), first.0);
    let mut to_end = seconds(last.0, end_ns);
    let sampled = seconds(first.0, last.0);
    let gap = sampled / gaps as f64;
    let near = gap * 1.1;
    if to_start >= near {
        to_start = gap / 2.0;
    }
    if grown > 0.0 && first.1 >= 0.0 {
        to_start = to_start.min(sampled * (first.1 / grown));
    }
    if to_end >= near {
        to_end = gap / 2.0;
    }
    grown * ((sampled + to_start + to_end) / sampled) / (range_ns as f64 / 1e9)
}
