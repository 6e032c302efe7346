//! The samples of one series as functions over ranges see them: floats and histograms apart.

use std::ops::Range;
use std::sync::Arc;

use weir_signal::{Histogram, Points, is_stale};

use crate::eval::column::Column;
use crate::eval::grid::Grid;

/// Samples of one kind, ascending by time.
#[derive(Debug, Default)]
pub(in crate::eval) struct Track<T> {
    pub times: Vec<i64>,
    pub values: Vec<T>,
    /// Empty, or one for each sample: 0 where it is not known.
    pub starts: Vec<i64>,
}

/// Some neighbouring samples of a track.
#[derive(Debug)]
pub(in crate::eval) struct View<'a, T> {
    pub times: &'a [i64],
    pub values: &'a [T],
    pub starts: &'a [i64],
}

impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<'_, T> {}

impl<T> Track<T> {
    pub(in crate::eval) fn view(&self) -> View<'_, T> {
        View { times: &self.times, values: &self.values, starts: &self.starts }
    }

    /// The samples later than `after_ms`, up to `until_ms`.
    pub(in crate::eval) fn within(&self, after_ms: i64, until_ms: i64) -> View<'_, T> {
        let from = self.times.partition_point(|&time| time <= after_ms);
        let to = self.times.partition_point(|&time| time <= until_ms);
        self.view().slice(from..to.max(from))
    }

    fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
        self.starts.clear();
    }

    fn push(&mut self, time: i64, value: T, start: Option<i64>) {
        self.times.push(time);
        self.values.push(value);
        self.starts.extend(start);
    }
}

impl<'a, T> View<'a, T> {
    pub(in crate::eval) fn len(&self) -> usize {
        self.times.len()
    }

    pub(in crate::eval) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    pub(in crate::eval) fn slice(self, range: Range<usize>) -> View<'a, T> {
        let starts = if self.starts.is_empty() { &[] } else { &self.starts[range.clone()] };
        View { times: &self.times[range.clone()], values: &self.values[range], starts }
    }

    /// When counting began for a sample, 0 where it is not known.
    pub(in crate::eval) fn start(&self, at: usize) -> i64 {
        self.starts.get(at).copied().unwrap_or(0)
    }
}

/// All samples of a series, without staleness markers.
#[derive(Debug, Default)]
pub(in crate::eval) struct Samples {
    pub floats: Track<f64>,
    pub histograms: Track<Arc<Histogram>>,
}

impl Samples {
    /// Takes over the points of a series; `points` gets memory that can be used again.
    pub(in crate::eval) fn take(&mut self, points: &mut Points) {
        self.histograms.clear();
        if points.histograms.is_empty() && !points.values.iter().any(|&value| is_stale(value)) {
            std::mem::swap(&mut self.floats.times, &mut points.times);
            std::mem::swap(&mut self.floats.values, &mut points.values);
            std::mem::swap(&mut self.floats.starts, &mut points.starts);
            return;
        }
        self.floats.clear();
        let mut histograms = points.histograms.drain(..).peekable();
        for (at, (&time, &value)) in points.times.iter().zip(&points.values).enumerate() {
            let histogram = histograms.next_if(|&(place, _)| place as usize == at);
            if is_stale(value) {
                continue;
            }
            let start = points.starts.get(at).copied();
            match histogram {
                Some((_, histogram)) => self.histograms.push(time, histogram, start),
                None => self.floats.push(time, value, start),
            }
        }
    }

    /// Takes over what an expression was at the steps of a subquery.
    pub(in crate::eval) fn take_column(&mut self, column: &mut Column, grid: Grid) {
        self.histograms.clear();
        self.floats.clear();
        let mut histograms = column.histograms.drain(..).peekable();
        for step in column.present.steps() {
            let time = grid.time(step);
            match histograms.next_if(|&(at, _)| at as usize == step) {
                Some((_, histogram)) => self.histograms.push(time, histogram, None),
                None => self.floats.push(time, column.values[step], None),
            }
        }
    }
}
