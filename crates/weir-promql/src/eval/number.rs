//! Floats as Prometheus adds, compares and writes them.

/// Adds `value` to a sum with compensation for what rounding loses (Kahan, as Neumaier improved it).
///
/// Answers are compared with Prometheus' to the last bit, so the order of operations is part of the promise.
#[inline]
pub(super) fn kahan_add(value: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + value;
    let lost = if sum.abs() >= value.abs() { (sum - total) + value } else { (value - total) + sum };
    (total, if total.is_infinite() { 0.0 } else { compensation + lost })
}

/// The larger one: NaN where one of them is, unless the other is +Inf.
pub(super) fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

/// The smaller one: NaN where one of them is, unless the other is -Inf.
pub(super) fn min(a: f64, b: f64) -> f64 {
    -max(-a, -b)
}

/// Whether both are the same within a relative tolerance, as Prometheus compares the counts of buckets.
pub(super) fn almost_equal(a: f64, b: f64, epsilon: f64) -> bool {
    if a.is_nan() || b.is_nan() {
        return a.is_nan() && b.is_nan();
    }
    if a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < epsilon * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < epsilon
}

/// In decimal, without an exponent, as few digits as tell it from its neighbours.
pub(super) fn decimal(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value if value.is_nan() => "NaN".to_owned(),
        value => value.to_string(),
    }
}

/// In at most `digits` digits, with an exponent below 1e-4 and where the digits do not reach the point (`%.2g`).
pub(super) fn rounded(value: f64, digits: usize) -> String {
    if !value.is_finite() || value == 0.0 {
        return decimal(value);
    }
    let scientific = format!("{value:.*e}", digits.max(1) - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mantissa =
        if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    if exponent >= -4 && exponent < digits as i32 {
        let significant = mantissa.bytes().filter(u8::is_ascii_digit).count() as i32;
        let places = (significant - 1 - exponent).max(0) as usize;
        return format!("{value:.places$}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_written_as_in_go() {
        for (value, expect) in [(1.25, "1.2"), (100.0, "1e+02"), (0.5, "0.5"), (12.0, "12"), (2.0, "2")] {
            assert_eq!(rounded(value, 2), expect);
        }
        assert_eq!(decimal(1e21), "1000000000000000000000");
    }

    #[test]
    fn compensation_keeps_what_rounding_loses() {
        let (mut sum, mut lost) = (0.0, 0.0);
        for value in [1.0, 1e100, 1.0, -1e100] {
            (sum, lost) = kahan_add(value, sum, lost);
        }
        assert_eq!(sum + lost, 2.0);
    }
}
