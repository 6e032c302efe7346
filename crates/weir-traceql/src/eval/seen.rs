//! Values while they are looked at: most are lent by the trace.

use std::borrow::Cow;
use std::cmp::Ordering;

use weir_signal::{SpanId, SpanKind, Status, TraceId, Value as Attached};

use crate::value::Value;

/// A value of a span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen<'a> {
    /// There is none.
    Nil,
    Int(i64),
    Float(f64),
    /// Nanoseconds.
    Duration(i64),
    Text(Cow<'a, str>),
    Bool(bool),
    Status(Status),
    Kind(SpanKind),
    Trace(TraceId),
    Span(SpanId),
    /// Several values of one attribute.
    Array(&'a [Attached]),
    /// One value of each event or link, none of which is nil. A comparison holds where it holds for one of them.
    Many(Vec<Seen<'a>>),
}

impl<'a> Seen<'a> {
    /// What an attribute holds. Bytes and maps are texts, as answers write them.
    pub(crate) fn of_attached(value: &'a Attached) -> Self {
        match value {
            Attached::Empty => Self::Nil,
            Attached::String(text) => Self::Text(Cow::Borrowed(text)),
            Attached::Bool(value) => Self::Bool(*value),
            Attached::Int(value) => Self::Int(*value),
            Attached::Double(value) => Self::Float(*value),
            Attached::Array(values) => Self::Array(values),
            Attached::Bytes(_) | Attached::Map(_) => Self::Text(Cow::Owned(value.to_string())),
        }
    }

    pub(crate) fn of_value(value: &'a Value) -> Self {
        match value {
            Value::Int(value) => Self::Int(*value),
            Value::Float(value) => Self::Float(*value),
            Value::Duration(nanos) => Self::Duration(*nanos),
            Value::Text(text) => Self::Text(Cow::Borrowed(text)),
            Value::Bool(value) => Self::Bool(*value),
            Value::Status(status) => Self::Status(*status),
            Value::Kind(kind) => Self::Kind(*kind),
            Value::Nil | Value::Array(_) => Self::Nil,
        }
    }

    /// For answers. Of several events or links it is the first one's.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Nil => Value::Nil,
            Self::Int(value) => Value::Int(value),
            Self::Float(value) => Value::Float(value),
            Self::Duration(nanos) => Value::Duration(nanos),
            Self::Text(text) => Value::Text(text.into()),
            Self::Bool(value) => Value::Bool(value),
            Self::Status(status) => Value::Status(status),
            Self::Kind(kind) => Value::Kind(kind),
            Self::Trace(id) => Value::Text(id.to_string().into()),
            Self::Span(id) => Value::Text(id.to_string().into()),
            Self::Array(values) => {
                Value::Array(values.iter().map(|value| Seen::of_attached(value).into_value()).collect())
            }
            Self::Many(values) => values.into_iter().next().map_or(Value::Nil, Seen::into_value),
        }
    }

    pub(crate) fn is_nil(&self) -> bool {
        match self {
            Self::Nil => true,
            Self::Many(values) => values.is_empty(),
            _ => false,
        }
    }

    /// The number, where it is one; a duration in nanoseconds.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) | Self::Duration(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, where it is one.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Trace(id) => Some(Cow::Owned(id.to_string())),
            Self::Span(id) => Some(Cow::Owned(id.to_string())),
            _ => None,
        }
    }

    /// Each of several events' or links' values, or the one value; nothing where there is none.
    pub(crate) fn each(self) -> Vec<Self> {
        match self {
            Self::Nil => Vec::new(),
            Self::Many(values) => values,
            one => vec![one],
        }
    }
}

/// A value as a key.
#[derive(Debug, Clone)]
pub(crate) struct Ordered(pub(crate) Value);

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.order(&other.0)
    }
}
