//! Numbers over time.

mod compare;
mod exemplars;
mod measure;
mod quantile;
mod second;
mod steps;

use std::cmp::Ordering;

use weir_signal::{ReadError, Scope, SpanId, TraceId, TraceSource};

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
    /// Spans that the values are of, ascending by time, then by trace and span.
    pub exemplars: Vec<Exemplar>,
}

/// A span that a value is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exemplar {
    /// Its trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// Its start, in milliseconds since 1970.
    pub time_ms: i64,
    /// What was measured of it, durations in seconds; where spans are counted, the value of the series at that time.
    pub value: f64,
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
    /// The step that each belongs to. Where spans are counted, what it has for a value is NaN.
    exemplars: Vec<(usize, Exemplar)>,
}

impl Row {
    fn new(labels: Vec<Label>, values: Vec<f64>) -> Self {
        Self { labels, values, exemplars: Vec::new() }
    }

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
/// Series come ascending by their labels. With them come at most `exemplars_max` spans in all: of each series the one with the
/// largest number in a step, and where those are more, such that lie evenly in time.
///
/// # Errors
/// A query for spans, too many steps, or traces that cannot be read within the scope's budget.
pub fn metrics(
    query: &Query,
    source: &dyn TraceSource,
    scope: &Scope,
    step: &Step,
    exemplars_max: usize,
) -> Result<Vec<Series>, MetricsError> {
    let Root::Metrics(metrics) = &query.root else { return Err(MetricsError::Spans) };
    let steps = Steps::new(step, exemplars_max > 0)?;
    let mut rows = metrics.rows(source, scope, &steps)?;
    rows.sort_by(Row::order);
    let mut exemplars = exemplars::chosen(&rows, exemplars_max).into_iter();
    let series = rows.into_iter().map(|row| {
        let values = row.values.iter().enumerate().filter(|(_, value)| !value.is_nan());
        Series {
            labels: row.labels,
            samples: values.map(|(index, value)| (steps.time_ms(index), *value)).collect(),
            exemplars: exemplars.next().unwrap_or_default(),
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
