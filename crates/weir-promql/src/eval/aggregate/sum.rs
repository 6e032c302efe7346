//! `sum`, `avg`.

use std::sync::Arc;

use weir_signal::{Histogram, HistogramMean, HistogramSum, Joined, MixedSchemas, ResetHint};

use super::Aggregation;
use super::groups::Accumulate;
use crate::ast::AggregateOp;
use crate::eval::annotation::{Annotation, HistogramOperation};
use crate::eval::column::Column;
use crate::eval::mask::Mask;
use crate::eval::number::kahan_add;

/// The sums of a group, for each step.
pub(super) struct Sum {
    wants_mean: bool,
    sums: Vec<f64>,
    lost: Vec<f64>,
    /// Which steps have a float.
    floats: Mask,
    /// How many samples there are; for means only.
    counts: Vec<u32>,
    /// From which sample on `sums` are running means, since the sum would overflow; 0 where they are sums. Empty where all
    /// are.
    running: Vec<bool>,
    /// Empty where no series has a histogram.
    histograms: Vec<Option<Box<Histograms>>>,
}

/// The histograms of one step.
struct Histograms {
    so_far: SoFar,
    /// Histograms of different kinds have no sum.
    incompatible: bool,
    resets: bool,
    goes_on: bool,
}

enum SoFar {
    /// A float came first: there is no result anyway.
    Nothing,
    Sum(Box<HistogramSum>),
    Mean(Box<HistogramMean>),
}

impl Accumulate for Sum {
    fn new(aggregation: &Aggregation<'_>) -> Self {
        let len = aggregation.grid.len();
        let wants_mean = aggregation.op == AggregateOp::Avg;
        Self {
            wants_mean,
            sums: vec![0.0; len],
            lost: vec![0.0; len],
            floats: Mask::none(len),
            counts: if wants_mean { vec![0; len] } else { Vec::new() },
            running: Vec::new(),
            histograms: Vec::new(),
        }
    }

    fn add(&mut self, aggregation: &Aggregation<'_>, column: &Column) {
        if !column.histograms.is_empty() || !self.histograms.is_empty() {
            self.add_cells(aggregation, column);
        } else if self.wants_mean {
            for step in column.present.steps() {
                self.add_to_mean(step, column.values[step]);
            }
        } else if self.floats.is_empty() {
            self.sums.copy_from_slice(&column.values);
            self.floats.copy_from(&column.present);
        } else if column.present.is_full() && self.floats.is_full() {
            self.add_everywhere(&column.values);
        } else {
            for step in column.present.steps() {
                self.add_to_sum(step, column.values[step]);
            }
        }
    }

    fn finish(mut self, aggregation: &Aggregation<'_>) -> Column {
        let len = self.sums.len();
        let mut column = Column::default();
        column.reset(len);
        for step in 0..len {
            let is_float = self.floats.get(step);
            if let Some(histograms) = self.histograms.get_mut(step).and_then(Option::take) {
                if is_float {
                    let remark = Annotation::mixed_floats_histograms_in_aggregation(aggregation.expr_span);
                    aggregation.context.annotate(remark);
                } else if let Some(value) = histograms.finish(aggregation) {
                    column.set_histogram(step, Arc::new(value));
                }
            } else if is_float {
                column.set(step, self.value(step));
            }
        }
        column
    }
}

impl Sum {
    #[inline]
    fn add_to_sum(&mut self, step: usize, value: f64) {
        if self.floats.get(step) {
            (self.sums[step], self.lost[step]) = kahan_add(value, self.sums[step], self.lost[step]);
        } else {
            // Not added to zero, which would lose the sign of a negative zero.
            self.floats.set(step);
            self.sums[step] = value;
        }
    }

    fn add_everywhere(&mut self, values: &[f64]) {
        for ((sum, lost), &value) in self.sums.iter_mut().zip(&mut self.lost).zip(values) {
            (*sum, *lost) = kahan_add(value, *sum, *lost);
        }
    }

    fn add_to_mean(&mut self, step: usize, value: f64) {
        self.counts[step] += 1;
        if !self.floats.get(step) {
            self.floats.set(step);
            self.sums[step] = value;
            return;
        }
        let count = f64::from(self.counts[step]);
        let (sum, lost) = (&mut self.sums[step], &mut self.lost[step]);
        if !self.running.get(step).is_some_and(|&running| running) {
            let (next, next_lost) = kahan_add(value, *sum, *lost);
            if !next.is_infinite() {
                (*sum, *lost) = (next, next_lost);
                return;
            }
            self.running.resize(self.counts.len(), false);
            self.running[step] = true;
            *sum /= count - 1.0;
            *lost /= count - 1.0;
        }
        let share = (count - 1.0) / count;
        (*sum, *lost) = kahan_add(value / count, share * *sum, share * *lost);
    }

    fn value(&self, step: usize) -> f64 {
        let (sum, lost) = (self.sums[step], self.lost[step]);
        if self.wants_mean && !self.running.get(step).is_some_and(|&running| running) {
            let count = f64::from(self.counts[step]);
            return sum / count + lost / count;
        }
        sum + lost
    }

    fn add_cells(&mut self, aggregation: &Aggregation<'_>, column: &Column) {
        self.histograms.resize_with(self.sums.len(), || None);
        for step in column.present.steps() {
            let known = self.histograms[step].as_deref_mut();
            if known.as_ref().is_some_and(|known| known.incompatible) {
                continue;
            }
            let Some(histogram) = column.histogram(step) else {
                if self.wants_mean {
                    self.add_to_mean(step, column.values[step]);
                } else {
                    self.add_to_sum(step, column.values[step]);
                }
                continue;
            };
            match known {
                Some(known) => known.add(aggregation, histogram, column.name()),
                None => {
                    let float_came_first = self.floats.get(step);
                    let first = Histograms::new(histogram, self.wants_mean, float_came_first);
                    self.histograms[step] = Some(Box::new(first));
                }
            }
        }
    }
}

impl Histograms {
    fn new(first: &Histogram, wants_mean: bool, float_came_first: bool) -> Self {
        let so_far = match (float_came_first, wants_mean) {
            (true, _) => SoFar::Nothing,
            (false, true) => SoFar::Mean(Box::new(HistogramMean::new(first.clone()))),
            (false, false) => SoFar::Sum(Box::new(HistogramSum::new(first.clone()))),
        };
        let mut this = Self { so_far, incompatible: false, resets: false, goes_on: false };
        this.note_hint(first);
        this
    }

    fn note_hint(&mut self, histogram: &Histogram) {
        if !matches!(self.so_far, SoFar::Nothing) {
            self.resets |= histogram.reset_hint == ResetHint::Reset;
            self.goes_on |= histogram.reset_hint == ResetHint::NotReset;
        }
    }

    fn add(&mut self, aggregation: &Aggregation<'_>, histogram: &Histogram, metric: &str) {
        self.note_hint(histogram);
        let joined = match &mut self.so_far {
            SoFar::Nothing => return,
            SoFar::Sum(sum) => sum.add(histogram),
            SoFar::Mean(mean) => mean.add(histogram),
        };
        match joined {
            Err(MixedSchemas) => {
                let remark = Annotation::mixed_exponential_custom(aggregation.expr_span, metric);
                aggregation.context.annotate(remark);
                self.incompatible = true;
            }
            Ok(Joined { bounds_reconciled: true, .. }) => {
                let remark =
                    Annotation::mismatched_bounds(aggregation.expr_span, HistogramOperation::Aggregate);
                aggregation.context.annotate(remark);
            }
            Ok(_) => {}
        }
    }

    fn finish(self, aggregation: &Aggregation<'_>) -> Option<Histogram> {
        if self.incompatible {
            return None;
        }
        if self.resets && self.goes_on {
            let remark = Annotation::reset_collision(aggregation.expr_span, HistogramOperation::Aggregate);
            aggregation.context.annotate(remark);
        }
        let mut value = match self.so_far {
            SoFar::Nothing => return None,
            SoFar::Sum(sum) => sum.finish(),
            SoFar::Mean(mean) => mean.finish(),
        };
        value.compact();
        Some(value)
    }
}
