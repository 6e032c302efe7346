//! A line that rises and falls, of eight heights.

const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Numbers over a stretch of time in so many columns. A column shows the mean of what falls into it; one that nothing falls
/// into is empty. The least is lowest, the largest highest; infinities are as low and as high as it gets.
pub(super) fn line(numbers: &[(i64, f64)], from_ms: i64, to_ms: i64, columns: usize) -> String {
    let mut sums = vec![(0.0_f64, 0_u32, None::<f64>); columns];
    for &(time_ms, value) in numbers {
        let span = (to_ms - from_ms).max(1) as i128;
        let at = i128::from(time_ms - from_ms) * (columns as i128 - 1).max(0);
        // Rounded to the nearest, so that the first and the last time have columns of their own.
        let column = ((2 * at + span) / (2 * span)).clamp(0, columns as i128 - 1) as usize;
        let (sum, count, infinite) = &mut sums[column];
        if value.is_finite() {
            *sum += value;
            *count += 1;
        } else if !value.is_nan() {
            *infinite = Some(value);
        }
    }
    let means: Vec<Option<f64>> = sums
        .into_iter()
        .map(|(sum, count, infinite)| if count > 0 { Some(sum / f64::from(count)) } else { infinite })
        .collect();
    let finite = || means.iter().flatten().filter(|mean| mean.is_finite());
    let least = finite().copied().fold(f64::INFINITY, f64::min);
    let largest = finite().copied().fold(f64::NEG_INFINITY, f64::max);
    let height = |mean: f64| {
        if mean == f64::INFINITY {
            7
        } else if mean == f64::NEG_INFINITY {
            0
        } else if least >= largest {
            // What never changes is in the middle, but nothing is nothing.
            if mean == 0.0 { 0 } else { 3 }
        } else {
            (((mean - least) / (largest - least)) * 7.0).round() as usize
        }
    };
    means.into_iter().map(|mean| mean.map_or(' ', |mean| HEIGHTS[height(mean).min(7)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_rise_and_fall() {
        #[track_caller]
        fn check(numbers: &[f64], columns: usize, expect: &str) {
            let numbers: Vec<_> =
                numbers.iter().enumerate().map(|(at, value)| (at as i64 * 10, *value)).collect();
            let to = numbers.len() as i64 * 10 - 10;
            assert_eq!(line(&numbers, 0, to, columns), expect);
        }
        check(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 8, "▁▂▃▄▅▆▇█");
        check(&[1.0, 1.0, 1.0], 3, "▄▄▄");
        check(&[0.0, 0.0], 2, "▁▁");
        check(&[1.0, f64::NAN, 3.0], 3, "▁ █");
        check(&[1.0, f64::INFINITY, f64::NEG_INFINITY, 2.0], 4, "▁█▁█");
        check(&[1.0, 2.0], 4, "▁  █");
        check(&[0.0, 0.0, 4.0, 4.0], 2, "▁█");
        check(&[f64::INFINITY], 1, "█");
        check(&[f64::MIN, f64::MAX], 2, "▁▁");
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics_and_the_width_holds(
            numbers in proptest::collection::vec((-100_i64..200, proptest::num::f64::ANY), 0..40),
            columns in 1_usize..20,
        ) {
            proptest::prop_assert_eq!(line(&numbers, 0, 100, columns).chars().count(), columns);
        }
    }
}
