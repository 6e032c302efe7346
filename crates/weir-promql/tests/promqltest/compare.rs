//! Answers and expectations.

use weir_promql::SequenceValue;
use weir_promql::eval::{Answer, Cell, Series, Value};
use weir_signal::{Buckets, Histogram, is_stale};

use crate::script::{Eval, Expected, Remarks};

/// How far numbers may lie apart, relative to their sum.
const TOLERANCE: f64 = 1e-6;

/// Whether warnings and infos are those expected.
///
/// # Errors
/// How they are not.
pub(crate) fn check_remarks(eval: &Eval, answer: &Answer) -> Result<(), String> {
    let check = |kind: &str, expected: &Remarks, found: &[String]| {
        if expected.none && !found.is_empty() {
            return Err(format!("no {kind} expected, found {found:?}"));
        }
        if expected.some && found.is_empty() {
            return Err(format!("{kind} expected, found none"));
        }
        if let Some(missing) = expected.all.iter().find(|text| !found.iter().any(|found| text.fits(found))) {
            return Err(format!("{kind} {missing} expected, found {found:?}"));
        }
        match found.iter().find(|found| !expected.all.iter().any(|text| text.fits(found))) {
            Some(other) if !expected.all.is_empty() => Err(format!("{kind} {other:?} not expected")),
            _ => Ok(()),
        }
    };
    check("warning", &eval.warnings, &answer.warnings)?;
    check("info", &eval.infos, &answer.infos)
}

/// Whether a value is the expected one.
///
/// # Errors
/// How it is not.
pub(crate) fn check_value(eval: &Eval, value: &Value) -> Result<(), String> {
    match (value, &eval.expected) {
        (Value::Scalar(found), Expected::Scalar(expected)) if almost_equal(*found, *expected) => Ok(()),
        (Value::String(found), Expected::String(expected)) if found == expected => Ok(()),
        (Value::Scalar(found), Expected::Scalar(expected)) => Err(format!("{found}, expected {expected}")),
        (Value::String(found), Expected::String(expected)) => {
            Err(format!("{found:?}, expected {expected:?}"))
        }
        (Value::Vector(found), Expected::Series(expected)) => {
            for (place, sample) in found.iter().enumerate() {
                let position = expected.iter().position(|(labels, _)| *labels == sample.labels);
                let Some(position) = position else {
                    return Err(format!("{} {} not expected", sample.labels, show(&sample.value)));
                };
                if eval.ordered && position != place {
                    return Err(format!("{} at place {place}, expected at {position}", sample.labels));
                }
                check_sample(&sample.value, &expected[position].1[0])
                    .map_err(|error| format!("{}: {error}", sample.labels))?;
            }
            let missing =
                expected.iter().find(|(labels, _)| !found.iter().any(|sample| sample.labels == *labels));
            missing.map_or(Ok(()), |(labels, _)| Err(format!("{labels} is missing")))
        }
        (Value::Matrix(found), Expected::Series(expected)) if !eval.ordered => {
            check_order(found)?;
            for series in found {
                let Some((_, values)) = expected.iter().find(|(labels, _)| *labels == series.labels) else {
                    return Err(format!("{} {} not expected", series.labels, show_points(series)));
                };
                check_points(eval, series, values)?;
            }
            let missing =
                expected.iter().find(|(labels, _)| !found.iter().any(|series| series.labels == *labels));
            missing.map_or(Ok(()), |(labels, _)| Err(format!("{labels} is missing")))
        }
        (Value::Scalar(found), _) => Err(format!("a scalar {found} not expected")),
        (Value::String(found), _) => Err(format!("a string {found:?} not expected")),
        (Value::Vector(_), _) => Err("a vector not expected".to_owned()),
        (Value::Matrix(_), _) => Err("a matrix not expected".to_owned()),
    }
}

/// Whether series ascend by labels.
///
/// # Errors
/// Which one does not.
pub(crate) fn check_order(matrix: &[Series]) -> Result<(), String> {
    match matrix.windows(2).find(|pair| pair[0].labels > pair[1].labels) {
        Some(pair) => Err(format!("{} stands in front of {}", pair[0].labels, pair[1].labels)),
        None => Ok(()),
    }
}

fn check_points(eval: &Eval, series: &Series, values: &[SequenceValue]) -> Result<(), String> {
    let wrong = |error: String| {
        format!(
            "{}: {error} (found {}, expected {})",
            series.labels,
            show_points(series),
            show_sequence(values)
        )
    };
    let expected: Vec<_> = values.iter().enumerate().filter(|(_, value)| !value.omitted).collect();
    if expected.len() != series.points.len() {
        return Err(wrong(format!("{} samples, expected {}", series.points.len(), expected.len())));
    }
    for (i, (step, value)) in expected.into_iter().enumerate() {
        let time_ms = eval.start_ms + step as i64 * eval.step_ms;
        if series.points.times[i] != time_ms {
            return Err(wrong(format!("sample at {} ms, expected at {time_ms}", series.points.times[i])));
        }
        check_sample(&cell(series, i), value).map_err(|error| wrong(format!("at {time_ms} ms: {error}")))?;
    }
    Ok(())
}

fn check_sample(found: &Cell, expected: &SequenceValue) -> Result<(), String> {
    let fits = match (found, &expected.histogram) {
        (Cell::Float(found), None) => almost_equal(*found, expected.value),
        (Cell::Histogram(found), Some(histogram)) => same(histogram, found, expected.reset_hint_set),
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("{}, expected {}", show(found), show_expected(expected))) }
}

fn same(expected: &Histogram, found: &Histogram, with_hint: bool) -> bool {
    let (mut a, mut b) = (expected.clone(), found.clone());
    a.compact();
    b.compact();
    let buckets = |a: &Buckets, b: &Buckets| {
        a.runs == b.runs
            && a.counts.len() == b.counts.len()
            && a.counts.iter().zip(&b.counts).all(|(&a, &b)| almost_equal(a, b))
    };
    a.schema == b.schema
        && almost_equal(a.count, b.count)
        && almost_equal(a.sum, b.sum)
        && a.zero_threshold == b.zero_threshold
        && almost_equal(a.zero_count, b.zero_count)
        && a.custom_bounds == b.custom_bounds
        && buckets(&a.positive, &b.positive)
        && buckets(&a.negative, &b.negative)
        && (!with_hint || a.reset_hint == b.reset_hint)
}

/// Whether two numbers differ by less than their sum times [`TOLERANCE`]; NaNs are equal, the staleness marker only to itself.
fn almost_equal(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

fn cell(series: &Series, i: usize) -> Cell {
    match series.points.histogram(i) {
        Some(histogram) => Cell::Histogram(histogram.clone()),
        None => Cell::Float(series.points.values[i]),
    }
}

fn show(cell: &Cell) -> String {
    match cell {
        Cell::Float(value) => value.to_string(),
        Cell::Histogram(histogram) => show_histogram(histogram),
    }
}

fn show_expected(value: &SequenceValue) -> String {
    match &value.histogram {
        _ if value.omitted => "_".to_owned(),
        Some(histogram) => show_histogram(histogram),
        None => value.value.to_string(),
    }
}

fn show_histogram(histogram: &Histogram) -> String {
    let Histogram { schema, zero_threshold, custom_bounds, reset_hint, .. } = histogram;
    format!("{histogram} (schema {schema}, zero {zero_threshold}, bounds {custom_bounds:?}, {reset_hint:?})")
}

fn show_points(series: &Series) -> String {
    let points = &series.points;
    let all: Vec<_> =
        (0..points.len()).map(|i| format!("{}@{}", show(&cell(series, i)), points.times[i])).collect();
    all.join(" ")
}

fn show_sequence(values: &[SequenceValue]) -> String {
    values.iter().map(show_expected).collect::<Vec<_>>().join(" ")
}
