//! Aggregations: many series into one for each group.

mod count_values;
mod deviation;
mod extreme;
mod groups;
mod quantile;
mod rank;
mod sum;

use super::annotation::Annotation;
use super::column::{Column, Columns};
use super::context::{Context, Vector};
use super::error::EvalError;
use super::grid::Grid;
use crate::ast::{Aggregate, AggregateOp, Expr, Span};
use groups::{Grouping, accumulate};

/// What all aggregations know.
pub(super) struct Aggregation<'c> {
    context: &'c Context<'c>,
    op: AggregateOp,
    grouping: Grouping<'c>,
    grid: Grid,
    /// Where the aggregation stands.
    span: Span,
    /// Where its series stand.
    expr_span: Span,
    /// Where its parameter stands.
    param_span: Span,
}

pub(super) fn vector<'c>(
    context: &'c Context<'c>,
    aggregate: &'c Aggregate,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    use AggregateOp as Op;
    let param = aggregate.param.as_ref().map(Expr::without_parens);
    let expr = aggregate.expr.without_parens();
    let aggregation = Aggregation {
        context,
        op: aggregate.op,
        grouping: Grouping { without: aggregate.without, labels: &aggregate.grouping },
        grid,
        span: aggregate.span,
        expr_span: expr.span(),
        param_span: param.map(Expr::span).unwrap_or_default(),
    };
    let this = &aggregation;
    let columns: Vec<Column> = match (aggregate.op, param) {
        (Op::Sum | Op::Avg, _) => accumulate::<sum::Sum>(this, context.vector(expr, grid)?)?,
        (Op::Min | Op::Max, _) => accumulate::<extreme::Extreme>(this, context.vector(expr, grid)?)?,
        (Op::Count | Op::Group, _) => accumulate::<extreme::Count>(this, context.vector(expr, grid)?)?,
        (Op::Stddev | Op::Stdvar, _) => {
            accumulate::<deviation::Deviation>(this, context.vector(expr, grid)?)?
        }
        (Op::CountValues, Some(Expr::String(label))) => count_values::of(this, &label.value, expr)?,
        (Op::Quantile, Some(param)) => quantile::of(this, &context.scalar(param, grid)?, expr)?,
        (Op::TopK | Op::BottomK | Op::LimitK | Op::LimitRatio, Some(param)) => {
            rank::of(this, &context.scalar(param, grid)?, expr)?
        }
        _ => unreachable!("the parser gives these a parameter"),
    };
    context.check_series(columns.len())?;
    Ok(Vector { columns: Box::new(Columns::new(columns)), may_repeat: false })
}

impl Aggregation<'_> {
    fn note_ignored_histogram(&self) {
        self.context.annotate(Annotation::histogram_ignored(self.expr_span, self.op.as_str()));
    }
}
