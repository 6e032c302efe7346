//! What all parts of an evaluation share, and where each kind of expression goes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use weir_signal::{Labels, ReadError, Scope, SeriesSource};

use super::annotation::{Annotation, Annotations};
use super::column::{Column, ColumnStream, Columns};
use super::error::EvalError;
use super::external::External;
use super::grid::Grid;
use super::{Options, Query, aggregate, binary, call, invariant, names, selector};
use crate::ast::{At, Expr, Span, UnaryOp};

/// What all parts of an evaluation share.
pub(super) struct Context<'a> {
    pub source: &'a dyn SeriesSource,
    pub external: &'a dyn External,
    pub scope: &'a Scope,
    pub options: &'a Options,
    /// The first time of the whole query.
    pub start_ms: i64,
    /// The last time of the whole query, even where no step falls on it.
    pub end_ms: i64,
    /// The step of the whole query; 0 for an instant.
    pub step_ms: i64,
    pub lookback_ms: i64,
    pub annotations: RefCell<Annotations>,
    /// The text of the query, where it is known.
    text: &'a str,
    /// What of histograms the expression that is being opened needs.
    pub needs: Cell<Needs>,
    /// Samples that are held now.
    held: Cell<usize>,
}

/// What of histograms is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Needs {
    /// All, as nobody said otherwise yet.
    #[default]
    Everything,
    /// Only how many observations there were, and their sum.
    Statistics,
    /// All, whatever is said further down.
    Buckets,
}

/// An instant vector: its series, one at a time.
pub(super) struct Vector<'c> {
    pub columns: Box<dyn ColumnStream + 'c>,
    /// Whether the same labels may come more than once. Such columns are one series, and must not have samples at the same
    /// step.
    pub may_repeat: bool,
}

/// A number for each step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    /// The same at all steps.
    Constant(f64),
    /// One for each.
    Steps(Vec<f64>),
}

impl Scalar {
    pub(super) fn at(&self, step: usize) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Steps(values) => values[step],
        }
    }

    pub(super) fn values(&self, len: usize) -> impl Iterator<Item = f64> + '_ {
        (0..len).map(|step| self.at(step))
    }

    pub(super) fn map(self, with: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(with(value)),
            Self::Steps(mut values) => {
                for value in &mut values {
                    *value = with(*value);
                }
                Self::Steps(values)
            }
        }
    }

    pub(super) fn zip(self, other: Self, with: impl Fn(f64, f64) -> f64) -> Self {
        match (self, other) {
            (a, Self::Constant(b)) => a.map(|a| with(a, b)),
            (Self::Constant(a), b) => b.map(|b| with(a, b)),
            (Self::Steps(mut a), Self::Steps(b)) => {
                for (a, b) in a.iter_mut().zip(b) {
                    *a = with(*a, b);
                }
                Self::Steps(a)
            }
        }
    }
}

/// Columns that are held together, counted against what may be held until they go.
pub(super) struct Held<'c> {
    pub columns: Vec<Column>,
    total: &'c Cell<usize>,
    samples: usize,
}

impl<'c> Held<'c> {
    /// The columns as a stream. They count as held until the stream goes.
    pub(super) fn stream(mut self) -> Box<dyn ColumnStream + 'c> {
        let columns = Columns::new(std::mem::take(&mut self.columns));
        Box::new(HeldStream { columns, _held: self })
    }
}

struct HeldStream<'c> {
    columns: Columns,
    _held: Held<'c>,
}

impl ColumnStream for HeldStream<'_> {
    fn next(&mut self, column: &mut Column) -> Result<bool, EvalError> {
        self.columns.next(column)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.total.set(self.total.get() - self.samples);
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(
        query: &'a Query,
        source: &'a dyn SeriesSource,
        external: &'a dyn External,
        scope: &'a Scope,
        start_ms: i64,
        end_ms: i64,
    ) -> Self {
        Self {
            source,
            external,
            scope,
            options: &query.options,
            start_ms,
            end_ms,
            step_ms: query.step_ms.max(0),
            lookback_ms: query.lookback_ms,
            annotations: RefCell::default(),
            text: &query.text,
            needs: Cell::default(),
            held: Cell::new(0),
        }
    }

    /// Opens what is within an expression that needs only some of the histograms it is given, or all of them.
    pub(super) fn needing<T>(&self, needs: Needs, open: impl FnOnce() -> T) -> T {
        let before = self.needs.get();
        self.needs.set(if before == Needs::Buckets { before } else { needs });
        let opened = open();
        self.needs.set(before);
        opened
    }

    /// What stands in the text of the query at `span`; `None` where the text is not known.
    pub(super) fn source_text(&self, span: Span) -> Option<&str> {
        self.text.get(span.start as usize..span.end as usize).filter(|text| !text.is_empty())
    }

    pub(super) fn annotate(&self, annotation: Annotation) {
        self.annotations.borrow_mut().add(annotation);
    }

    /// The time that an `@` names.
    pub(super) fn at(&self, at: Option<At>) -> Option<i64> {
        at.map(|at| match at {
            At::Time(time_ms) => time_ms,
            At::Start => self.start_ms,
            At::End => self.end_ms,
        })
    }

    /// Evaluates an expression that is an instant vector.
    pub(super) fn vector<'c>(&'c self, expr: &'c Expr, grid: Grid) -> Result<Vector<'c>, EvalError> {
        if grid.len() > self.options.samples_max {
            return Err(EvalError::TooManySamples);
        }
        if grid.is_empty() {
            return Ok(Vector { columns: Box::new(Columns::new(Vec::new())), may_repeat: false });
        }
        if !grid.is_instant() && invariant::is_invariant(expr) {
            let once = self.vector(expr, Grid::instant(grid.first()))?;
            return Ok(invariant::repeat(once, grid.len()));
        }
        match expr {
            Expr::Paren(paren) => self.vector(&paren.expr, grid),
            Expr::Vector(selector) => selector::instant(self, selector, grid),
            Expr::External(number) => {
                let columns = self.external.columns(*number, grid)?;
                Ok(Vector { columns, may_repeat: false })
            }
            Expr::Unary(unary) => match unary.op {
                UnaryOp::Plus => self.vector(&unary.expr, grid),
                UnaryOp::Minus => binary::negative(self, &unary.expr, grid),
            },
            Expr::Binary(binary) => binary::vector(self, binary, expr.span(), grid),
            Expr::Aggregate(aggregate) => aggregate::vector(self, aggregate, grid),
            Expr::Call(call) => call::vector(self, call, grid),
            Expr::Number(_) | Expr::String(_) | Expr::Matrix(_) | Expr::Subquery(_) => {
                unreachable!("the parser puts an instant vector where one is needed")
            }
        }
    }

    /// Evaluates an expression that is a scalar.
    pub(super) fn scalar(&self, expr: &Expr, grid: Grid) -> Result<Scalar, EvalError> {
        if grid.len() > self.options.samples_max {
            return Err(EvalError::TooManySamples);
        }
        if !grid.is_instant() && !grid.is_empty() && invariant::is_invariant(expr) {
            let once = self.scalar(expr, Grid::instant(grid.first()))?;
            return Ok(Scalar::Constant(once.at(0)));
        }
        match expr {
            Expr::Paren(paren) => self.scalar(&paren.expr, grid),
            Expr::Number(number) => Ok(Scalar::Constant(number.value)),
            Expr::Unary(unary) => {
                let value = self.scalar(&unary.expr, grid)?;
                Ok(if unary.op == UnaryOp::Minus { value.map(|value| -value) } else { value })
            }
            Expr::Binary(binary) => {
                let (lhs, rhs) = (self.scalar(&binary.lhs, grid)?, self.scalar(&binary.rhs, grid)?);
                Ok(lhs.zip(rhs, |a, b| binary::scalars(binary.op, a, b)))
            }
            Expr::Call(call) => call::scalar(self, call, grid),
            _ => unreachable!("the parser puts a scalar where one is needed"),
        }
    }

    /// Pulls all columns, each labels once.
    ///
    /// # Errors
    /// Two columns of the same labels have a sample at the same step; more samples than may be held; more series than the
    /// scope allows.
    pub(super) fn collect<'c>(&'c self, mut vector: Vector<'_>) -> Result<Held<'c>, EvalError> {
        let mut held = Held { columns: Vec::new(), total: &self.held, samples: 0 };
        let mut known: HashMap<Labels, usize> = HashMap::new();
        let mut column = Column::default();
        while vector.columns.next(&mut column)? {
            let column = std::mem::take(&mut column);
            self.hold(&mut held, column.len())?;
            if vector.may_repeat {
                match known.entry(column.labels.clone()) {
                    Entry::Occupied(entry) => {
                        held.columns[*entry.get()].merge(column)?;
                        continue;
                    }
                    Entry::Vacant(entry) => entry.insert(held.columns.len()),
                };
            }
            held.columns.push(column);
            self.check_series(held.columns.len())?;
        }
        Ok(held)
    }

    /// What was made of `arg`'s series, with their names dropped unless that is delayed.
    pub(super) fn renamed<'c>(&self, arg: &Expr, vector: Vector<'c>) -> Vector<'c> {
        let may_differ = self.options.type_and_unit_labels || names::may_differ(arg);
        if self.options.delayed_name_removal || !may_differ {
            return vector;
        }
        Vector { columns: Box::new(names::Checked::new(vector.columns)), may_repeat: true }
    }

    /// Columns that were made and are held from now on, each labels once.
    ///
    /// # Errors
    /// As [`Context::collect`].
    pub(super) fn held(&self, columns: Vec<Column>) -> Result<Held<'_>, EvalError> {
        self.collect(Vector { columns: Box::new(Columns::new(columns)), may_repeat: true })
    }

    pub(super) fn check_series(&self, series: usize) -> Result<(), EvalError> {
        let series_max = self.scope.budget.limits().series_max;
        if series as u64 > series_max { Err(ReadError::Series(series_max).into()) } else { Ok(()) }
    }

    fn hold(&self, held: &mut Held<'_>, samples: usize) -> Result<(), EvalError> {
        held.samples += samples;
        self.held.set(self.held.get() + samples);
        if self.held.get() > self.options.samples_max { Err(EvalError::TooManySamples) } else { Ok(()) }
    }
}
