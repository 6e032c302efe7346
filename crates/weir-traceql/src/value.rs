//! Values of fields, as a query writes them and as answers tell them.

use std::cmp::Ordering;
use std::fmt;

use weir_signal::{SpanKind, Status};

use crate::duration::format_duration;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// There is none.
    Nil,
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(Box<str>),
    /// True or false.
    Bool(bool),
    /// Nanoseconds.
    Duration(i64),
    /// How a span ended.
    Status(Status),
    /// Which side of a call a span is.
    Kind(SpanKind),
    /// Several values.
    Array(Vec<Value>),
}

impl Value {
    /// The number, where it is one; a duration in nanoseconds.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) | Self::Duration(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// A total order, for answers: by kind of value, numbers among each other by size.
    pub fn order(&self, other: &Self) -> Ordering {
        let rank = |value: &Self| match value {
            Self::Nil => 0,
            Self::Int(_) | Self::Float(_) => 1,
            Self::Duration(_) => 2,
            Self::Text(_) => 3,
            Self::Bool(_) => 4,
            Self::Status(_) => 5,
            Self::Kind(_) => 6,
            Self::Array(_) => 7,
        };
        match (self, other) {
            (Self::Int(a), Self::Int(b)) | (Self::Duration(a), Self::Duration(b)) => a.cmp(b),
            (Self::Int(_), Self::Float(_)) | (Self::Float(_), Self::Int(_)) => {
                let numbers = (self.number().unwrap_or(0.0), other.number().unwrap_or(0.0));
                numbers
                    .0
                    .total_cmp(&numbers.1)
                    .then(matches!(self, Self::Float(_)).cmp(&matches!(other, Self::Float(_))))
            }
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Status(a), Self::Status(b)) => a.cmp(b),
            (Self::Kind(a), Self::Kind(b)) => a.cmp(b),
            (Self::Array(a), Self::Array(b)) => {
                let differs = a.iter().zip(b).map(|(a, b)| a.order(b)).find(|order| order.is_ne());
                differs.unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

/// As answers write it where only text can stand: texts without quotes, durations with units, arrays in brackets.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => out.write_str("nil"),
            Self::Int(value) => write!(out, "{value}"),
            Self::Float(value) => write!(out, "{value}"),
            Self::Text(text) => out.write_str(text),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Duration(nanos) => out.write_str(&format_duration(*nanos)),
            Self::Status(status) => out.write_str(status.as_str()),
            Self::Kind(kind) => out.write_str(kind.as_str()),
            Self::Array(values) => {
                out.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.write_str(", ")?;
                    }
                    write!(out, "{value}")?;
                }
                out.write_str("]")
            }
        }
    }
}
