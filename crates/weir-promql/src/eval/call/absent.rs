//! `absent`, `absent_over_time`: 1 where there is nothing.

use weir_signal::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};

use super::{Call, Column, Columns, Context, EvalError, Expr, Grid, Vector, range};
use crate::eval::mask::Mask;

pub(super) fn absent<'c>(
    context: &'c Context<'c>,
    call: &'c Call,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    let vector = context.vector(&call.args[0], grid)?;
    nothing(vector, grid, labels(call.args[0].without_parens()), false)
}

pub(super) fn over_time<'c>(
    context: &'c Context<'c>,
    call: &'c Call,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    let vector = range::vector(context, call, grid)?;
    nothing(vector, grid, labels(call.args[0].without_parens()), true)
}

fn nothing<'c>(
    mut vector: Vector<'_>,
    grid: Grid,
    labels: Labels,
    drop_name: bool,
) -> Result<Vector<'c>, EvalError> {
    let mut present = Mask::none(grid.len());
    let mut column = Column::default();
    while vector.columns.next(&mut column)? {
        present.or(&column.present);
    }
    let mut missing = Mask::all(grid.len());
    missing.and_not(&present);
    let mut columns = Vec::new();
    if !missing.is_empty() {
        columns.push(Column {
            labels,
            drop_name,
            values: vec![1.0; grid.len()],
            present: missing,
            histograms: Vec::new(),
        });
    }
    Ok(Vector { columns: Box::new(Columns::new(columns)), may_repeat: false })
}

/// The labels that a selector fixes to one value.
fn labels(expr: &Expr) -> Labels {
    let matchers: &[Matcher] = match expr {
        Expr::Vector(selector) => &selector.matchers,
        Expr::Matrix(matrix) => &matrix.selector.matchers,
        _ => &[],
    };
    let mut builder = LabelsBuilder::new();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name() != METRIC_NAME) {
        // A label that is asked for twice has no one value.
        if matcher.op() == MatchOp::Equal && !seen.contains(&matcher.name()) {
            builder.set(matcher.name(), matcher.value());
            seen.push(matcher.name());
        } else {
            builder.remove(matcher.name());
        }
    }
    builder.build().unwrap_or_default()
}
