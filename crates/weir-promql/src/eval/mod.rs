//! Tree and series to answer.
//!
//! An expression is not evaluated step by step but series by series: each part of a tree answers [`Column`]s, one for each
//! series, with a place for every step of the query. A selector pulls one series at a time from its source, a function over
//! ranges slides over that series' samples, an aggregation adds the column to its groups' and lets it go. So what is held at
//! once is the result, and one series for each selector; only what has to see all series together (binary operators between
//! vectors, ranks, quantiles, sorting) holds its operands.
//!
//! Values are those of Prometheus to the last bit: the order in which floats are added is the same, series ascending by
//! labels.

#![expect(clippy::float_cmp, reason = "values are compared as the language says, to the last bit")]
#![expect(
    clippy::cast_possible_wrap,
    reason = "places and numbers of steps are far below half of their types' range"
)]

mod aggregate;
mod annotation;
mod answer;
mod binary;
mod call;
mod column;
mod context;
mod error;
mod external;
mod grid;
mod invariant;
mod mask;
mod names;
mod number;
mod quantile;
mod range;
mod result;
mod selector;
#[cfg(test)]
mod tests;

use weir_signal::{Scope, SeriesSource};

use crate::ast::{Expr, ValueType};
use context::Context;

pub use answer::{Answer, Sample, Series, Value};
pub use column::{Cell, Column, ColumnStream, Columns};
pub use error::EvalError;
pub use external::{External, NoExternal};
pub use grid::Grid;
pub use mask::Mask;

/// How far back a selector looks for a sample where nobody says otherwise, in milliseconds.
pub const LOOKBACK_MS: i64 = 5 * 60 * 1000;

/// What is asked, and for which times.
#[derive(Debug, Clone)]
pub struct Query {
    /// The tree.
    pub expr: Expr,
    /// The text that the tree was made of, for the places that remarks name; without it they name none.
    pub text: String,
    /// The first time, in milliseconds since 1970.
    pub from_ms: i64,
    /// The last time, inclusive.
    pub to_ms: i64,
    /// From one time to the next, in milliseconds; 0 for one time only, which is `to_ms`.
    pub step_ms: i64,
    /// How old the sample of an instant vector may be, in milliseconds.
    pub lookback_ms: i64,
    /// How to evaluate.
    pub options: Options,
}

impl Query {
    /// For one time.
    pub fn instant(expr: Expr, text: &str, time_ms: i64) -> Self {
        Self::range(expr, text, time_ms, time_ms, 0)
    }

    /// For several times.
    pub fn range(expr: Expr, text: &str, from_ms: i64, to_ms: i64, step_ms: i64) -> Self {
        Self {
            expr,
            text: text.to_owned(),
            from_ms,
            to_ms,
            step_ms,
            lookback_ms: LOOKBACK_MS,
            options: Options::default(),
        }
    }
}

/// What Prometheus lets its operators choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether the names of calculated series go at the end of the evaluation rather than at once
    /// (`promql-delayed-name-removal`).
    pub delayed_name_removal: bool,
    /// Whether `__type__` rather than the ending of a name says what is a counter (`type-and-unit-labels`).
    pub type_and_unit_labels: bool,
    /// Whether counters begin anew where their start timestamps say so (`use-start-timestamps`).
    pub start_timestamps: bool,
    /// The step of a subquery that names none, in milliseconds.
    pub subquery_step_ms: i64,
    /// How many samples may be held at once.
    pub samples_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            delayed_name_removal: false,
            type_and_unit_labels: false,
            start_timestamps: false,
            subquery_step_ms: 60_000,
            samples_max: 50_000_000,
        }
    }
}

/// Evaluates a query. Series come from `source`, those of [`Expr::External`] from `external`; `scope` says what may be read
/// and what it may cost.
///
/// # Errors
/// What [`EvalError`] names; nothing is answered then.
pub fn evaluate(
    query: &Query,
    source: &dyn SeriesSource,
    external: &dyn External,
    scope: &Scope,
) -> Result<Answer, EvalError> {
    let is_range = query.step_ms > 0;
    let kind = query.expr.value_type();
    if is_range && matches!(kind, ValueType::Matrix | ValueType::String) {
        return Err(EvalError::query(format!(
            "invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector"
        )));
    }
    let grid = if is_range {
        Grid::range(query.from_ms, query.to_ms, query.step_ms)
    } else {
        Grid::instant(query.to_ms)
    };
    let (start_ms, end_ms) = if is_range { (query.from_ms, query.to_ms) } else { (query.to_ms, query.to_ms) };
    let mut expr = query.expr.clone();
    expr.resolve_durations(query.step_ms, end_ms.saturating_sub(start_ms))?;
    let context = Context::new(query, source, external, scope, start_ms, end_ms);
    let value = if is_range {
        result::over_range(&context, &expr, grid)?
    } else {
        result::at_instant(&context, &expr, grid)?
    };
    let (warnings, infos) = context.annotations.borrow().write(&query.text);
    Ok(Answer { value, warnings, infos })
}
