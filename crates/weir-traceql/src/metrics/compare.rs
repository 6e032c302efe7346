//! How a selection of spans differs from the others: the values of all attributes on both sides.

use std::collections::BTreeMap;

use super::{Label, Row, Steps};
use crate::ast::{Attribute, AttributeScope, Compare, Intrinsic};
use crate::eval::{Ordered, Tree, holds};
use crate::value::Value;

/// The label that says what a series is.
const WHAT: &str = "__meta_type";

/// What every span has that is worth comparing: no ids, places or durations, of which each has its own.
const INTRINSICS: [Intrinsic; 8] = [
    Intrinsic::Name,
    Intrinsic::Kind,
    Intrinsic::Status,
    Intrinsic::StatusMessage,
    Intrinsic::RootName,
    Intrinsic::RootService,
    Intrinsic::InstrumentationName,
    Intrinsic::InstrumentationVersion,
];

/// Counts so far.
pub(super) struct Comparing<'a> {
    compare: &'a Compare,
    steps: &'a Steps,
    selection: Side,
    baseline: Side,
}

/// For each attribute by its text how many spans have which value, in each step.
#[derive(Default)]
struct Side(BTreeMap<String, BTreeMap<Ordered, Vec<f64>>>);

impl<'a> Comparing<'a> {
    pub(super) fn new(compare: &'a Compare, steps: &'a Steps) -> Self {
        Self { compare, steps, selection: Side::default(), baseline: Side::default() }
    }

    pub(super) fn len(&self) -> usize {
        [&self.selection, &self.baseline].iter().flat_map(|side| side.0.values()).map(BTreeMap::len).sum()
    }

    pub(super) fn add(&mut self, tree: &Tree<'_>, index: usize, slot: usize) {
        let span = &tree.spans()[index];
        let is_within =
            self.compare.within.is_none_or(|(from, to)| from < span.start_ns && span.start_ns <= to);
        let is_selected =
            is_within && self.compare.selection.as_ref().is_none_or(|field| holds(field, tree, index));
        let side = if is_selected { &mut self.selection } else { &mut self.baseline };
        let named = |scope: AttributeScope, attributes: &[weir_signal::Attribute]| {
            let attribute = |found: &weir_signal::Attribute| Attribute::Named {
                of_parent: false,
                scope,
                name: found.key.clone(),
            };
            attributes.iter().map(attribute).collect::<Vec<_>>()
        };
        let attributes = INTRINSICS
            .map(Attribute::Intrinsic)
            .into_iter()
            .chain(named(AttributeScope::Resource, &span.resource.attributes))
            .chain(named(AttributeScope::Span, &span.attributes));
        for attribute in attributes {
            let value = attribute.of(tree, index).into_value();
            if value == Value::Nil || matches!(&value, Value::Text(text) if text.is_empty()) {
                continue;
            }
            let counts = side.0.entry(attribute.to_string()).or_default().entry(Ordered(value));
            counts.or_insert_with(|| vec![0.0; self.steps.count()])[slot] += 1.0;
        }
    }

    pub(super) fn rows(self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (side, values_called, total_called) in
            [(self.baseline, "baseline", "baseline_total"), (self.selection, "selection", "selection_total")]
        {
            for (attribute, values) in side.0 {
                let row = |what: &str, value: Value, values: Vec<f64>| {
                    let of = Label { name: attribute.as_str().into(), value };
                    Row::new(vec![Label::text(WHAT, what), of], values)
                };
                let mut total = vec![0.0; self.steps.count()];
                values
                    .values()
                    .for_each(|counts| total.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count));
                rows.push(row(total_called, Value::Nil, total));
                let mut ranked: Vec<_> = values.into_iter().collect();
                // Of values that are as frequent the first ones stay first.
                ranked.sort_by(|a, b| b.1.iter().sum::<f64>().total_cmp(&a.1.iter().sum()));
                ranked.truncate(self.compare.top as usize);
                rows.extend(ranked.into_iter().map(|(value, counts)| row(values_called, value.0, counts)));
            }
        }
        rows
    }
}
