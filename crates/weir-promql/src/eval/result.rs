//! From columns to answers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use weir_signal::{Labels, Points};

use super::answer::{Sample, Series, Value};
use super::column::{Cell, Column, without_metadata};
use super::context::{Context, Vector};
use super::error::EvalError;
use super::grid::Grid;
use super::range::{self, Samples, Source, Windows};
use crate::ast::{Expr, Extension, ValueType};

/// The value of an expression at one time.
pub(super) fn at_instant(context: &Context<'_>, expr: &Expr, grid: Grid) -> Result<Value, EvalError> {
    let expr = expr.without_parens();
    Ok(match expr.value_type() {
        ValueType::Scalar => Value::Scalar(context.scalar(expr, grid)?.at(0)),
        ValueType::String => match expr {
            Expr::String(string) => Value::String(string.value.to_string()),
            _ => unreachable!("only a literal is a text"),
        },
        ValueType::Vector => {
            let columns = named(context, context.vector(expr, grid)?)?;
            let sample = |column: Column| {
                let value = column.cell(0)?;
                Some(Sample { labels: column.labels, value })
            };
            Value::Vector(columns.into_iter().filter_map(sample).collect())
        }
        ValueType::Matrix => Value::Matrix(samples(context, expr, grid)?),
    })
}

/// The values of an expression at several times.
pub(super) fn over_range(context: &Context<'_>, expr: &Expr, grid: Grid) -> Result<Value, EvalError> {
    if expr.value_type() == ValueType::Scalar {
        if grid.is_empty() {
            return Ok(Value::Matrix(Vec::new()));
        }
        let scalar = context.scalar(expr, grid)?;
        let mut points = Points::default();
        for (step, time) in grid.times().enumerate() {
            points.push(time, scalar.at(step), 0);
        }
        return Ok(Value::Matrix(vec![Series { labels: Labels::empty(), points }]));
    }
    let columns = named(context, context.vector(expr, grid)?)?;
    let series = |column: Column| Series { points: points(&column, grid), labels: column.labels };
    let mut series: Vec<Series> = columns.into_iter().map(series).collect();
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(Value::Matrix(series))
}

/// All columns, with the names gone whose removal was delayed, each labels once.
fn named(context: &Context<'_>, vector: Vector<'_>) -> Result<Vec<Column>, EvalError> {
    let mut held = context.collect(vector)?;
    let columns = std::mem::take(&mut held.columns);
    let mut known: HashMap<Labels, usize> = HashMap::new();
    let mut merged: Vec<Column> = Vec::with_capacity(columns.len());
    for mut column in columns {
        if column.drop_name && context.options.delayed_name_removal {
            column.labels = without_metadata(&column.labels);
        }
        match known.entry(column.labels.clone()) {
            Entry::Occupied(entry) => merged[*entry.get()].merge(column)?,
            Entry::Vacant(entry) => {
                entry.insert(merged.len());
                merged.push(column);
            }
        }
    }
    Ok(merged)
}

fn points(column: &Column, grid: Grid) -> Points {
    let mut points = Points::default();
    for step in column.present.steps() {
        match column.cell(step) {
            Some(Cell::Float(value)) => points.push(grid.time(step), value, 0),
            Some(Cell::Histogram(histogram)) => points.push_histogram(grid.time(step), histogram, 0),
            None => {}
        }
    }
    points
}

/// The samples of a range by themselves.
fn samples(context: &Context<'_>, expr: &Expr, grid: Grid) -> Result<Vec<Series>, EvalError> {
    let (mut source, windows) = match expr {
        Expr::Matrix(matrix) => Source::series(context, matrix, grid, None)?,
        Expr::Subquery(subquery) => Source::subquery(context, subquery, grid)?,
        _ => unreachable!("a range vector is a selector or a subquery"),
    };
    let mut found: Vec<Series> = Vec::new();
    let mut samples = Samples::default();
    let mut held = 0;
    while let Some(named) = source.next(context, &mut samples)? {
        let points = of_window(&windows, &samples)?;
        if points.is_empty() {
            continue;
        }
        held += points.len();
        if held > context.options.samples_max {
            return Err(EvalError::TooManySamples);
        }
        let labels = if named.drop_name && context.options.delayed_name_removal {
            without_metadata(&named.labels)
        } else {
            named.labels
        };
        found.push(Series { labels, points });
        context.check_series(found.len())?;
    }
    found.sort_by(|a, b| a.labels.cmp(&b.labels));
    if found.array_windows().any(|[a, b]| a.labels == b.labels) {
        return Err(EvalError::SameLabels);
    }
    Ok(found)
}

fn of_window(windows: &Windows, samples: &Samples) -> Result<Points, EvalError> {
    let (after, until) = windows.bounds(0);
    let (floats, histograms) = (samples.floats.within(after, until), samples.histograms.within(after, until));
    let mut points = Points::default();
    if let Some(extension) = windows.extension {
        if !histograms.is_empty() {
            let word = if extension == Extension::Anchored { "anchored" } else { "smoothed" };
            return Err(EvalError::query(format!("{word} modifier is not supported with histograms")));
        }
        let smoothed = extension == Extension::Smoothed;
        (points.times, points.values) = range::extend(floats, (windows.start(0), windows.end(0)), smoothed);
        return Ok(points);
    }
    let (mut float, mut histogram) = (0, 0);
    loop {
        let is_float = match (floats.times.get(float), histograms.times.get(histogram)) {
            (None, None) => return Ok(points),
            (Some(a), Some(b)) => a < b,
            (a, _) => a.is_some(),
        };
        if is_float {
            points.push(floats.times[float], floats.values[float], floats.start(float));
            float += 1;
        } else {
            let value = histograms.values[histogram].clone();
            points.push_histogram(histograms.times[histogram], value, histograms.start(histogram));
            histogram += 1;
        }
    }
}
