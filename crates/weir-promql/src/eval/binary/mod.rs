//! Binary operators, and the sign.

mod element;
mod matching;
mod one;
mod set;

use std::sync::Arc;

use super::column::{Column, ColumnStream, without_metadata};
use super::context::{Context, Needs, Scalar, Vector};
use super::error::EvalError;
use super::grid::Grid;
use crate::ast::{Binary, BinaryOp, Expr, Span, ValueType};

pub(super) use element::scalars;

/// Evaluates an operator of which at least one side is an instant vector.
pub(super) fn vector<'c>(
    context: &'c Context<'c>,
    binary: &'c Binary,
    span: Span,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    let operator = Operator { context, op: binary.op, returns_bool: binary.return_bool, span };
    match (binary.lhs.value_type(), binary.rhs.value_type()) {
        (ValueType::Vector, ValueType::Vector) => {
            let mut lhs = context.collect(context.vector(&binary.lhs, grid)?)?;
            let rhs = context.collect(context.vector(&binary.rhs, grid)?)?;
            let matching = binary.matching.clone().unwrap_or_default();
            let columns = if binary.op.is_set() {
                set::combine(binary.op, &matching, std::mem::take(&mut lhs.columns), &rhs.columns)
            } else {
                matching::combine(&operator, &matching, &lhs.columns, &rhs.columns, grid.len())?
            };
            drop((lhs, rhs));
            Ok(Vector { columns: context.held(columns)?.stream(), may_repeat: false })
        }
        (ValueType::Vector, _) => {
            let scalar = context.scalar(&binary.rhs, grid)?;
            let is_trim = matches!(binary.op, BinaryOp::TrimLower | BinaryOp::TrimUpper);
            let needs = if is_trim { Needs::Buckets } else { context.needs.get() };
            let vector = context.needing(needs, || context.vector(&binary.lhs, grid))?;
            Ok(one::with_scalar(operator, &binary.lhs, vector, scalar, one::Side::Right))
        }
        _ => {
            let scalar = context.scalar(&binary.lhs, grid)?;
            let vector = context.vector(&binary.rhs, grid)?;
            Ok(one::with_scalar(operator, &binary.rhs, vector, scalar, one::Side::Left))
        }
    }
}

/// An operator between vectors.
pub(super) struct Operator<'c> {
    context: &'c Context<'c>,
    op: BinaryOp,
    returns_bool: bool,
    span: Span,
}

impl Operator<'_> {
    /// Whether the result is something else than its operands were.
    fn changes_meaning(&self) -> bool {
        use BinaryOp as Op;
        matches!(self.op, Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Mod | Op::Pow | Op::Atan2)
    }
}

/// Evaluates `-vector`.
pub(super) fn negative<'c>(
    context: &'c Context<'c>,
    expr: &'c Expr,
    grid: Grid,
) -> Result<Vector<'c>, EvalError> {
    let vector = context.vector(expr, grid)?;
    let delayed = context.options.delayed_name_removal;
    let columns = Box::new(Negative { vector: vector.columns, delayed });
    Ok(context.renamed(expr, Vector { columns, ..vector }))
}

struct Negative<'c> {
    vector: Box<dyn ColumnStream + 'c>,
    delayed: bool,
}

impl ColumnStream for Negative<'_> {
    fn next(&mut self, column: &mut Column) -> Result<bool, EvalError> {
        if !self.vector.next(column)? {
            return Ok(false);
        }
        column.values.iter_mut().for_each(|value| *value = -*value);
        for (_, histogram) in &mut column.histograms {
            Arc::make_mut(histogram).mul(-1.0);
        }
        if !self.delayed {
            column.labels = without_metadata(&column.labels);
        }
        column.drop_name = true;
        Ok(true)
    }
}
