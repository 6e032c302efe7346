//! Medians and how far to trust them.

/// A median with the interval that holds it in 95 of 100 cases, by resampling the rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Median {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Median {
    /// Of at least one value.
    pub(crate) fn of(values: &[f64]) -> Self {
        let value = median(values.to_vec());
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut draw = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            values[(seed >> 16) as usize % values.len()]
        };
        let mut medians: Vec<_> =
            (0..2000).map(|_| median(values.iter().map(|_| draw()).collect())).collect();
        medians.sort_by(f64::total_cmp);
        Self { value, low: medians[50], high: medians[1949] }
    }
}

impl std::fmt::Display for Median {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} [{:.2}–{:.2}]", self.value, self.low, self.high)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_median() {
        let values: Vec<_> = (0..9).map(f64::from).collect();
        let median = Median::of(&values);
        assert!((median.value - 4.0).abs() < f64::EPSILON);
        assert!(median.low < 4.0 && median.low >= 1.0);
        assert!(median.high > 4.0 && median.high <= 7.0);
        assert!((Median::of(&[2.0, 4.0]).value - 3.0).abs() < f64::EPSILON);
    }
}
