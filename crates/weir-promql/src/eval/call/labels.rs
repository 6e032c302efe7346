//! `label_replace`, `label_join`: labels made of labels.

use weir_signal::{Labels, METRIC_NAME, re2_whole};

use super::{Call, Column, Context, EvalError, Grid, Vector, text};
use crate::eval::column::{ColumnStream, is_label_name};
use crate::eval::names::Checked;

pub(super) fn replace<'c>(
    context: &'c Context<'c>,
    call: &'c Call,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    let [destination, replacement, source, pattern] = [1, 2, 3, 4].map(|at| text(&call.args[at]));
    let regex = re2_whole(pattern)
        .map_err(|_| EvalError::query(format!("invalid regular expression in label_replace(): {pattern}")))?;
    if !is_label_name(destination) {
        return Err(EvalError::query(format!(
            "invalid destination label name in label_replace(): {destination}"
        )));
    }
    let vector = context.vector(&call.args[0], grid)?;
    Ok(relabelled(vector, destination, move |labels| {
        let captures = regex.captures(labels.get(source).unwrap_or_default())?;
        let mut value = String::new();
        captures.expand(replacement, &mut value);
        Some(value)
    }))
}

pub(super) fn join<'c>(
    context: &'c Context<'c>,
    call: &'c Call,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    let (destination, separator) = (text(&call.args[1]), text(&call.args[2]));
    let sources: Vec<&str> = call.args[3..].iter().map(text).collect();
    if let Some(bad) = sources.iter().find(|source| !is_label_name(source)) {
        return Err(EvalError::query(format!("invalid source label name in label_join(): {bad}")));
    }
    if !is_label_name(destination) {
        return Err(EvalError::query(format!(
            "invalid destination label name in label_join(): {destination}"
        )));
    }
    let vector = context.vector(&call.args[0], grid)?;
    Ok(relabelled(vector, destination, move |labels| {
        let values: Vec<&str> = sources.iter().map(|source| labels.get(source).unwrap_or_default()).collect();
        Some(values.join(separator))
    }))
}

/// Each series with the label `name` set to what `value` answers, where it answers something.
fn relabelled<'c>(
    vector: Vector<'c>,
    name: &'c str,
    value: impl Fn(&Labels) -> Option<String> + 'c,
) -> Vector<'c> {
    let columns = Box::new(Relabelled { vector: vector.columns, name, value });
    Vector { columns: Box::new(Checked::new(columns)), may_repeat: true }
}

struct Relabelled<'c, F> {
    vector: Box<dyn ColumnStream + 'c>,
    name: &'c str,
    value: F,
}

impl<F: Fn(&Labels) -> Option<String>> ColumnStream for Relabelled<'_, F> {
    fn next(&mut self, column: &mut Column) -> Result<bool, EvalError> {
        if !self.vector.next(column)? {
            return Ok(false);
        }
        if let Some(value) = (self.value)(&column.labels) {
            let labels = column.labels.with(self.name, &value);
            column.labels = labels.map_err(|error| EvalError::query(error.to_string()))?;
            // A name that was given on purpose stays.
            column.drop_name &= self.name != METRIC_NAME;
        }
        Ok(true)
    }
}
