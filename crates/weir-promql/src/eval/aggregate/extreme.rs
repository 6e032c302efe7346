//! `min`, `max`, `count`, `group`.

use super::Aggregation;
use super::groups::Accumulate;
use crate::ast::AggregateOp;
use crate::eval::column::Column;

/// The best value of a group at each step: the first that no other is better than; NaN only where there is nothing else.
pub(super) struct Extreme {
    wants_max: bool,
    best: Column,
}

impl Accumulate for Extreme {
    fn new(aggregation: &Aggregation<'_>) -> Self {
        let mut best = Column::default();
        best.reset(aggregation.grid.len());
        Self { wants_max: aggregation.op == AggregateOp::Max, best }
    }

    fn add(&mut self, aggregation: &Aggregation<'_>, column: &Column) {
        for step in column.present.steps() {
            if column.histogram(step).is_some() {
                aggregation.note_ignored_histogram();
                continue;
            }
            let (value, best) = (column.values[step], self.best.values[step]);
            let better = if self.wants_max { value > best } else { value < best };
            if better || best.is_nan() || !self.best.present.get(step) {
                self.best.set(step, value);
            }
        }
    }

    fn finish(self, _: &Aggregation<'_>) -> Column {
        self.best
    }
}

/// How many samples a group has at each step, or 1 where it has any.
pub(super) struct Count {
    wants_number: bool,
    counts: Column,
}

impl Accumulate for Count {
    fn new(aggregation: &Aggregation<'_>) -> Self {
        let mut counts = Column::default();
        counts.reset(aggregation.grid.len());
        Self { wants_number: aggregation.op == AggregateOp::Count, counts }
    }

    fn add(&mut self, _: &Aggregation<'_>, column: &Column) {
        for step in column.present.steps() {
            self.counts.values[step] += 1.0;
        }
        self.counts.present.or(&column.present);
    }

    fn finish(mut self, _: &Aggregation<'_>) -> Column {
        if !self.wants_number {
            self.counts.values.fill(1.0);
        }
        self.counts
    }
}
