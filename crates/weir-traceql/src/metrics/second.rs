//! Series made of series.

use std::collections::BTreeMap;

use super::{Label, NAME, Row, order};
use crate::ast::{FieldOp, Second};
use crate::eval::Ordered;
use crate::value::Value;

impl Second {
    pub(super) fn of(&self, mut rows: Vec<Row>) -> Vec<Row> {
        match *self {
            Self::TopK(limit) => return best(rows, limit, |a, b| b.total_cmp(&a)),
            Self::BottomK(limit) => return best(rows, limit, |a, b| a.total_cmp(&b)),
            Self::Filter(op, limit) => {
                for row in &mut rows {
                    row.values
                        .iter_mut()
                        .filter(|value| !passes(op, **value, limit))
                        .for_each(|value| *value = f64::NAN);
                }
                rows.retain(|row| row.values.iter().any(|value| !value.is_nan()));
            }
            Self::WithNumber(op, number) => each(&mut rows, |value| calculate(op, value, number)),
            Self::NumberWith(number, op) => each(&mut rows, |value| calculate(op, number, value)),
        }
        rows
    }
}

fn each(rows: &mut [Row], calculate: impl Fn(f64) -> f64) {
    rows.iter_mut().flat_map(|row| &mut row.values).for_each(|value| *value = calculate(*value));
}

fn passes(op: FieldOp, value: f64, limit: f64) -> bool {
    match op {
        FieldOp::Equal => value == limit,
        FieldOp::NotEqual => value != limit && !value.is_nan(),
        FieldOp::Less => value < limit,
        FieldOp::LessOrEqual => value <= limit,
        FieldOp::Greater => value > limit,
        _ => value >= limit,
    }
}

fn calculate(op: FieldOp, lhs: f64, rhs: f64) -> f64 {
    match op {
        FieldOp::Add => lhs + rhs,
        FieldOp::Sub => lhs - rhs,
        FieldOp::Mul => lhs * rhs,
        _ if rhs == 0.0 => f64::NAN,
        _ => lhs / rhs,
    }
}

/// At each time so many series that come first by their value, of equal ones those whose labels come first.
fn best(mut rows: Vec<Row>, limit: u32, order: impl Fn(f64, f64) -> std::cmp::Ordering) -> Vec<Row> {
    let limit = limit as usize;
    if rows.len() <= limit {
        return rows;
    }
    rows.sort_by(Row::order);
    for step in 0..rows[0].values.len() {
        let mut ranked: Vec<usize> =
            (0..rows.len()).filter(|&row| !rows[row].values[step].is_nan()).collect();
        ranked.sort_by(|&a, &b| order(rows[a].values[step], rows[b].values[step]));
        ranked.drain(..limit.min(ranked.len()));
        ranked.into_iter().for_each(|row| rows[row].values[step] = f64::NAN);
    }
    rows.retain(|row| row.values.iter().any(|value| !value.is_nan()));
    rows
}

/// Calculates with the series of both sides that have the same labels. One without labels, where it is the only one, belongs
/// to each of the other side.
pub(super) fn join(op: FieldOp, lhs: &[Row], rhs: &[Row]) -> Vec<Row> {
    let (left, right) = (by_labels(lhs), by_labels(rhs));
    let keys = if right.contains_key(&Vec::new()) { left.keys() } else { right.keys() };
    let pair = |key| partner(&left, key).zip(partner(&right, key));
    let row = |(lhs, rhs): (&Row, &Row)| Row {
        labels: labels(op, &lhs.labels, &rhs.labels),
        values: lhs.values.iter().zip(&rhs.values).map(|(lhs, rhs)| calculate(op, *lhs, *rhs)).collect(),
        exemplars: lhs.exemplars.clone(),
    };
    let mut rows: Vec<Row> = keys.filter_map(|key| pair(key).map(row)).collect();
    rows.sort_by(|a, b| order(&a.labels, &b.labels));
    rows
}

type Key = Vec<(Box<str>, Ordered)>;

fn partner<'a>(side: &BTreeMap<Key, &'a Row>, key: &Key) -> Option<&'a Row> {
    side.get(key).or_else(|| side.get(&Vec::new())).copied()
}

fn by_labels(rows: &[Row]) -> BTreeMap<Key, &Row> {
    let key = |row: &Row| {
        let labels = row.labels.iter().filter(|label| &*label.name != NAME);
        labels.map(|label| (label.name.clone(), Ordered(label.value.clone()))).collect()
    };
    rows.iter().map(|row| (key(row), row)).collect()
}

/// Those of both, and what was calculated where both are of all spans.
fn labels(op: FieldOp, lhs: &[Label], rhs: &[Label]) -> Vec<Label> {
    let name = |labels: &[Label]| {
        labels.iter().find(|label| &*label.name == NAME).map(|label| label.value.to_string())
    };
    let is_kept = |label: &&Label| &*label.name != NAME;
    let mut labels: Vec<Label> = lhs.iter().filter(is_kept).cloned().collect();
    for label in rhs.iter().filter(is_kept) {
        if labels.iter().all(|known| known.name != label.name) {
            labels.push(label.clone());
        }
    }
    if let (Some(lhs), Some(rhs)) = (name(lhs), name(rhs)) {
        let text = format!("({lhs} {} {rhs})", op.as_str());
        labels.push(Label { name: NAME.into(), value: Value::Text(text.into()) });
    }
    labels
}
