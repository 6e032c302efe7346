//! One number for a set of spans.

use super::operate::calculate;
use super::{Set, Tree};
use crate::ast::{Aggregate, AggregateOp, FieldOp, Scalar};
use crate::value::Value;

impl Scalar {
    /// Its value for a set, and what each aggregate in it gave by its text. Nil where no span has a number.
    pub(super) fn of(&self, tree: &Tree<'_>, set: &Set, told: &mut Vec<(String, Value)>) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Aggregate(aggregate) => {
                let value = aggregate.of(tree, set);
                told.push((aggregate.to_string(), value.clone()));
                value
            }
            Self::Binary(op, lhs, rhs) => calculate(*op, &lhs.of(tree, set, told), &rhs.of(tree, set, told)),
        }
    }
}

impl Aggregate {
    /// Values that are no numbers do not count.
    fn of(&self, tree: &Tree<'_>, set: &Set) -> Value {
        let Some(field) = &self.field else { return Value::Int(set.spans.len() as i64) };
        let seen = set.spans.iter().flat_map(|&span| field.of(tree, span).each());
        let numbers: Vec<Value> =
            seen.filter(|seen| seen.number().is_some()).map(super::Seen::into_value).collect();
        let number = |value: &Value| value.number().unwrap_or(f64::NAN);
        let order = |a: &&Value, b: &&Value| number(a).total_cmp(&number(b));
        match self.op {
            AggregateOp::Count => Value::Int(set.spans.len() as i64),
            AggregateOp::Min => numbers.iter().min_by(order).cloned().unwrap_or(Value::Nil),
            AggregateOp::Max => numbers.iter().max_by(order).cloned().unwrap_or(Value::Nil),
            AggregateOp::Sum => sum(&numbers),
            AggregateOp::Avg => match sum(&numbers) {
                Value::Duration(nanos) => Value::Duration(nanos / numbers.len() as i64),
                sum => calculate(FieldOp::Div, &sum, &Value::Float(numbers.len() as f64)),
            },
        }
    }
}

/// Whole numbers and durations stay what they are where all are such.
fn sum(numbers: &[Value]) -> Value {
    let all = |test: fn(&Value) -> bool| numbers.iter().all(test);
    let whole = || {
        numbers.iter().fold(0_i64, |sum, number| match number {
            Value::Int(value) | Value::Duration(value) => sum.saturating_add(*value),
            _ => sum,
        })
    };
    if numbers.is_empty() {
        Value::Nil
    } else if all(|number| matches!(number, Value::Int(_))) {
        Value::Int(whole())
    } else if all(|number| matches!(number, Value::Duration(_))) {
        Value::Duration(whole())
    } else {
        Value::Float(numbers.iter().filter_map(Value::number).sum())
    }
}
