//! What is stored of a series.

use std::ops::RangeInclusive;
use std::sync::Arc;

use weir_signal::{HistogramSample, Points};

/// Samples of one series in columns, as [`weir_signal::Points`] but with histograms as they were sent.
///
/// `values` is as long as `times`; `starts` is so as well or empty. Where a sample is a histogram, `histograms` holds it
/// under its index, ascending, and its place in `values` holds the histogram's sum.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Milliseconds since 1970.
    pub times: Vec<i64>,
    /// Values, sums where the sample is a histogram.
    pub values: Vec<f64>,
    /// Start timestamps, milliseconds since 1970, 0 where one is not known.
    pub starts: Vec<i64>,
    /// Which samples are histograms.
    pub histograms: Vec<(u32, HistogramSample)>,
}

impl Samples {
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
        self.starts.clear();
        self.histograms.clear();
    }

    /// Adds a float; `start_ms` 0 where it is not known.
    pub fn push(&mut self, time_ms: i64, value: f64, start_ms: i64) {
        if start_ms != 0 && self.starts.is_empty() {
            self.starts.resize(self.times.len(), 0);
        }
        if start_ms != 0 || !self.starts.is_empty() {
            self.starts.push(start_ms);
        }
        self.times.push(time_ms);
        self.values.push(value);
    }

    /// Adds a histogram; `start_ms` 0 where it is not known.
    pub fn push_histogram(&mut self, time_ms: i64, histogram: HistogramSample, start_ms: i64) {
        let (at, sum) = (self.times.len() as u32, histogram.sum());
        self.push(time_ms, sum, start_ms);
        self.histograms.push((at, histogram));
    }

    /// Whether the columns fit together.
    pub(crate) fn is_sound(&self) -> bool {
        let count = self.times.len();
        let starts = self.starts.is_empty() || self.starts.len() == count;
        let ascending = self.histograms.is_sorted_by(|(a, _), (b, _)| a < b);
        let within = self.histograms.last().is_none_or(|&(at, _)| (at as usize) < count);
        let sums = || {
            self.histograms
                .iter()
                .all(|(at, histogram)| self.values[*at as usize].to_bits() == histogram.sum().to_bits())
        };
        u32::try_from(count).is_ok() && self.values.len() == count && starts && ascending && within && sums()
    }
}

/// Where decoded samples go: what is stored, or what queries calculate with.
pub(crate) trait Sink {
    /// The columns that both kinds of sink have.
    fn columns(&mut self) -> Columns<'_>;

    /// A histogram; `at` counts from the first sample of the sink.
    fn histogram(&mut self, at: u32, histogram: HistogramSample);

    /// Of the samples from index `start` on, keeps only those with a time in `from_ms..=to_ms`.
    fn cut(&mut self, start: usize, order: Order, from_ms: i64, to_ms: i64);

    /// Forgets what stands from index `start` on, whole or begun.
    fn truncate(&mut self, start: usize);
}

/// Whether times are known to ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Any,
}

pub(crate) struct Columns<'a> {
    pub(crate) times: &'a mut Vec<i64>,
    pub(crate) values: &'a mut Vec<f64>,
    pub(crate) starts: &'a mut Vec<i64>,
}

impl Sink for Samples {
    fn columns(&mut self) -> Columns<'_> {
        Columns { times: &mut self.times, values: &mut self.values, starts: &mut self.starts }
    }

    fn histogram(&mut self, at: u32, histogram: HistogramSample) {
        self.histograms.push((at, histogram));
    }

    fn cut(&mut self, start: usize, order: Order, from_ms: i64, to_ms: i64) {
        let Self { times, values, starts, histograms } = self;
        cut(Columns { times, values, starts }, histograms, start, order, from_ms..=to_ms);
    }

    fn truncate(&mut self, start: usize) {
        let Self { times, values, starts, histograms } = self;
        truncate(Columns { times, values, starts }, histograms, start);
    }
}

impl Sink for Points {
    fn columns(&mut self) -> Columns<'_> {
        Columns { times: &mut self.times, values: &mut self.values, starts: &mut self.starts }
    }

    fn histogram(&mut self, at: u32, histogram: HistogramSample) {
        let histogram = match histogram {
            HistogramSample::Float(histogram) => histogram,
            HistogramSample::Int(histogram) => histogram.to_float(),
        };
        self.histograms.push((at, Arc::new(histogram)));
    }

    fn cut(&mut self, start: usize, order: Order, from_ms: i64, to_ms: i64) {
        let Self { times, values, starts, histograms } = self;
        cut(Columns { times, values, starts }, histograms, start, order, from_ms..=to_ms);
    }

    fn truncate(&mut self, start: usize) {
        let Self { times, values, starts, histograms } = self;
        truncate(Columns { times, values, starts }, histograms, start);
    }
}

fn cut<T>(
    columns: Columns<'_>,
    histograms: &mut Vec<(u32, T)>,
    start: usize,
    order: Order,
    range: RangeInclusive<i64>,
) {
    let Columns { times, values, starts } = columns;
    let new = &times[start..];
    let (first, last) = match order {
        Order::Ascending => (
            start + new.partition_point(|time| time < range.start()),
            start + new.partition_point(|time| time <= range.end()),
        ),
        // Holes may be in between: close them first, then all is one run.
        Order::Any => {
            let kept: Vec<usize> =
                (start..times.len()).filter(|&index| range.contains(&times[index])).collect();
            for (to, &index) in (start..).zip(&kept) {
                times[to] = times[index];
                values[to] = values[index];
                if !starts.is_empty() {
                    starts[to] = starts[index];
                }
            }
            histograms.retain_mut(|(at, _)| {
                let index = *at as usize;
                index < start || {
                    let found = kept.binary_search(&index);
                    *at = (start + found.unwrap_or_default()) as u32;
                    found.is_ok()
                }
            });
            (start, start + kept.len())
        }
    };
    let last = last.max(first);
    if first == start && last == times.len() {
        return;
    }
    keep(times, start, first, last);
    keep(values, start, first, last);
    if !starts.is_empty() {
        keep(starts, start, first, last);
    }
    let shift = first - start;
    histograms.retain_mut(|(at, _)| {
        let index = *at as usize;
        index < start || {
            *at = (index.wrapping_sub(shift)) as u32;
            (first..last).contains(&index)
        }
    });
}

fn truncate<T>(columns: Columns<'_>, histograms: &mut Vec<(u32, T)>, start: usize) {
    let Columns { times, values, starts } = columns;
    times.truncate(start);
    values.truncate(start);
    starts.truncate(start);
    histograms.retain(|&(at, _)| (at as usize) < start);
}

/// Of what stands from `start` on, keeps `first..last`.
fn keep<T>(column: &mut Vec<T>, start: usize, first: usize, last: usize) {
    column.truncate(last);
    column.drain(start..first);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_signal::Histogram;

    use super::*;

    proptest! {
        #[test]
        fn a_cut_keeps_what_lies_in_the_range(
            mut times in prop::collection::vec(0_i64..20, 0..30),
            sorted: bool,
            start in 0_usize..30,
            from in 0_i64..20,
            length in 0_i64..20,
        ) {
            if sorted {
                times.sort_unstable();
            }
            let start = start.min(times.len());
            let (mut all, mut expected) = (Samples::default(), Samples::default());
            for (index, &time) in times.iter().enumerate() {
                let kept = index < start || (from..=from + length).contains(&time);
                let value = index as f64;
                for samples in [Some(&mut all), kept.then_some(&mut expected)].into_iter().flatten() {
                    if index % 3 == 0 {
                        let histogram = Histogram { sum: value, ..Histogram::default() };
                        samples.push_histogram(time, HistogramSample::Float(histogram), index as i64 + 1);
                    } else {
                        samples.push(time, value, index as i64 + 1);
                    }
                }
            }
            let order = if sorted { Order::Ascending } else { Order::Any };
            all.cut(start, order, from, from + length);
            prop_assert!(all.is_sound());
            prop_assert_eq!(all, expected);
        }
    }
}
