//! `deriv`, `predict_linear`, `double_exponential_smoothing`.

use super::RangeCall;
use super::samples::{Samples, View};
use crate::eval::annotation::Annotation;
use crate::eval::column::Column;
use crate::eval::error::EvalError;
use crate::eval::number::kahan_add;
use crate::functions::FunctionId;

/// Calls `of` with every window that has at least two floats. Histograms do not count, which is remarked.
fn each_pair(
    call: &RangeCall<'_>,
    samples: &Samples,
    metric: &str,
    out: &mut Column,
    of: impl Fn(usize, View<'_, f64>) -> f64,
) {
    call.windows.each(samples, |step, window| {
        if window.is_mixed() {
            call.context.annotate(Annotation::histogram_ignored_in_mixed_range(call.span, metric));
        }
        if window.floats.len() >= 2 {
            out.set(step, of(step, window.floats));
        }
    });
}

pub(super) fn linear(call: &RangeCall<'_>, samples: &Samples, metric: &str, out: &mut Column) {
    let predicts = call.function == FunctionId::PredictLinear;
    each_pair(call, samples, metric, out, |step, floats| {
        if !predicts {
            return regression(floats, floats.times[0]).0;
        }
        let (slope, intercept) = regression(floats, call.windows.grid.time(step));
        slope * call.params[0].at(step) + intercept
    });
}

/// The line of least squares: its slope per second, and its value at `origin_ms`.
fn regression(floats: View<'_, f64>, origin_ms: i64) -> (f64, f64) {
    let first = floats.values[0];
    if floats.values.iter().all(|&value| value == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let n = floats.len() as f64;
    let [mut x, mut y, mut xy, mut xx] = [(0.0, 0.0); 4];
    for (&time, &value) in floats.times.iter().zip(floats.values) {
        let at = (time - origin_ms) as f64 / 1e3;
        x = kahan_add(at, x.0, x.1);
        y = kahan_add(value, y.0, y.1);
        xy = kahan_add(at * value, xy.0, xy.1);
        xx = kahan_add(at * at, xx.0, xx.1);
    }
    let [x, y, xy, xx] = [x, y, xy, xx].map(|(sum, lost)| sum + lost);
    let covariance = xy - x * y / n;
    let variance = xx - x * x / n;
    let slope = covariance / variance;
    (slope, y / n - slope * x / n)
}

/// Both factors have to lie between 0 and 1, wherever there are samples.
pub(super) fn check_factors(call: &RangeCall<'_>) -> Result<(), EvalError> {
    for step in 0..call.windows.grid.len() {
        for (at, word) in ["smoothing", "trend"].into_iter().enumerate() {
            let factor = call.params[at].at(step);
            if factor <= 0.0 || factor >= 1.0 {
                let symbol = &word[..1];
                return Err(EvalError::query(format!(
                    "invalid {word} factor. Expected: 0 < {symbol}f < 1, got: {factor:.6}"
                )));
            }
        }
    }
    Ok(())
}

pub(super) fn double_exponential(call: &RangeCall<'_>, samples: &Samples, metric: &str, out: &mut Column) {
    each_pair(call, samples, metric, out, |step, floats| {
        smooth(floats.values, call.params[0].at(step), call.params[1].at(step))
    });
}

fn smooth(values: &[f64], smoothing: f64, trend: f64) -> f64 {
    let (mut before, mut smooth) = (0.0, values[0]);
    let mut slope = values[1] - values[0];
    for (at, &value) in values.iter().enumerate().skip(1) {
        if at > 1 {
            slope = trend * (smooth - before) + (1.0 - trend) * slope;
        }
        let next = smoothing * value + (1.0 - smoothing) * (smooth + slope);
        (before, smooth) = (smooth, next);
    }
    smooth
}
