//! `sort`, `sort_desc`, `sort_by_label`, `sort_by_label_desc`: the order of an answer for one time.

use std::cmp::Ordering;

use super::{Annotation, Call, Column, Context, EvalError, Grid, Vector, natural, text};
use crate::functions::FunctionId;

pub(super) fn sort<'c>(
    context: &'c Context<'c>,
    call: &'c Call,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    use FunctionId as F;
    let vector = context.vector(&call.args[0], grid)?;
    let function = call.function.id;
    let by_value = matches!(function, F::Sort | F::SortDesc);
    if !grid.is_instant() {
        context.annotate(Annotation::sort_in_range_query(call.span));
    }
    let mut held = context.collect(vector)?;
    let mut columns = std::mem::take(&mut held.columns);
    if by_value {
        columns.iter_mut().for_each(Column::keep_floats);
        columns.retain(|column| !column.is_empty());
    }
    if grid.is_instant() {
        let labels: Vec<&str> = call.args[1..].iter().map(text).collect();
        columns.sort_by(|a, b| match function {
            F::Sort => by_number(a.values[0], b.values[0]),
            F::SortDesc => by_number(-a.values[0], -b.values[0]),
            F::SortByLabel => by_labels(&labels, a, b),
            _ => by_labels(&labels, b, a),
        });
    }
    drop(held);
    let columns = context.held(columns)?.stream();
    Ok(Vector { columns, may_repeat: false })
}

/// Ascending, NaN last.
fn by_number(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (a, b) => a.cmp(&b),
    }
}

fn by_labels(names: &[&str], a: &Column, b: &Column) -> Ordering {
    let value = |column: &Column, name: &str| column.labels.get(name).unwrap_or_default().to_owned();
    let listed = names.iter().map(|name| natural::compare(&value(a, name), &value(b, name)));
    listed.fold(Ordering::Equal, Ordering::then).then_with(|| a.labels.cmp(&b.labels))
}
