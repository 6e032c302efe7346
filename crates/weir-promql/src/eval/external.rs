//! Instant vectors that come from elsewhere.

use super::column::{ColumnStream, Columns};
use super::error::EvalError;
use super::grid::Grid;

/// Answers the leaves of a tree that are not selectors of series ([`Expr::External`](crate::ast::Expr::External)): other
/// languages bring instant vectors of their own and leave what is done with them to this one.
pub trait External {
    /// The columns of leaf `number` at the times of `grid`, each with as many places as that has times; their labels do not
    /// repeat. None, unless implemented.
    ///
    /// # Errors
    /// Whatever ends the evaluation.
    fn columns(&self, number: usize, grid: Grid) -> Result<Box<dyn ColumnStream + '_>, EvalError> {
        let _ = (number, grid);
        Ok(Box::new(Columns::new(Vec::new())))
    }
}

/// Nothing comes from elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoExternal;

impl External for NoExternal {}
