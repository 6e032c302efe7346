//! The samples of one series, in columns.

use std::sync::Arc;

use crate::histogram::Histogram;

/// The bits of the value that says "this series ended here" (Prometheus' staleness marker). Any other NaN is a value.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The staleness marker.
pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether a value is the staleness marker. A histogram is one where its sum is.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// Samples of one series, ascending by time, each time once.
///
/// `values` is as long as `times`. Where a sample is a histogram, `histograms` holds it under its index, ascending, and its
/// place in `values` holds the histogram's sum. `starts` is empty, or as long as `times`: when counting began for each
/// sample, 0 where it is not known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Points {
    /// Milliseconds since 1970.
    pub times: Vec<i64>,
    /// Values, sums where the sample is a histogram.
    pub values: Vec<f64>,
    /// Which samples are histograms.
    pub histograms: Vec<(u32, Arc<Histogram>)>,
    /// Start timestamps, milliseconds since 1970.
    pub starts: Vec<i64>,
}

impl Points {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Forgets all samples, keeps the memory.
    pub fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
        self.histograms.clear();
        self.starts.clear();
    }

    /// Adds a float; `start_ms` 0 where it is not known.
    pub fn push(&mut self, time_ms: i64, value: f64, start_ms: i64) {
        self.note_start(start_ms);
        self.times.push(time_ms);
        self.values.push(value);
    }

    /// Adds a histogram; `start_ms` 0 where it is not known.
    pub fn push_histogram(&mut self, time_ms: i64, histogram: Arc<Histogram>, start_ms: i64) {
        self.note_start(start_ms);
        let (at, sum) = (self.times.len() as u32, histogram.sum);
        self.histograms.push((at, histogram));
        self.times.push(time_ms);
        self.values.push(sum);
    }

    /// The histogram at `index`, where that sample is one.
    pub fn histogram(&self, index: usize) -> Option<&Arc<Histogram>> {
        if self.histograms.is_empty() {
            return None;
        }
        let found = self.histograms.binary_search_by_key(&(index as u32), |&(at, _)| at).ok()?;
        Some(&self.histograms[found].1)
    }

    /// When counting began for the sample at `index`, 0 where it is not known.
    pub fn start(&self, index: usize) -> i64 {
        self.starts.get(index).copied().unwrap_or(0)
    }

    fn note_start(&mut self, start_ms: i64) {
        if start_ms != 0 && self.starts.is_empty() {
            self.starts.resize(self.times.len(), 0);
        }
        if start_ms != 0 || !self.starts.is_empty() {
            self.starts.push(start_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_appear_with_the_first_that_is_known() {
        let mut points = Points::default();
        points.push(1, 1.0, 0);
        assert!(points.starts.is_empty());
        points.push(2, 2.0, 1);
        points.push(3, 3.0, 0);
        assert_eq!(points.starts, [0, 1, 0]);
        assert_eq!((points.start(1), points.start(9)), (1, 0));
    }

    #[test]
    fn only_one_nan_is_the_marker() {
        assert!(is_stale(stale_nan()));
        assert!(!is_stale(f64::NAN));
    }
}
