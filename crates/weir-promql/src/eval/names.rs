//! Where dropping the names of series may make two of them the same.

use std::collections::HashMap;

use weir_signal::{Labels, METRIC_NAME, MatchOp, Matcher};

use super::column::{Column, ColumnStream};
use super::error::EvalError;
use super::mask::Mask;
use crate::ast::{Aggregate, AggregateOp, Binary, Call, Expr, UnaryOp, ValueType, VectorSelector};
use crate::functions::FunctionId;

/// Whether the series of an expression may differ in their names, where names are dropped as soon as something is
/// calculated.
pub(super) fn may_differ(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::String(_) => false,
        Expr::Vector(selector) => !names_one(selector),
        Expr::Matrix(matrix) => !names_one(&matrix.selector),
        Expr::Subquery(subquery) => may_differ(&subquery.expr),
        Expr::Paren(paren) => may_differ(&paren.expr),
        Expr::Unary(unary) => unary.op == UnaryOp::Plus && may_differ(&unary.expr),
        Expr::Binary(binary) => may_differ_after_operator(binary),
        Expr::Aggregate(aggregate) => may_differ_in_group(aggregate),
        Expr::Call(call) => may_differ_after_call(call),
        Expr::External(_) => true,
    }
}

fn names_one(selector: &VectorSelector) -> bool {
    let is_name = |matcher: &&Matcher| matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal;
    selector.matchers.iter().filter(is_name).any(|matcher| !matcher.value().is_empty())
}

fn may_differ_after_operator(binary: &Binary) -> bool {
    let calculates = !(binary.op.is_comparison() || binary.op.is_set());
    if calculates || binary.return_bool {
        return false;
    }
    let is_vector = |expr: &Expr| expr.value_type() == ValueType::Vector;
    match (is_vector(&binary.lhs), is_vector(&binary.rhs)) {
        (true, false) => may_differ(&binary.lhs),
        (false, true) => may_differ(&binary.rhs),
        _ => true,
    }
}

fn may_differ_in_group(aggregate: &Aggregate) -> bool {
    use AggregateOp as Op;
    match aggregate.op {
        Op::TopK | Op::BottomK | Op::LimitK | Op::LimitRatio => may_differ(&aggregate.expr),
        Op::CountValues => true,
        _ => !aggregate.without && aggregate.grouping.iter().any(|label| **label == *METRIC_NAME),
    }
}

fn may_differ_after_call(call: &Call) -> bool {
    use FunctionId as F;
    match call.function.id {
        F::LabelReplace | F::LabelJoin => true,
        F::Info
        | F::Sort
        | F::SortDesc
        | F::SortByLabel
        | F::SortByLabelDesc
        | F::FirstOverTime
        | F::LastOverTime => may_differ(&call.args[0]),
        _ => false,
    }
}

/// Columns of which the same labels may come again, checked as they pass.
pub(super) struct Checked<'c> {
    columns: Box<dyn ColumnStream + 'c>,
    seen: HashMap<Labels, Mask>,
}

impl<'c> Checked<'c> {
    pub(super) fn new(columns: Box<dyn ColumnStream + 'c>) -> Self {
        Self { columns, seen: HashMap::new() }
    }
}

impl ColumnStream for Checked<'_> {
    /// # Errors
    /// Two columns of the same labels have a sample at the same step.
    fn next(&mut self, column: &mut Column) -> Result<bool, EvalError> {
        if !self.columns.next(column)? {
            return Ok(false);
        }
        match self.seen.get_mut(&column.labels) {
            None => {
                self.seen.insert(column.labels.clone(), column.present.clone());
            }
            Some(before) if before.first_common(&column.present).is_some() => {
                return Err(EvalError::SameLabels);
            }
            Some(before) => before.or(&column.present),
        }
        Ok(true)
    }
}
