//! Numbers over time.

mod compare;
mod measure;
mod quantile;
mod second;
mod steps;

use std::cmp::Ordering;

use weir_signal::{ReadError, Scope, TraceSource};

use crate::ast::{First, Metrics, Query, Root};
use crate::search::each_trace;
use crate::value::Value;

pub use steps::{STEPS_MAX, Step};

use measure::Measuring;
use steps::Steps;

/// A name and a value that tell series apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// As the query writes it: `resource.service.name`, `name`; or one that begins with two underscores.
    pub name: Box<str>,
    /// What the spans of the series have.
    pub value: Value,
}

impl Label {
    fn text(name: &str, text: &str) -> Self {
        Self { name: name.into(), value: Value::Text(text.into()) }
    }
}

/// The label of a series of all spans: what was measured.
const NAME: &str = "__name__";

/// Numbers over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// In the order in which the query names them; those that a series has no value for are left out.
    pub labels: Vec<Label>,
    /// Milliseconds since 1970, ascending, and the value there. Times without a value are left out.
    pub samples: Vec<(i64, f64)>,
}

/// Why there are no series.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricsError {
    /// The query selects spans only.
    #[error("this query gives traces, not series over time: measure something, as in `… | rate()`")]
    Spans,
    /// The time is divided into too many steps.
    #[error("{0} steps are more than {STEPS_MAX}; ask for a longer step or less time")]
    Steps(u64),
    /// The time ends before it begins, or before 1970.
    #[error("the time has to begin in 1970 or later and end after that, and the step cannot be negative")]
    Time,
    /// The traces could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Series with a value, or NaN, for each step.
#[derive(Debug, Clone)]
struct Row {
    labels: Vec<Label>,
    values: Vec<f64>,
}

impl Row {
    /// Their order in answers.
    fn order(&self, other: &Self) -> Ordering {
        order(&self.labels, &other.labels)
    }
}

fn order(a: &[Label], b: &[Label]) -> Ordering {
    let pair = |(a, b): (&Label, &Label)| a.name.cmp(&b.name).then_with(|| a.value.order(&b.value));
    let differs = a.iter().zip(b).map(pair).find(|order| order.is_ne());
    differs.unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// Measures spans over time. Each value is of the spans that begin after the time of the one before and not after its own.
/// Series come ascending by their labels.
///
/// # Errors
/// A query for spans, too many steps, or traces that cannot be read within the scope's budget.
pub fn metrics(
    query: &Query,
    source: &dyn TraceSource,
    scope: &Scope,
    step: &Step,
) -> Result<Vec<Series>, MetricsError> {
    let Root::Metrics(metrics) = &query.root else { return Err(MetricsError::Spans) };
    let steps = Steps::new(step)?;
    let mut rows = metrics.rows(source, scope, &steps)?;
    rows.sort_by(Row::order);
    let series = rows.into_iter().map(|row| {
        let values = row.values.iter().enumerate().filter(|(_, value)| !value.is_nan());
        Series {
            labels: row.labels,
            samples: values.map(|(index, value)| (steps.time_ms(index), *value)).collect(),
        }
    });
    Ok(series.filter(|series| !series.samples.is_empty()).collect())
}

impl Metrics {
    fn rows(&self, source: &dyn TraceSource, scope: &Scope, steps: &Steps) -> Result<Vec<Row>, ReadError> {
        match self {
            Self::First(first) => first.rows(source, scope, steps),
            Self::Second(metrics, second) => Ok(second.of(metrics.rows(source, scope, steps)?)),
            Self::Binary(op, lhs, rhs) => {
                Ok(second::join(*op, &lhs.rows(source, scope, steps)?, &rhs.rows(source, scope, steps)?))
            }
        }
    }
}

impl First {
    fn rows(&self, source: &dyn TraceSource, scope: &Scope, steps: &Steps) -> Result<Vec<Row>, ReadError> {
        let series_max = scope.budget.limits().series_max;
        let mut measuring = Measuring::new(self, steps);
        each_trace(&self.pipeline, source, scope, steps.spans_range(), |tree, sets| {
            for set in sets {
                for span in set.spans {
                    if let Some(slot) = steps.slot(tree.spans()[span].start_ns) {
                        measuring.add(tree, span, slot);
                    }
                }
            }
            if measuring.len() as u64 > series_max { Err(ReadError::Series(series_max)) } else { Ok(true) }
        })?;
        Ok(measuring.rows())
    }
}
