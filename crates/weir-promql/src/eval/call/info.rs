//! `info`: labels of metrics that only carry labels, given to the series of the same `instance` and `job`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use weir_signal::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher, SeriesHints, SeriesSelect};

use super::{Call, Column, Context, EvalError, Expr, Grid, Vector};
use crate::eval::column::{braced, is_metadata_label};
use crate::eval::mask::Mask;
use crate::eval::selector::{Aspect, Shift, series as read_series};

/// The labels that say what a metric is about.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

const DEFAULT_NAME: &str = "target_info";

pub(super) fn info<'c>(
    context: &'c Context<'c>,
    call: &'c Call,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    let shift = reference(context, &call.args[0]).unwrap_or(Shift { at: None, offset_ms: 0 });
    let base = context.collect(context.vector(&call.args[0], grid)?)?;
    let (names, wanted) = match call.args.get(1).map(Expr::without_parens) {
        Some(Expr::Vector(selector)) => {
            let matchers = selector.matchers.iter().cloned();
            matchers.partition(|matcher| matcher.name() == METRIC_NAME)
        }
        _ => (vec![Matcher::equal(METRIC_NAME, DEFAULT_NAME)], Vec::new()),
    };
    let names = effective(names);
    // What is asked for labels gives labels, and gets none.
    let ignored = |column: &Column| names.iter().all(|matcher| matcher.matches(column.name()));
    let enriched: Vec<&Column> = base.columns.iter().filter(|column| !ignored(column)).collect();
    let infos = select(context, &enriched, &names, &wanted, shift, grid)?;
    let infos = Infos::of(infos, &base.columns, grid)?;
    let mut results: Vec<Column> = Vec::new();
    for column in &base.columns {
        if ignored(column) {
            results.push(column.clone());
        } else {
            infos.enrich(column, &wanted, &mut results)?;
        }
    }
    let columns = context.held(results)?.stream();
    Ok(Vector { columns, may_repeat: false })
}

/// When to look at the info metrics: when the first selector of the argument looks at its series.
fn reference(context: &Context<'_>, expr: &Expr) -> Option<Shift> {
    match expr {
        Expr::Vector(selector) => Some(Shift::of(context, selector)),
        Expr::Matrix(matrix) => Some(Shift::of(context, &matrix.selector)),
        Expr::Subquery(subquery) => {
            let mut shift = reference(context, &subquery.expr)?;
            if shift.at.is_none() {
                let offset_ms = subquery.offset.as_ref().map_or(0, crate::ast::Duration::millis);
                shift.offset_ms = shift.offset_ms.saturating_add(offset_ms);
                shift.at = context.at(subquery.at);
            }
            Some(shift)
        }
        _ => expr.children().find_map(|child| reference(context, child)),
    }
}

/// Matchers of names, of which at least one says what is wanted.
fn effective(mut names: Vec<Matcher>) -> Vec<Matcher> {
    if names.is_empty() {
        return vec![Matcher::equal(METRIC_NAME, DEFAULT_NAME)];
    }
    if !names.iter().any(|matcher| matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex)) {
        names.extend(Matcher::new(METRIC_NAME, MatchOp::Regex, ".+_info"));
    }
    names
}

/// The info series about what `columns` are about; their values are the times of their samples.
fn select(
    context: &Context<'_>,
    columns: &[&Column],
    names: &[Matcher],
    wanted: &[Matcher],
    shift: Shift,
    grid: Grid,
) -> Result<Vec<Column>, EvalError> {
    let mut matchers: Vec<Matcher> = names.iter().chain(wanted).cloned().collect();
    let mut any = false;
    for label in IDENTIFYING {
        let values: BTreeSet<&str> = columns.iter().filter_map(|column| column.labels.get(label)).collect();
        if values.is_empty() {
            continue;
        }
        any = true;
        let pattern = values.into_iter().map(regex::escape).collect::<Vec<_>>().join("|");
        let matcher = Matcher::new(label, MatchOp::Regex, &pattern);
        // Where there are too many values for a pattern, all series are read; those of other values match nothing.
        matchers.extend(matcher);
    }
    if !any {
        return Ok(Vec::new());
    }
    let select = SeriesSelect {
        matchers,
        hints: SeriesHints { step_ms: context.step_ms, range_ms: 0, function: Some("info") },
        ..SeriesSelect::default()
    };
    let vector = read_series(context, select, shift, grid, Aspect::FloatTime)?;
    let mut held = context.collect(vector)?;
    if let Some(bad) = held.columns.iter().find(|column| !column.histograms.is_empty()) {
        let labels = braced(&bad.labels);
        return Err(EvalError::query(format!("this should be an info metric, with float samples: {labels}")));
    }
    Ok(std::mem::take(&mut held.columns))
}

/// What an info series is about: its labels that identify.
fn subject(labels: &Labels) -> Labels {
    labels.keep(|name| IDENTIFYING.contains(&name))
}

/// Info series by metric and by what they are about.
struct Infos {
    grid: Grid,
    by_name: BTreeMap<String, HashMap<Labels, Vec<Column>>>,
}

impl Infos {
    /// # Errors
    /// Two of the same metric are about the same and equally new.
    fn of(infos: Vec<Column>, base: &[Column], grid: Grid) -> Result<Self, EvalError> {
        let mut active = Mask::none(grid.len());
        for column in base {
            active.or(&column.present);
        }
        let mut by_name: BTreeMap<String, HashMap<Labels, Vec<Column>>> = BTreeMap::new();
        for column in infos {
            let of_name = by_name.entry(column.name().to_owned()).or_default();
            let twins = of_name.entry(subject(&column.labels)).or_default();
            for twin in &*twins {
                let equally_new = |&step: &usize| {
                    active.get(step)
                        && twin.present.get(step)
                        && column.present.get(step)
                        && twin.values[step] == column.values[step]
                };
                if let Some(step) = (0..grid.len()).find(equally_new) {
                    let (first, second) = (braced(&twin.labels), braced(&column.labels));
                    let time = (column.values[step] * 1000.0).round();
                    return Err(EvalError::query(format!(
                        "found duplicate series for info metric: existing {first} @ {time}, new {second} @ {time}"
                    )));
                }
            }
            twins.push(column);
        }
        Ok(Self { grid, by_name })
    }

    /// Adds a series with the labels that it gets; several series where these change over time.
    fn enrich(
        &self,
        column: &Column,
        wanted: &[Matcher],
        results: &mut Vec<Column>,
    ) -> Result<(), EvalError> {
        let subject = subject(&column.labels);
        let candidates: Vec<&[Column]> =
            self.by_name.values().filter_map(|of_name| of_name.get(&subject)).map(Vec::as_slice).collect();
        let needs_match = wanted.iter().any(|matcher| !matcher.matches_absent());
        // Most series get the same labels at all steps.
        let mut last: Option<(Vec<Option<usize>>, Option<usize>)> = None;
        let from = results.len();
        for step in column.present.steps() {
            let newest: Vec<Option<usize>> = candidates.iter().map(|columns| newest(columns, step)).collect();
            let place = match &last {
                Some((before, place)) if *before == newest => *place,
                _ => {
                    let found = newest.iter().zip(&candidates);
                    let found: Vec<&Labels> =
                        found.filter_map(|(at, columns)| Some(&columns[(*at)?].labels)).collect();
                    if found.is_empty() && needs_match {
                        None
                    } else {
                        let labels = with_labels(&column.labels, &found, wanted)?;
                        Some(self.place(labels, column, from, results))
                    }
                }
            };
            last = Some((newest, place));
            if let (Some(place), Some(cell)) = (place, column.cell(step)) {
                results[place].set_cell(step, cell);
            }
        }
        Ok(())
    }

    fn place(&self, labels: Labels, of: &Column, from: usize, results: &mut Vec<Column>) -> usize {
        if let Some(at) = results[from..].iter().position(|result| result.labels == labels) {
            return from + at;
        }
        let mut result = Column::default();
        result.reset(self.grid.len());
        result.labels = labels;
        result.drop_name = of.drop_name;
        results.push(result);
        results.len() - 1
    }
}

/// The series whose sample at `step` is the newest.
fn newest(columns: &[Column], step: usize) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (at, column) in columns.iter().enumerate().filter(|(_, column)| column.present.get(step)) {
        if best.is_none_or(|best| columns[best].values[step] < column.values[step]) {
            best = Some(at);
        }
    }
    best
}

/// Labels with those of info series that they do not have.
fn with_labels(labels: &Labels, infos: &[&Labels], wanted: &[Matcher]) -> Result<Labels, EvalError> {
    let mut builder = LabelsBuilder::from(labels);
    for info in infos {
        for (name, value) in info.iter().filter(|&(name, _)| !is_metadata_label(name)) {
            if !wanted.is_empty() && !wanted.iter().any(|matcher| matcher.name() == name) {
                continue;
            }
            if labels.get(name).is_some() {
                continue;
            }
            match builder.get(name) {
                None => builder.push(name, value),
                Some(before) if before == value => {}
                Some(_) => return Err(EvalError::query(format!("conflicting label: {name}"))),
            }
        }
    }
    builder.build().map_err(|error| EvalError::query(error.to_string()))
}
