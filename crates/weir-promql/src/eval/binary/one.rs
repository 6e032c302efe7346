//! Operators between an instant vector and a scalar.

use super::element::{Outcome, calculate, compare};
use super::{Expr, Operator, Scalar};
use crate::eval::column::{Cell, Column, ColumnStream, without_metadata};
use crate::eval::context::Vector;
use crate::eval::error::EvalError;
use crate::eval::mask::Mask;

/// On which side the scalar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

pub(super) fn with_scalar<'c>(
    operator: Operator<'c>,
    expr: &'c Expr,
    vector: Vector<'c>,
    scalar: Scalar,
    side: Side,
) -> Vector<'c> {
    let drops_name = operator.changes_meaning() || operator.returns_bool;
    let context = operator.context;
    let columns =
        WithScalar { operator, vector: vector.columns, scalar, side, drops_name, keep: Mask::default() };
    let vector = Vector { columns: Box::new(columns), ..vector };
    if drops_name { context.renamed(expr, vector) } else { vector }
}

struct WithScalar<'c> {
    operator: Operator<'c>,
    vector: Box<dyn ColumnStream + 'c>,
    scalar: Scalar,
    side: Side,
    drops_name: bool,
    keep: Mask,
}

impl ColumnStream for WithScalar<'_> {
    fn next(&mut self, column: &mut Column) -> Result<bool, EvalError> {
        while self.vector.next(column)? {
            if column.histograms.is_empty() && (self.floats(column) || self.compared(column)) {
            } else {
                self.cells(column);
            }
            if column.is_empty() {
                continue;
            }
            if self.drops_name {
                if !self.operator.context.options.delayed_name_removal {
                    column.labels = without_metadata(&column.labels);
                }
                column.drop_name = true;
            }
            return Ok(true);
        }
        Ok(false)
    }
}

impl WithScalar<'_> {
    /// A calculation on a column of floats; `false` where the operator is none.
    fn floats(&self, column: &mut Column) -> bool {
        let Some(calculate) = calculate(self.operator.op) else { return false };
        for (step, value) in column.values.iter_mut().enumerate() {
            let scalar = self.scalar.at(step);
            *value = match self.side {
                Side::Right => calculate(*value, scalar),
                Side::Left => calculate(scalar, *value),
            };
        }
        true
    }

    /// A comparison on a column of floats; `false` where the operator is none. What is kept is the vector's value, wherever
    /// it stands.
    fn compared(&self, column: &mut Column) -> bool {
        let Some(compare) = compare(self.operator.op) else { return false };
        let Column { values, present, .. } = column;
        let holds = |step: usize, value: f64| match self.side {
            Side::Right => compare(value, self.scalar.at(step)),
            Side::Left => compare(self.scalar.at(step), value),
        };
        if self.operator.returns_bool {
            for (step, value) in values.iter_mut().enumerate() {
                *value = f64::from(u8::from(holds(step, *value)));
            }
        } else {
            present.retain(|step| holds(step, values[step]));
        }
        true
    }

    /// Whatever samples.
    fn cells(&mut self, column: &mut Column) {
        let len = column.len();
        self.keep.copy_from(&column.present);
        let mut from = Column::default();
        std::mem::swap(&mut from, column);
        column.reset(len);
        column.labels = from.labels.clone();
        column.drop_name = from.drop_name;
        for step in self.keep.steps() {
            let Some(cell) = from.cell(step) else { continue };
            let scalar = Cell::Float(self.scalar.at(step));
            let outcome = match self.side {
                Side::Right => self.operator.join(cell.clone(), scalar),
                Side::Left => self.operator.join(scalar, cell.clone()),
            };
            let is_comparison = self.operator.op.is_comparison();
            match outcome {
                Outcome::Keep(..) if self.operator.returns_bool => column.set(step, 1.0),
                Outcome::Drop if self.operator.returns_bool => column.set(step, 0.0),
                Outcome::Keep(..) if is_comparison => column.set_cell(step, cell),
                Outcome::Keep(found, _) => column.set_cell(step, found),
                Outcome::Drop => {}
                Outcome::Incompatible(remark) => self.operator.context.annotate(remark),
            }
        }
    }
}
