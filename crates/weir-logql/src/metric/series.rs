//! Which series a line counts for.

use std::collections::HashMap;

use weir_promql::eval::EvalError;
use weir_signal::{Labels, ReadError};

use super::plan::Range;
use crate::ast::Grouping;
use crate::pipeline::{LineLabels, build};

/// The label that says what went wrong with a line.
const ERROR: &str = "__error__";
/// The label of lines whose error is asked for.
const PRESERVE_ERROR: &str = "__preserve_error__";

/// Numbers series in the order in which their first lines come.
pub(super) struct SeriesTable<'q> {
    grouping: Option<&'q Grouping>,
    no_labels: bool,
    /// The label that has the number, which does not count.
    unwrapped: Option<&'q str>,
    series_max: u64,
    numbers: HashMap<Labels, usize>,
    /// The stream of the line before and its series, where that has the stream's labels only.
    last: Option<(Labels, usize)>,
}

impl<'q> SeriesTable<'q> {
    pub(super) fn new(range: &Range<'q>, series_max: u64) -> Self {
        Self {
            grouping: range.grouping,
            no_labels: range.no_labels,
            unwrapped: range.aggregation.range.unwrap.as_ref().map(|unwrap| &*unwrap.label),
            series_max,
            numbers: HashMap::new(),
            last: None,
        }
    }

    /// The number of the series of a line.
    ///
    /// # Errors
    /// Something went wrong with the line and the query does not ask for that, or there are too many series.
    pub(super) fn of(&mut self, labels: &LineLabels) -> Result<usize, EvalError> {
        let plain = labels.is_plain();
        if plain
            && let Some((stream, number)) = &self.last
            && stream == labels.stream()
        {
            return Ok(*number);
        }
        let counted = if labels.has_error() {
            if labels.get(PRESERVE_ERROR) != Some("true") {
                return Err(EvalError::Query(pipeline_error(labels)));
            }
            labels.labels()
        } else {
            self.counted(labels)
        };
        let next = self.numbers.len();
        let number = *self.numbers.entry(counted).or_insert(next);
        if number == next && next as u64 == self.series_max {
            return Err(ReadError::Series(self.series_max).into());
        }
        if plain {
            self.last = Some((labels.stream().clone(), number));
        }
        Ok(number)
    }

    /// The labels that count.
    fn counted(&self, labels: &LineLabels) -> Labels {
        if self.no_labels {
            return Labels::empty();
        }
        let is_unwrapped = |name: &str| self.unwrapped == Some(name);
        match self.grouping {
            Some(grouping) if !grouping.without => {
                let mut names: Vec<&str> = grouping.labels.iter().map(|name| &**name).collect();
                names.sort_unstable();
                names.dedup();
                build(names.into_iter().filter_map(|name| Some((name, labels.get(name)?))))
            }
            Some(grouping) => {
                let goes =
                    |name: &str| is_unwrapped(name) || grouping.labels.iter().any(|gone| **gone == *name);
                build(labels.iter().filter(|(name, _)| !goes(name)))
            }
            None if self.unwrapped.is_none() => labels.labels(),
            None => build(labels.iter().filter(|(name, _)| !is_unwrapped(name))),
        }
    }

    /// The labels of all series, by number.
    pub(super) fn into_labels(self) -> Vec<Labels> {
        let mut labels = vec![Labels::empty(); self.numbers.len()];
        for (one, number) in self.numbers {
            labels[number] = one;
        }
        labels
    }
}

fn pipeline_error(labels: &LineLabels) -> String {
    let error = labels.error();
    format!(
        "pipeline error: '{error}' for series: '{}'.\nUse a label filter to intentionally skip this error. (e.g | {ERROR}!=\"{error}\").\nTo skip all potential errors you can match empty errors.(e.g {ERROR}=\"\")\nThe label filter can also be specified after unwrap. (e.g | unwrap latency | {ERROR}=\"\" )\n",
        labels.labels()
    )
}
