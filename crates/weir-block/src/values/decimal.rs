//! Floats that are decimal fractions: whole numbers divided by a power of ten.
//!
//! Most of what programs print are such: counts, bytes, seconds with a few digits. Dividing a whole number of at most 53
//! bits by 10^0 to 10^22 is exact up to one rounding, as reading the decimal text is, and so gives the same bits.

/// The most digits behind the point.
pub(super) const SCALE_MAX: u8 = 15;

const POWERS: [f64; SCALE_MAX as usize + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// Values that are looked at before all are.
const PROBES: usize = 8;
const WHOLE_MAX: f64 = (1_u64 << 53) as f64;

/// The float of a whole number.
#[inline]
pub(super) fn power(scale: u8) -> f64 {
    POWERS[usize::from(scale.min(SCALE_MAX))]
}

/// The whole number of which `value` is the `10^scale`-th part, to the bit.
#[inline]
fn exact(value: f64, scale: u8) -> Option<i64> {
    if scale == 0 {
        let whole = value as i64;
        return ((whole as f64).to_bits() == value.to_bits()).then_some(whole);
    }
    let power = POWERS[usize::from(scale)];
    let scaled = value * power;
    if scaled.abs() >= WHOLE_MAX {
        return None;
    }
    let whole = (scaled + 0.5_f64.copysign(scaled)) as i64;
    ((whole as f64 / power).to_bits() == value.to_bits()).then_some(whole)
}

/// The fewest digits from `scale` on with which `value` is a decimal fraction.
fn digits(value: f64, scale: u8) -> Option<u8> {
    (scale..=SCALE_MAX).find(|&scale| exact(value, scale).is_some())
}

/// Takes values as whole numbers: `numbers` of a scale, and those that are none in `exceptions`, by index with their bits.
/// The number of an exception is that before it.
///
/// `None` where so many are none that another codec is shorter.
pub(super) fn scale(values: &[f64], numbers: &mut Vec<i64>, exceptions: &mut Vec<(u32, u64)>) -> Option<u8> {
    let mut scale = 0;
    let (mut probed, mut failed) = (0, 0);
    for &value in values.iter().step_by(values.len().div_ceil(PROBES).max(1)) {
        probed += 1;
        match digits(value, scale) {
            Some(digits) => scale = digits,
            None => failed += 1,
        }
    }
    if failed * 2 > probed {
        return None;
    }
    let exceptions_max = values.len() / 32 + 1;
    'again: loop {
        numbers.clear();
        exceptions.clear();
        let mut last = 0;
        for (index, &value) in values.iter().enumerate() {
            if let Some(number) = exact(value, scale) {
                last = number;
            } else {
                if let Some(more) = digits(value, scale + 1) {
                    scale = more;
                    continue 'again;
                }
                if exceptions.len() == exceptions_max {
                    return None;
                }
                exceptions.push((index as u32, value.to_bits()));
            }
            numbers.push(last);
        }
        return Some(scale);
    }
}

/// Appends the floats of whole numbers.
pub(super) fn floats(numbers: &[i64], scale: u8, values: &mut Vec<f64>) {
    if scale == 0 {
        values.extend(numbers.iter().map(|&number| number as f64));
    } else {
        let power = power(scale);
        values.extend(numbers.iter().map(|&number| number as f64 / power));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_whole_numbers_of_a_scale() {
        let check = |values: &[f64], expect: Option<(u8, usize)>| {
            let (mut numbers, mut exceptions) = (Vec::new(), Vec::new());
            let found = scale(values, &mut numbers, &mut exceptions);
            assert_eq!(found.map(|scale| (scale, exceptions.len())), expect, "{values:?}");
            if let Some(scale) = found {
                let mut floats_again = Vec::new();
                floats(&numbers, scale, &mut floats_again);
                for (index, bits) in exceptions {
                    floats_again[index as usize] = f64::from_bits(bits);
                }
                let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&floats_again), bits(values));
            }
        };
        check(&[1.0, 2.0, -3.0], Some((0, 0)));
        check(&[0.5, 12.25, 1e6], Some((2, 0)));
        check(&[1.0, f64::NAN, 2.5], Some((1, 1)));
        check(&[1e300, 2e300, 3.0], None);
        check(&[9_007_199_254_740_994.0, 1e18], Some((0, 0)));
        check(&[-0.0, 1.0, 2.0], Some((0, 1)));
        check(&[0.000_000_123, 12.5], Some((9, 0)));
        check(&[1.0 / 3.0, 2e10 / 3.0, 0.1 + 0.2], None);
    }
}
