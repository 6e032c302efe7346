//! `quantile`.

use super::Aggregation;
use super::groups::Known;
use crate::ast::Expr;
use crate::eval::annotation::Annotation;
use crate::eval::column::Column;
use crate::eval::context::Scalar;
use crate::eval::error::EvalError;
use crate::eval::quantile::{of_sorted, sort};

pub(super) fn of(
    aggregation: &Aggregation<'_>,
    quantiles: &Scalar,
    expr: &Expr,
) -> Result<Vec<Column>, EvalError> {
    let Aggregation { context, grid, .. } = *aggregation;
    note_invalid(aggregation, quantiles);
    let mut held = context.collect(context.vector(expr, grid)?)?;
    let mut known = Known::default();
    let mut groups: Vec<(Column, Vec<usize>)> = Vec::new();
    for (at, column) in held.columns.iter_mut().enumerate() {
        if !column.histograms.is_empty() {
            aggregation.note_ignored_histogram();
            column.keep_floats();
        }
        let labels = aggregation.grouping.of(&column.labels);
        let number = known.number(labels.clone());
        if number == groups.len() {
            let mut result = Column::default();
            result.reset(grid.len());
            result.labels = labels;
            groups.push((result, Vec::new()));
        }
        groups[number].0.drop_name |= column.drop_name;
        groups[number].1.push(at);
    }
    let mut values = Vec::new();
    for (result, members) in &mut groups {
        for step in 0..grid.len() {
            values.clear();
            let present = members.iter().map(|&at| &held.columns[at]);
            values
                .extend(present.filter(|column| column.present.get(step)).map(|column| column.values[step]));
            if !values.is_empty() {
                sort(&mut values);
                result.set(step, of_sorted(quantiles.at(step), &values));
            }
        }
    }
    Ok(groups.into_iter().map(|(result, _)| result).filter(|result| !result.is_empty()).collect())
}

fn note_invalid(aggregation: &Aggregation<'_>, quantiles: &Scalar) {
    let len = aggregation.grid.len();
    let note = |quantile| {
        aggregation.context.annotate(Annotation::invalid_quantile(aggregation.param_span, quantile));
    };
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut has_nan = false;
    for quantile in quantiles.values(len) {
        has_nan |= quantile.is_nan();
        min = min.min(quantile);
        max = max.max(quantile);
    }
    if has_nan {
        note(f64::NAN);
        return;
    }
    if max > 1.0 {
        note(max);
    }
    if min < 0.0 {
        note(min);
    }
}
