//! Samples of one series from several places become one run: of one time, the later place wins.

use std::sync::Arc;

use weir_block::Watch;
use weir_block::series::{Samples, SegmentReader, SeriesNumber};
use weir_signal::{Points, ReadError};

use super::head::Sink;

/// Columns of samples: as they are kept, or as queries calculate with them.
pub(super) trait Columns: Default + Sink {
    /// Appends the samples of a series of a segment; gives how many bytes were decoded.
    fn read(
        &mut self,
        from: &mut SegmentReader,
        number: SeriesNumber,
        range: (i64, i64),
        watch: &mut dyn Watch,
    ) -> Result<u64, ReadError>;
    fn times(&self) -> &[i64];
    fn clear(&mut self);
    /// Appends the sample of `from` at `index`.
    fn copy(&mut self, from: &Self, index: usize);
    /// Appends all samples of `from`.
    fn append(&mut self, from: &Self);
}

impl Columns for Points {
    fn read(
        &mut self,
        from: &mut SegmentReader,
        number: SeriesNumber,
        range: (i64, i64),
        watch: &mut dyn Watch,
    ) -> Result<u64, ReadError> {
        from.points(number, range.0, range.1, self, watch)
    }
    fn times(&self) -> &[i64] {
        &self.times
    }
    fn clear(&mut self) {
        Points::clear(self);
    }
    fn copy(&mut self, from: &Self, index: usize) {
        match from.histogram(index) {
            Some(histogram) => {
                self.push_histogram(from.times[index], Arc::clone(histogram), from.start(index));
            }
            None => self.push(from.times[index], from.values[index], from.start(index)),
        }
    }
    fn append(&mut self, from: &Self) {
        if self.starts.is_empty() && from.starts.is_empty() && from.histograms.is_empty() {
            self.times.extend_from_slice(&from.times);
            self.values.extend_from_slice(&from.values);
        } else {
            (0..from.len()).for_each(|index| self.copy(from, index));
        }
    }
}

impl Columns for Samples {
    fn read(
        &mut self,
        from: &mut SegmentReader,
        number: SeriesNumber,
        range: (i64, i64),
        watch: &mut dyn Watch,
    ) -> Result<u64, ReadError> {
        from.samples(number, range.0, range.1, self, watch)
    }
    fn times(&self) -> &[i64] {
        &self.times
    }
    fn clear(&mut self) {
        Samples::clear(self);
    }
    fn copy(&mut self, from: &Self, index: usize) {
        let start = from.starts.get(index).copied().unwrap_or(0);
        match from.histograms.binary_search_by_key(&(index as u32), |&(at, _)| at) {
            Ok(found) => self.push_histogram(from.times[index], from.histograms[found].1.clone(), start),
            Err(_) => self.push(from.times[index], from.values[index], start),
        }
    }
    fn append(&mut self, from: &Self) {
        if self.starts.is_empty() && from.starts.is_empty() && from.histograms.is_empty() {
            self.times.extend_from_slice(&from.times);
            self.values.extend_from_slice(&from.values);
        } else {
            (0..from.len()).for_each(|index| self.copy(from, index));
        }
    }
}

/// Joins runs, each ascending by time, the earliest commits first.
#[derive(Debug, Default)]
pub(super) struct Joiner<C> {
    spare: C,
}

impl<C: Columns> Joiner<C> {
    /// Joins `next`, which was committed later, to `so_far`.
    pub(super) fn join(&mut self, so_far: &mut C, next: &C) {
        let after = |last: &i64| next.times().first().is_none_or(|first| first > last);
        if so_far.times().last().is_none_or(after) {
            so_far.append(next);
            return;
        }
        let merged = &mut self.spare;
        merged.clear();
        let (mut a, mut b) = (0, 0);
        loop {
            match (so_far.times().get(a), next.times().get(b)) {
                (Some(left), Some(right)) if left < right => {
                    merged.copy(so_far, a);
                    a += 1;
                }
                (left, Some(right)) => {
                    a += usize::from(left == Some(right));
                    merged.copy(next, b);
                    b += 1;
                }
                (Some(_), None) => {
                    merged.copy(so_far, a);
                    a += 1;
                }
                (None, None) => break,
            }
        }
        std::mem::swap(so_far, merged);
    }

    /// Removes the samples for which `gone` says so.
    pub(super) fn remove(&mut self, samples: &mut C, gone: impl Fn(i64) -> bool) {
        if !samples.times().iter().any(|&time| gone(time)) {
            return;
        }
        let kept = &mut self.spare;
        kept.clear();
        for index in 0..samples.times().len() {
            if !gone(samples.times()[index]) {
                kept.copy(samples, index);
            }
        }
        std::mem::swap(samples, kept);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use weir_signal::{HistogramSample, IntHistogram};

    use super::*;

    /// A run of samples: floats, and histograms where the value is odd; every third with a start.
    fn samples(run: &BTreeMap<i64, u8>) -> Samples {
        let mut samples = Samples::default();
        for (&time, &value) in run {
            let start = if value % 3 == 0 { time - 5 } else { 0 };
            if value % 2 == 1 {
                let histogram = IntHistogram { sum: f64::from(value), ..IntHistogram::default() };
                samples.push_histogram(time, HistogramSample::Int(histogram), start);
            } else {
                samples.push(time, f64::from(value), start);
            }
        }
        samples
    }

    /// The same run, however its columns came to be.
    fn plain(samples: &Samples) -> Vec<(i64, f64, bool, i64)> {
        (0..samples.len())
            .map(|at| {
                let histogram = samples.histograms.iter().any(|&(index, _)| index as usize == at);
                (
                    samples.times[at],
                    samples.values[at],
                    histogram,
                    samples.starts.get(at).copied().unwrap_or(0),
                )
            })
            .collect()
    }

    proptest! {
        #[test]
        fn the_later_one_wins(runs in prop::collection::vec(prop::collection::btree_map(-20_i64..20, any::<u8>(), 0..15), 0..5), gone in -20_i64..20) {
            let mut joiner = Joiner::default();
            let mut found = Samples::default();
            let mut expect = BTreeMap::new();
            for run in &runs {
                joiner.join(&mut found, &samples(run));
                expect.extend(run.iter().map(|(&time, &value)| (time, value)));
            }
            prop_assert_eq!(plain(&found), plain(&samples(&expect)));
            joiner.remove(&mut found, |time| time < gone);
            expect.retain(|&time, _| time >= gone);
            prop_assert_eq!(plain(&found), plain(&samples(&expect)));
        }
    }
}
