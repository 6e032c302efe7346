//! One series at all steps.

use std::sync::Arc;

use weir_signal::{Histogram, Labels, METRIC_NAME};

use super::error::EvalError;
use super::mask::Mask;

/// The samples of one series, one place for each step of a [`Grid`](super::Grid).
///
/// Only the steps of `present` have a sample. It is a histogram where `histograms` (ascending by step, a subset of `present`)
/// has one, else the float in `values`; all other places of `values` hold anything.
#[derive(Debug, Clone, Default)]
pub struct Column {
    /// What the series is called.
    pub labels: Labels,
    /// Whether the name is to be dropped at the end of the evaluation (where its removal is delayed).
    pub drop_name: bool,
    /// A float for each step.
    pub values: Vec<f64>,
    /// Which steps have a sample.
    pub present: Mask,
    /// The samples that are histograms.
    pub histograms: Vec<(u32, Arc<Histogram>)>,
}

/// A sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A float.
    Float(f64),
    /// A histogram.
    Histogram(Arc<Histogram>),
}

impl Column {
    /// Forgets all samples; `len` steps from now on. Keeps the memory.
    pub fn reset(&mut self, len: usize) {
        self.drop_name = false;
        self.values.clear();
        self.values.resize(len, 0.0);
        self.present.reset(len);
        self.histograms.clear();
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no step has a sample.
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// Puts a float at `step`.
    pub fn set(&mut self, step: usize, value: f64) {
        self.values[step] = value;
        self.present.set(step);
    }

    /// Puts a histogram at `step`, which comes after all that have one.
    pub fn set_histogram(&mut self, step: usize, histogram: Arc<Histogram>) {
        debug_assert!(self.histograms.last().is_none_or(|&(last, _)| (last as usize) < step));
        self.present.set(step);
        self.histograms.push((step as u32, histogram));
    }

    /// Puts a sample at `step`, which comes after all that have a histogram.
    pub fn set_cell(&mut self, step: usize, cell: Cell) {
        match cell {
            Cell::Float(value) => self.set(step, value),
            Cell::Histogram(histogram) => self.set_histogram(step, histogram),
        }
    }

    /// The histogram at `step`.
    pub fn histogram(&self, step: usize) -> Option<&Arc<Histogram>> {
        if self.histograms.is_empty() {
            return None;
        }
        let at = self.histograms.binary_search_by_key(&(step as u32), |&(at, _)| at).ok()?;
        Some(&self.histograms[at].1)
    }

    /// The sample at `step`.
    pub fn cell(&self, step: usize) -> Option<Cell> {
        if !self.present.get(step) {
            return None;
        }
        Some(match self.histogram(step) {
            Some(histogram) => Cell::Histogram(Arc::clone(histogram)),
            None => Cell::Float(self.values[step]),
        })
    }

    /// Keeps only the steps that `mask` has.
    pub fn keep(&mut self, mask: &Mask) {
        self.present.and(mask);
        self.histograms.retain(|&(step, _)| mask.get(step as usize));
    }

    /// Takes away all histograms.
    pub fn keep_floats(&mut self) {
        for (step, _) in self.histograms.drain(..) {
            self.present.unset(step as usize);
        }
    }

    /// Takes away all floats.
    pub fn keep_histograms(&mut self) {
        self.present.reset(self.values.len());
        for &(step, _) in &self.histograms {
            self.present.set(step as usize);
        }
    }

    /// Takes in the samples of another column of as many steps.
    ///
    /// # Errors
    /// Both have a sample at the same step.
    pub(super) fn merge(&mut self, other: Column) -> Result<(), EvalError> {
        if self.present.first_common(&other.present).is_some() {
            return Err(EvalError::SameLabels);
        }
        for step in other.present.steps() {
            self.values[step] = other.values[step];
        }
        self.present.or(&other.present);
        if !other.histograms.is_empty() {
            self.histograms.extend(other.histograms);
            self.histograms.sort_by_key(|&(step, _)| step);
        }
        Ok(())
    }

    /// The metric's name; empty where there is none.
    pub(super) fn name(&self) -> &str {
        self.labels.name().unwrap_or_default()
    }
}

/// Columns, one at a time.
///
/// Each has at least one sample.
pub trait ColumnStream {
    /// Fills `column` (whose memory is used again) with the next; `false` at the end.
    ///
    /// # Errors
    /// Whatever ends the evaluation.
    fn next(&mut self, column: &mut Column) -> Result<bool, EvalError>;
}

/// Columns that are there already.
pub struct Columns(std::vec::IntoIter<Column>);

impl Columns {
    /// In the order given.
    pub fn new(columns: Vec<Column>) -> Self {
        Self(columns.into_iter())
    }
}

impl ColumnStream for Columns {
    fn next(&mut self, column: &mut Column) -> Result<bool, EvalError> {
        match self.0.next() {
            Some(next) => {
                *column = next;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

/// Whether a label says what a metric is (its name, type or unit) rather than which one.
pub(super) fn is_metadata_label(name: &str) -> bool {
    matches!(name, METRIC_NAME | "__type__" | "__unit__")
}

/// The labels without those that say what the metric is: what is calculated from it is something else.
pub(super) fn without_metadata(labels: &Labels) -> Labels {
    let reserved = |name: &str| name.as_bytes().first().is_some_and(|&first| first <= b'_');
    let any = labels.iter().take_while(|&(name, _)| reserved(name)).any(|(name, _)| is_metadata_label(name));
    if any { labels.without(is_metadata_label) } else { labels.clone() }
}

/// Whether a label can be called so: any text but the empty one. A text with bytes that are no UTF-8 has replacements for
/// them.
pub(super) fn is_label_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::REPLACEMENT_CHARACTER)
}

/// All labels in braces, the name among them: how errors name a series.
pub(super) fn braced(labels: &Labels) -> String {
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}
