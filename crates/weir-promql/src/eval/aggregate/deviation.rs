//! `stddev`, `stdvar`.

use super::Aggregation;
use super::groups::Accumulate;
use crate::ast::AggregateOp;
use crate::eval::column::Column;

/// Counts, means and sums of squared distances from them (Welford's algorithm), for each step.
pub(super) struct Deviation {
    counts: Vec<f64>,
    means: Vec<f64>,
    squares: Column,
}

impl Accumulate for Deviation {
    fn new(aggregation: &Aggregation<'_>) -> Self {
        let len = aggregation.grid.len();
        let mut squares = Column::default();
        squares.reset(len);
        Self { counts: vec![0.0; len], means: vec![0.0; len], squares }
    }

    fn add(&mut self, aggregation: &Aggregation<'_>, column: &Column) {
        for step in column.present.steps() {
            if column.histogram(step).is_some() {
                aggregation.note_ignored_histogram();
                continue;
            }
            let value = column.values[step];
            let (count, mean) = (&mut self.counts[step], &mut self.means[step]);
            *count += 1.0;
            if self.squares.present.get(step) {
                let delta = value - *mean;
                *mean += delta / *count;
                self.squares.values[step] += delta * (value - *mean);
            } else {
                *mean = value;
                self.squares.set(step, if value.is_finite() { 0.0 } else { f64::NAN });
            }
        }
    }

    fn finish(self, aggregation: &Aggregation<'_>) -> Column {
        let mut column = self.squares;
        let wants_root = aggregation.op == AggregateOp::Stddev;
        for (value, count) in column.values.iter_mut().zip(self.counts) {
            *value /= count;
            if wants_root {
                *value = value.sqrt();
            }
        }
        column
    }
}
