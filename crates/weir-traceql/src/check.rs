//! Types: which operators make sense between which operands.

use crate::ast::{Attribute, Field, FieldOp, Intrinsic};
use crate::value::Value;

/// What an expression evaluates to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// Whatever an attribute has.
    Any,
    Int,
    Float,
    Duration,
    Text,
    Bool,
    Status,
    Kind,
}

impl Type {
    fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Duration)
    }

    fn allows(self, op: FieldOp) -> bool {
        match self {
            Self::Any => true,
            Self::Int | Self::Float | Self::Duration => !matches!(op, FieldOp::And | FieldOp::Or),
            Self::Text => op.is_comparison(),
            Self::Bool => matches!(op, FieldOp::And | FieldOp::Or | FieldOp::Equal | FieldOp::NotEqual),
            Self::Status | Self::Kind => matches!(op, FieldOp::Equal | FieldOp::NotEqual),
        }
    }
}

/// The type that an expression has whatever the span.
pub(crate) fn type_of(field: &Field) -> Type {
    match field {
        Field::Value(value) => match value {
            Value::Int(_) => Type::Int,
            Value::Float(_) => Type::Float,
            Value::Duration(_) => Type::Duration,
            Value::Text(_) => Type::Text,
            Value::Bool(_) => Type::Bool,
            Value::Status(_) => Type::Status,
            Value::Kind(_) => Type::Kind,
            Value::Nil | Value::Array(_) => Type::Any,
        },
        Field::Attribute(attribute) => type_of_attribute(attribute),
        Field::Negative(field) => type_of(field),
        Field::Binary(op, lhs, rhs) if op.is_arithmetic() => match type_of(lhs) {
            Type::Any => type_of(rhs),
            known => known,
        },
        Field::Not(_)
        | Field::Exists(_)
        | Field::Missing(_)
        | Field::Binary(..)
        | Field::Matches(..)
        | Field::MatchesNot(..) => Type::Bool,
    }
}

fn type_of_attribute(attribute: &Attribute) -> Type {
    let Attribute::Intrinsic(intrinsic) = attribute else { return Type::Any };
    match intrinsic {
        Intrinsic::Duration | Intrinsic::TraceDuration | Intrinsic::EventTimeSinceStart => Type::Duration,
        Intrinsic::Status => Type::Status,
        Intrinsic::Kind => Type::Kind,
        Intrinsic::ChildCount
        | Intrinsic::NestedSetLeft
        | Intrinsic::NestedSetRight
        | Intrinsic::NestedSetParent => Type::Int,
        Intrinsic::Name
        | Intrinsic::StatusMessage
        | Intrinsic::SpanId
        | Intrinsic::ParentId
        | Intrinsic::RootName
        | Intrinsic::RootService
        | Intrinsic::TraceId
        | Intrinsic::EventName
        | Intrinsic::LinkTraceId
        | Intrinsic::LinkSpanId
        | Intrinsic::InstrumentationName
        | Intrinsic::InstrumentationVersion => Type::Text,
    }
}

/// Whether an expression has this type, or may have it.
pub(crate) fn may_be(field: &Field, wanted: Type) -> bool {
    let found = type_of(field);
    found == Type::Any || found == wanted
}

/// Whether an expression is a number, or may be one.
pub(crate) fn may_be_number(field: &Field) -> bool {
    let found = type_of(field);
    found == Type::Any || found.is_number()
}

/// Whether an operator makes sense between two expressions; else why not.
pub(crate) fn operation(op: FieldOp, lhs: &Field, rhs: &Field) -> Result<(), &'static str> {
    let (lhs, rhs) = (type_of(lhs), type_of(rhs));
    let alike = lhs == rhs || lhs == Type::Any || rhs == Type::Any || (lhs.is_number() && rhs.is_number());
    if !alike {
        return Err("both sides have to be of the same type");
    }
    if !lhs.allows(op) || !rhs.allows(op) {
        return Err("this operator is not for values of such a type");
    }
    Ok(())
}

/// Whether an expression depends on the span.
pub(crate) fn refers_to_span(field: &Field) -> bool {
    match field {
        Field::Value(_) => false,
        Field::Attribute(_) => true,
        Field::Not(field)
        | Field::Negative(field)
        | Field::Exists(field)
        | Field::Missing(field)
        | Field::Matches(field, _)
        | Field::MatchesNot(field, _) => refers_to_span(field),
        Field::Binary(_, lhs, rhs) => refers_to_span(lhs) || refers_to_span(rhs),
    }
}
