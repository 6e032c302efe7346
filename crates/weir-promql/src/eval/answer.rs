//! What a query answers.

use weir_signal::{Labels, Points};

use super::column::Cell;

/// A value, and what there is to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// What may make the value wrong, sorted.
    pub warnings: Vec<String>,
    /// What is worth knowing about it, sorted.
    pub infos: Vec<String>,
}

/// What an expression evaluates to. A query over a range answers a matrix, whatever its expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// A text.
    String(String),
    /// One sample for each series, in the order that the expression says; else ascending by labels.
    Vector(Vec<Sample>),
    /// Series with their samples, ascending by labels.
    Matrix(Vec<Series>),
}

/// A sample at the time of the query.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Of which series.
    pub labels: Labels,
    /// Its value.
    pub value: Cell,
}

/// A series and its samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Which.
    pub labels: Labels,
    /// Its samples; none is a staleness marker.
    pub points: Points,
}
