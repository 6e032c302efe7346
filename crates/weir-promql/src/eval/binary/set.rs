//! `and`, `or`, `unless`.

use std::collections::HashMap;

use weir_signal::Labels;

use super::matching::signature;
use crate::ast::{BinaryOp, Matching};
use crate::eval::column::Column;
use crate::eval::mask::Mask;

/// What is left of both sides. Samples meet those of the other side that are alike in the labels that count, at the same
/// step.
pub(super) fn combine(
    op: BinaryOp,
    matching: &Matching,
    mut lhs: Vec<Column>,
    rhs: &[Column],
) -> Vec<Column> {
    let of_other = if op == BinaryOp::Or { present(matching, &lhs) } else { present(matching, rhs) };
    let other = |column: &Column| of_other.get(&signature(matching, &column.labels));
    if op == BinaryOp::Or {
        let added = rhs.iter().cloned().map(|mut column| {
            if let Some(mask) = other(&column) {
                without(&mut column, mask);
            }
            column
        });
        lhs.extend(added);
    } else {
        for column in &mut lhs {
            match (op, other(column)) {
                (BinaryOp::And, None) => column.reset(column.len()),
                (BinaryOp::And, Some(mask)) => column.keep(mask),
                (_, Some(mask)) => without(column, mask),
                (_, None) => {}
            }
        }
    }
    lhs.retain(|column| !column.is_empty());
    lhs
}

fn without(column: &mut Column, mask: &Mask) {
    let mut left = column.present.clone();
    left.and_not(mask);
    column.keep(&left);
}

/// For the labels that count: at which steps any series has a sample.
fn present(matching: &Matching, columns: &[Column]) -> HashMap<Labels, Mask> {
    let mut found: HashMap<Labels, Mask> = HashMap::new();
    for column in columns {
        let mask =
            found.entry(signature(matching, &column.labels)).or_insert_with(|| Mask::none(column.len()));
        mask.or(&column.present);
    }
    found
}
