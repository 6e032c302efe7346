//! What is the same at every step is evaluated once.

use super::column::{Column, ColumnStream};
use super::context::Vector;
use super::error::EvalError;
use crate::ast::{Call, Expr};
use crate::functions::FunctionId;

/// Whether an expression has the same value at every step, as Prometheus sees it: all its selectors have an `@`, and no
/// function asks for the time.
pub(super) fn is_invariant(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Vector(selector) => selector.at.is_some(),
        Expr::Matrix(matrix) => matrix.selector.at.is_some(),
        // What is within may vary from one of its own steps to the next.
        Expr::Subquery(subquery) => subquery.at.is_some(),
        Expr::Unary(unary) => is_invariant(&unary.expr),
        Expr::Paren(paren) => is_invariant(&paren.expr),
        Expr::Binary(binary) => is_invariant(&binary.lhs) && is_invariant(&binary.rhs),
        // A parameter that varies does not count: that is how it is over there.
        Expr::Aggregate(aggregate) => is_invariant(&aggregate.expr),
        Expr::Call(call) => is_call_invariant(call),
        Expr::External(_) => false,
    }
}

fn is_call_invariant(call: &Call) -> bool {
    use FunctionId as F;
    match call.function.id {
        // Constants of the query.
        F::Start | F::End | F::Range | F::Step => true,
        F::DaysInMonth
        | F::DayOfMonth
        | F::DayOfWeek
        | F::DayOfYear
        | F::Hour
        | F::Minute
        | F::Month
        | F::Year
        | F::PredictLinear
        | F::Time => false,
        F::Timestamp => call.args.iter().all(|arg| match arg.without_parens() {
            arg @ Expr::Vector(_) => is_invariant(arg),
            _ => false,
        }),
        _ => call.args.iter().all(is_invariant),
    }
}

/// A vector of one step, repeated.
pub(super) fn repeat(once: Vector<'_>, len: usize) -> Vector<'_> {
    Vector { may_repeat: once.may_repeat, columns: Box::new(Repeat { once: once.columns, len }) }
}

struct Repeat<'c> {
    once: Box<dyn ColumnStream + 'c>,
    len: usize,
}

impl ColumnStream for Repeat<'_> {
    fn next(&mut self, column: &mut Column) -> Result<bool, EvalError> {
        if !self.once.next(column)? {
            return Ok(false);
        }
        let value = column.values[0];
        column.values.clear();
        column.values.resize(self.len, value);
        column.present.set_all(self.len);
        if let Some((_, histogram)) = column.histograms.pop() {
            column.histograms.extend((0..self.len as u32).map(|step| (step, histogram.clone())));
        }
        Ok(true)
    }
}
