//! Leaves to columns.

use weir_promql::ast::Expr;
use weir_promql::eval::{Column, ColumnStream, Columns, EvalError, External, Grid, Query, Value, evaluate};
use weir_promql::memory::MemorySeries;
use weir_signal::{Direction, Labels, LogSource, MatchOp, Scope};

use super::counts::Counts;
use super::plan::{Leaf, Range};
use super::series::SeriesTable;
use super::window::{self, Sample};
use crate::ast::{Conversion, LogRange, RangeOp};
use crate::pipeline::{Filter, Hints, LineError, Pipeline};
use crate::select::select;
use crate::units::{parse_bytes, parse_duration, parse_float};

/// How many numbers of lines are held at once.
const SAMPLES_MAX: usize = 50_000_000;

/// The leaves of a tree, and where their lines come from.
pub(super) struct Leaves<'q> {
    all: Vec<Leaf<'q>>,
    now_ns: i64,
    source: &'q dyn LogSource,
    scope: &'q Scope,
}

impl<'q> Leaves<'q> {
    pub(super) fn new(all: Vec<Leaf<'q>>, now_ns: i64, source: &'q dyn LogSource, scope: &'q Scope) -> Self {
        Self { all, now_ns, source, scope }
    }

    /// The series of a tree with NaN in the place of 0.
    fn without_zeros(&self, expr: &Expr, grid: Grid) -> Result<Vec<Column>, EvalError> {
        let query = Query::range(expr.clone(), "", grid.first(), grid.last(), grid.step_ms());
        let answer = evaluate(&query, &MemorySeries::new(), self, self.scope)?;
        let Value::Matrix(series) = answer.value else { return Ok(Vec::new()) };
        let column = |series: weir_promql::eval::Series| {
            let mut column = empty_column(series.labels, grid.len());
            for (time, value) in series.points.times.iter().zip(&series.points.values) {
                let step = time.abs_diff(grid.first()) / grid.step_ms().unsigned_abs();
                column.set(step as usize, if *value == 0.0 { f64::NAN } else { *value });
            }
            column
        };
        Ok(series.into_iter().map(column).collect())
    }

    /// The series of a range aggregation, ascending by labels.
    fn range(&self, range: &Range<'_>, grid: Grid) -> Result<Vec<Column>, EvalError> {
        let LogRange { logs, range_ns, unwrap, .. } = &range.aggregation.range;
        let op = range.aggregation.op;
        let windows = Windows::new(&range.aggregation.range, grid);
        let hints = Hints::new(&logs.stages, unwrap.as_ref(), range.grouping, range.no_labels);
        let query = |error: &dyn std::fmt::Display| EvalError::Query(error.to_string());
        let mut pipeline =
            Pipeline::with_hints(&logs.stages, self.now_ns, hints).map_err(|error| query(&error))?;
        let mut number = match unwrap {
            Some(unwrap) => {
                let filters = unwrap.filters.iter().map(Filter::new).collect::<Result<Vec<_>, _>>();
                Some((unwrap, filters.map_err(|error| query(&error))?))
            }
            None => None,
        };
        let counts_bytes = matches!(op, RangeOp::Bytes | RangeOp::BytesRate);
        let counts = counts_bytes
            || matches!(op, RangeOp::Count | RangeOp::Absent)
            || (op == RangeOp::Rate && number.is_none());
        let mut table = SeriesTable::new(range, self.scope.budget.limits().series_max);
        let mut series: Vec<Numbers> = Vec::new();
        let mut held = 0;
        let from_ns = windows.start_ns(0).saturating_add(1);
        let to_ns = windows.end_ns(grid.len().saturating_sub(1)).saturating_add(1);
        let select = select(logs, from_ns, to_ns, Direction::Forward, self.source, self.scope)?;
        let mut rows = self.source.select(self.scope, &select)?;
        while let Some(row) = rows.next()? {
            let time_ns = row.time_ns;
            let Some((first, last)) = windows.of(time_ns) else { continue };
            let Some(mut line) = pipeline.process(row) else { continue };
            let (text, labels) = line.parts();
            let value = match &mut number {
                None if counts_bytes => text.len() as f64,
                None => 1.0,
                Some((unwrap, filters)) => {
                    let found = labels.get(&unwrap.label).unwrap_or_default();
                    if found.is_empty() {
                        continue;
                    }
                    let value = convert(unwrap.conversion, found).unwrap_or_else(|why| {
                        labels.fail(LineError::SampleExtraction, &why);
                        0.0
                    });
                    if !filters.iter().all(|filter| filter.passes(labels)) {
                        continue;
                    }
                    value
                }
            };
            let at = table.of(labels)?;
            if at == series.len() {
                series.push(Numbers::default());
            }
            if counts {
                series[at].counts.add(first, last, grid.len(), value);
            } else {
                held += 1;
                if held > SAMPLES_MAX {
                    return Err(EvalError::TooManySamples);
                }
                series[at].samples.push((time_ns, value));
            }
        }
        drop(rows);
        if op == RangeOp::Absent {
            return Ok(absent(&range.aggregation.range, series.first(), grid));
        }
        let per = if matches!(op, RangeOp::Rate | RangeOp::BytesRate) { *range_ns as f64 / 1e9 } else { 1.0 };
        let quantile = range.aggregation.quantile.unwrap_or_default();
        let column = |(labels, numbers): (Labels, &Numbers)| {
            let mut column = empty_column(labels, grid.len());
            for (step, sum) in numbers.counts.sums() {
                column.set(step, sum / per);
            }
            windows.each(&numbers.samples, |step, samples| {
                let end_ns = windows.end_ns(step);
                column.set(step, window::value(op, quantile, samples, end_ns, *range_ns));
            });
            column
        };
        let mut columns: Vec<_> = table.into_labels().into_iter().zip(&series).map(column).collect();
        columns.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(columns)
    }
}

impl External for Leaves<'_> {
    fn columns(&self, number: usize, grid: Grid) -> Result<Box<dyn ColumnStream + '_>, EvalError> {
        let columns = match self.all.get(number) {
            _ if grid.is_empty() => Vec::new(),
            None => Vec::new(),
            Some(Leaf::Range(range)) => self.range(range, grid)?,
            Some(Leaf::NoZeros(expr)) => self.without_zeros(expr, grid)?,
        };
        Ok(Box::new(Columns::new(columns)))
    }
}

/// What is known of a series: counts, or the numbers themselves, ascending by time.
#[derive(Default)]
struct Numbers {
    counts: Counts,
    samples: Vec<Sample>,
}

fn empty_column(labels: Labels, len: usize) -> Column {
    let mut column = Column { labels, ..Column::default() };
    column.reset(len);
    column
}

fn convert(conversion: Conversion, text: &str) -> Result<f64, String> {
    match conversion {
        Conversion::Number => parse_float(text),
        Conversion::Bytes => parse_bytes(text).map(|bytes| bytes as f64),
        Conversion::Duration | Conversion::DurationSeconds => {
            parse_duration(text).map(|nanos| nanos as f64 / 1e9)
        }
    }
}

/// 1 at the steps without a line, with the labels that the selector says all lines would have.
fn absent(range: &LogRange, found: Option<&Numbers>, grid: Grid) -> Vec<Column> {
    let matchers = &range.logs.matchers;
    let is_sole = |name: &str| matchers.iter().filter(|matcher| matcher.name() == name).count() == 1;
    let equal = matchers.iter().filter(|matcher| matcher.op() == MatchOp::Equal && is_sole(matcher.name()));
    let labels =
        Labels::from_pairs(equal.map(|matcher| (matcher.name(), matcher.value()))).unwrap_or_default();
    let mut column = empty_column(labels, grid.len());
    (0..grid.len()).for_each(|step| column.set(step, 1.0));
    for (step, _) in found.into_iter().flat_map(|numbers| numbers.counts.sums()) {
        column.present.unset(step);
    }
    if column.is_empty() { Vec::new() } else { vec![column] }
}

/// The ranges before the times of a grid, each without its start and with its end, in nanoseconds.
struct Windows {
    first_end_ns: i64,
    step_ns: i64,
    range_ns: i64,
    len: usize,
}

impl Windows {
    fn new(range: &LogRange, grid: Grid) -> Self {
        let nanos = |millis: i64| millis.saturating_mul(1_000_000);
        Self {
            first_end_ns: nanos(grid.first()).saturating_sub(range.offset_ns),
            step_ns: nanos(grid.step_ms()),
            range_ns: range.range_ns,
            len: grid.len(),
        }
    }

    fn end_ns(&self, step: usize) -> i64 {
        self.first_end_ns.saturating_add((step as i64).saturating_mul(self.step_ns))
    }

    fn start_ns(&self, step: usize) -> i64 {
        self.end_ns(step).saturating_sub(self.range_ns)
    }

    /// The first and the last window that has a time.
    fn of(&self, time_ns: i64) -> Option<(usize, usize)> {
        let after = i128::from(time_ns) - i128::from(self.first_end_ns);
        let step = i128::from(self.step_ns);
        let up = |value: i128| value.div_euclid(step) + i128::from(value.rem_euclid(step) > 0);
        let first = up(after).max(0);
        let last = (up(after + i128::from(self.range_ns)) - 1).min(self.len as i128 - 1);
        (first <= last).then_some((first as usize, last as usize))
    }

    /// The numbers of each window that has any.
    fn each(&self, samples: &[Sample], mut found: impl FnMut(usize, &[Sample])) {
        if samples.is_empty() {
            return;
        }
        let (mut from, mut to) = (0, 0);
        for step in 0..self.len {
            let (start_ns, end_ns) = (self.start_ns(step), self.end_ns(step));
            from += samples[from..].iter().take_while(|sample| sample.0 <= start_ns).count();
            to = to.max(from);
            to += samples[to..].iter().take_while(|sample| sample.0 <= end_ns).count();
            if from < to {
                found(step, &samples[from..to]);
            }
        }
    }
}
