//! Two values made one.

use std::cmp::Ordering;

use weir_signal::{SpanId, TraceId};

use super::Seen;
use crate::ast::{FieldOp, Pattern};
use crate::value::Value;

/// A calculation with values that no span has.
pub(crate) fn calculate(op: FieldOp, lhs: &Value, rhs: &Value) -> Value {
    operate(op, &Seen::of_value(lhs), &Seen::of_value(rhs)).into_value()
}

/// Arithmetic. Whole numbers stay whole (and wrap around); all others become floats. What is no number, or a division of
/// whole numbers by zero, gives nil.
pub(super) fn operate<'a>(op: FieldOp, lhs: &Seen<'a>, rhs: &Seen<'a>) -> Seen<'a> {
    let each = |values: &[Seen<'a>], with: &dyn Fn(&Seen<'a>) -> Seen<'a>| {
        Seen::Many(values.iter().map(with).filter(|value| !value.is_nil()).collect())
    };
    match (lhs, rhs) {
        (Seen::Many(values), _) => each(values, &|value| operate(op, value, rhs)),
        (_, Seen::Many(values)) => each(values, &|value| operate(op, lhs, value)),
        (Seen::Int(lhs), Seen::Int(rhs)) => whole(op, *lhs, *rhs).map_or(Seen::Nil, Seen::Int),
        // A sign in front of a duration leaves it one.
        (Seen::Int(0), Seen::Duration(nanos)) if op == FieldOp::Sub => Seen::Duration(nanos.wrapping_neg()),
        _ => match (lhs.number(), rhs.number()) {
            (Some(lhs), Some(rhs)) => Seen::Float(float(op, lhs, rhs)),
            _ => Seen::Nil,
        },
    }
}

fn whole(op: FieldOp, lhs: i64, rhs: i64) -> Option<i64> {
    Some(match op {
        FieldOp::Add => lhs.wrapping_add(rhs),
        FieldOp::Sub => lhs.wrapping_sub(rhs),
        FieldOp::Mul => lhs.wrapping_mul(rhs),
        FieldOp::Div if rhs != 0 => lhs.wrapping_div(rhs),
        FieldOp::Mod if rhs != 0 => lhs.wrapping_rem(rhs),
        FieldOp::Pow => (lhs as f64).powf(rhs as f64) as i64,
        _ => return None,
    })
}

fn float(op: FieldOp, lhs: f64, rhs: f64) -> f64 {
    match op {
        FieldOp::Add => lhs + rhs,
        FieldOp::Sub => lhs - rhs,
        FieldOp::Mul => lhs * rhs,
        FieldOp::Div => lhs / rhs,
        FieldOp::Mod => lhs % rhs,
        _ => lhs.powf(rhs),
    }
}

/// Whether a comparison holds: for one of several events' or links' values, for one value of an array; `!=` for all of an
/// array. Nothing holds for nil, nor between values of different types.
pub(super) fn compare(op: FieldOp, lhs: &Seen<'_>, rhs: &Seen<'_>) -> bool {
    let quantified = |values: &[weir_signal::Value], holds: &dyn Fn(&Seen<'_>) -> bool| {
        let mut values = values.iter().map(Seen::of_attached);
        if op == FieldOp::NotEqual {
            values.all(|value| holds(&value))
        } else {
            values.any(|value| holds(&value))
        }
    };
    match (lhs, rhs) {
        (Seen::Many(values), _) => values.iter().any(|value| compare(op, value, rhs)),
        (_, Seen::Many(values)) => values.iter().any(|value| compare(op, lhs, value)),
        (Seen::Array(_), Seen::Array(_) | Seen::Nil) | (Seen::Nil, Seen::Array(_)) => false,
        (Seen::Array(values), _) => quantified(values, &|value| compare(op, value, rhs)),
        (_, Seen::Array(values)) => quantified(values, &|value| compare(op, lhs, value)),
        _ => order(lhs, rhs).is_some_and(|(order, is_ordered)| match op {
            FieldOp::Equal => order == Some(Ordering::Equal),
            FieldOp::NotEqual => order != Some(Ordering::Equal),
            FieldOp::Less => is_ordered && order == Some(Ordering::Less),
            FieldOp::LessOrEqual => is_ordered && matches!(order, Some(Ordering::Less | Ordering::Equal)),
            FieldOp::Greater => is_ordered && order == Some(Ordering::Greater),
            FieldOp::GreaterOrEqual => {
                is_ordered && matches!(order, Some(Ordering::Greater | Ordering::Equal))
            }
            _ => false,
        }),
    }
}

/// How two values of a type compare (not at all where one is NaN), and whether that type has an order.
fn order(lhs: &Seen<'_>, rhs: &Seen<'_>) -> Option<(Option<Ordering>, bool)> {
    let unordered = |equal: bool| Some((Some(if equal { Ordering::Equal } else { Ordering::Less }), false));
    match (lhs, rhs) {
        (Seen::Int(lhs) | Seen::Duration(lhs), Seen::Int(rhs) | Seen::Duration(rhs)) => {
            Some((Some(lhs.cmp(rhs)), true))
        }
        (Seen::Bool(lhs), Seen::Bool(rhs)) => unordered(lhs == rhs),
        (Seen::Status(lhs), Seen::Status(rhs)) => unordered(lhs == rhs),
        (Seen::Kind(lhs), Seen::Kind(rhs)) => unordered(lhs == rhs),
        (Seen::Text(lhs), Seen::Text(rhs)) => Some((Some(lhs.cmp(rhs)), true)),
        // Ids are the same however many zeros they are written with.
        (Seen::Trace(id), Seen::Text(text)) if TraceId::parse(text) == Some(*id) => {
            Some((Some(Ordering::Equal), true))
        }
        (Seen::Span(id), Seen::Text(text)) if SpanId::parse(text) == Some(*id) => {
            Some((Some(Ordering::Equal), true))
        }
        (Seen::Text(_), Seen::Trace(_) | Seen::Span(_)) => {
            order(rhs, lhs).map(|(order, is_ordered)| (order.map(Ordering::reverse), is_ordered))
        }
        _ => match (lhs.number(), rhs.number()) {
            (Some(lhs), Some(rhs)) => Some((lhs.partial_cmp(&rhs), true)),
            _ => lhs.text().zip(rhs.text()).map(|(lhs, rhs)| (Some(lhs.cmp(&rhs)), true)),
        },
    }
}

/// Whether a text matches; of several, one of them.
pub(super) fn any_matches(seen: &Seen<'_>, pattern: &Pattern) -> bool {
    match seen {
        Seen::Many(values) => values.iter().any(|value| any_matches(value, pattern)),
        Seen::Array(values) => values.iter().any(|value| any_matches(&Seen::of_attached(value), pattern)),
        other => other.text().is_some_and(|text| pattern.matches(&text)),
    }
}

/// Whether a text does not match; of several events' or links' one of them, of an array all.
pub(super) fn none_matches(seen: &Seen<'_>, pattern: &Pattern) -> bool {
    match seen {
        Seen::Many(values) => values.iter().any(|value| none_matches(value, pattern)),
        Seen::Array(values) => values.iter().all(|value| none_matches(&Seen::of_attached(value), pattern)),
        other => other.text().is_some_and(|text| !pattern.matches(&text)),
    }
}
