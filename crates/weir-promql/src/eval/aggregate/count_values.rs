//! `count_values`.

use std::collections::HashMap;

use weir_signal::{Labels, METRIC_NAME};

use super::Aggregation;
use crate::ast::Expr;
use crate::eval::column::{Column, is_label_name};
use crate::eval::error::EvalError;
use crate::eval::number::decimal;

/// For each group and value, how many of the group's samples have it; the value stands in `label`.
pub(super) fn of(aggregation: &Aggregation<'_>, label: &str, expr: &Expr) -> Result<Vec<Column>, EvalError> {
    let Aggregation { context, grid, grouping, .. } = *aggregation;
    if !is_label_name(label) {
        let written = context.source_text(aggregation.param_span).map(str::to_owned);
        let written = written.unwrap_or_else(|| format!("{label:?}"));
        return Err(EvalError::query(format!("invalid label name {written}")));
    }
    let held = context.collect(context.vector(expr, grid)?)?;
    let mut known: HashMap<(Labels, String), usize> = HashMap::new();
    let mut results: Vec<Column> = Vec::new();
    for column in &held.columns {
        // The label counts as set to the value: `by` keeps it, `without` keeps it unless it lists it.
        let is_listed = grouping.labels.iter().any(|listed| **listed == *label);
        let stays = !(grouping.without && (is_listed || label == METRIC_NAME));
        let group = grouping.of(&column.labels).without(|name| name == label);
        for step in column.present.steps() {
            let value = match column.histogram(step) {
                Some(histogram) => histogram.to_string(),
                None => decimal(column.values[step]),
            };
            let value = if stays { value } else { String::new() };
            let next = results.len();
            let number = match known.get(&(group.clone(), value.clone())) {
                Some(&number) => number,
                None => {
                    let mut result = Column::default();
                    result.reset(grid.len());
                    result.labels = group.with(label, &value).map_err(|error| {
                        EvalError::query(format!("invalid label name {label:?}: {error}"))
                    })?;
                    known.insert((group.clone(), value), next);
                    context.check_series(next + 1)?;
                    results.push(result);
                    next
                }
            };
            let so_far = if results[number].present.get(step) { results[number].values[step] } else { 0.0 };
            results[number].set(step, so_far + 1.0);
        }
    }
    Ok(results)
}
