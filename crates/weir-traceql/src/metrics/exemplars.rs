//! Spans that values are of.

use std::collections::BTreeMap;

use super::{Exemplar, Row};
use crate::eval::Tree;

/// Of each step, and of each bucket where there are such, the span with the largest number so far; of equal ones the one whose
/// trace and span come first. So the order in which spans come makes no difference.
#[derive(Debug, Default)]
pub(super) struct Largest(BTreeMap<(usize, u64), Exemplar>);

impl Largest {
    pub(super) fn add(&mut self, tree: &Tree<'_>, span: usize, slot: usize, bucket: u64, value: f64) {
        let span = &tree.spans()[span];
        let (trace, time_ms) = (span.trace, span.start_ns.div_euclid(1_000_000));
        let new = Exemplar { trace, span: span.id, time_ms, value };
        let held = self.0.entry((slot, bucket)).or_insert(new);
        let order = new.value.total_cmp(&held.value).reverse();
        if order.then((new.trace, new.span).cmp(&(held.trace, held.span))).is_lt() {
            *held = new;
        }
    }

    /// Those of one bucket, or of all of them, by step.
    pub(super) fn of(&self, bucket: Option<u64>) -> Vec<(usize, Exemplar)> {
        let wanted = |key: &&(usize, u64)| bucket.is_none_or(|bucket| bucket == key.1);
        self.0.keys().filter(wanted).map(|key| (key.0, self.0[key])).collect()
    }
}

/// For each row the spans to tell of it, so many in all. A step that has no value any more has no span either.
pub(super) fn chosen(rows: &[Row], most: usize) -> Vec<Vec<Exemplar>> {
    let mut all: Vec<(usize, Exemplar)> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        for &(slot, exemplar) in &row.exemplars {
            let value = row.values[slot];
            if !value.is_nan() {
                let own = if exemplar.value.is_nan() { value } else { exemplar.value };
                all.push((at, Exemplar { value: own, ..exemplar }));
            }
        }
    }
    let key = |(at, one): &(usize, Exemplar)| (one.time_ms, one.trace, one.span, *at);
    all.sort_by_key(key);
    let count = all.len();
    let mut chosen = vec![Vec::new(); rows.len()];
    for index in 0..count.min(most) {
        let (row, exemplar) = all[index * count / count.min(most)];
        chosen[row].push(exemplar);
    }
    chosen
}
