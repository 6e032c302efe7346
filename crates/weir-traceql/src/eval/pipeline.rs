//! Sets of spans on their way through a pipeline.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::operate::compare;
use super::relation::related;
use super::{Ordered, Seen, Tree, holds};
use crate::ast::{Field, Pipeline, Spans, SpansOp, Stage};
use crate::value::Value;

/// Spans of one trace that belong together. Never empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Set {
    /// Their places in the trace, ascending.
    pub(crate) spans: Vec<usize>,
    /// What it was made by (`by(name)`) and what aggregates gave (`count()`), in that order.
    pub(crate) attributes: Vec<(String, Value)>,
}

/// What a pipeline leaves of a trace.
pub(crate) fn run(pipeline: &Pipeline, tree: &Tree<'_>) -> Vec<Set> {
    let all = Set { spans: (0..tree.spans().len()).collect(), attributes: Vec::new() };
    if all.spans.is_empty() { Vec::new() } else { pipeline.run(tree, vec![all]) }
}

impl Pipeline {
    fn run(&self, tree: &Tree<'_>, mut sets: Vec<Set>) -> Vec<Set> {
        for stage in &self.stages {
            sets = match stage {
                Stage::Spans(spans) => {
                    let selected = sets.into_iter().map(|set| Set { spans: spans.of(tree, &set), ..set });
                    selected.filter(|set| !set.spans.is_empty()).collect()
                }
                Stage::Filter(filter) => {
                    let passes = |mut set: Set| {
                        let mut told = Vec::new();
                        let lhs = filter.lhs.of(tree, &set, &mut told);
                        let rhs = filter.rhs.of(tree, &set, &mut told);
                        for (name, value) in told {
                            set.attributes.retain(|known| known.0 != name);
                            set.attributes.push((name, value));
                        }
                        compare(filter.op, &Seen::of_value(&lhs), &Seen::of_value(&rhs)).then_some(set)
                    };
                    sets.into_iter().filter_map(passes).collect()
                }
                Stage::By(field) => sets.into_iter().flat_map(|set| grouped(field, tree, &set)).collect(),
                Stage::Coalesce => coalesced(&sets),
                Stage::Select(_) => sets,
            };
            if sets.is_empty() {
                break;
            }
        }
        sets
    }
}

impl Spans {
    /// Which spans of a set it selects, ascending.
    fn of(&self, tree: &Tree<'_>, set: &Set) -> Vec<usize> {
        match self {
            Self::Filter(None) => set.spans.clone(),
            Self::Filter(Some(field)) => {
                set.spans.iter().copied().filter(|&span| holds(field, tree, span)).collect()
            }
            Self::Pipeline(pipeline) => united(pipeline.run(tree, vec![set.clone()])),
            Self::Binary(binary) => {
                let (lhs, rhs) = (binary.lhs.of(tree, set), binary.rhs.of(tree, set));
                match binary.op {
                    SpansOp::And if lhs.is_empty() || rhs.is_empty() => Vec::new(),
                    SpansOp::And | SpansOp::Or => united([lhs, rhs]),
                    SpansOp::Structural(relation, outcome) => related(tree, relation, outcome, &lhs, &rhs),
                }
            }
        }
    }
}

impl From<Set> for Vec<usize> {
    fn from(set: Set) -> Self {
        set.spans
    }
}

/// All spans of several sets, ascending.
fn united<T: Into<Vec<usize>>>(sets: impl IntoIterator<Item = T>) -> Vec<usize> {
    let mut spans: Vec<usize> = sets.into_iter().flat_map(Into::into).collect();
    spans.sort_unstable();
    spans.dedup();
    spans
}

/// One set of all, which forgets what each was made by.
fn coalesced(sets: &[Set]) -> Vec<Set> {
    let spans = united(sets.iter().map(|set| set.spans.clone()));
    if spans.is_empty() { Vec::new() } else { vec![Set { spans, attributes: Vec::new() }] }
}

/// A set for each value, in the order in which spans have them.
fn grouped(field: &Field, tree: &Tree<'_>, set: &Set) -> Vec<Set> {
    let mut places: BTreeMap<Ordered, usize> = BTreeMap::new();
    let mut groups: Vec<Set> = Vec::new();
    let name = format!("by({field})");
    for &span in &set.spans {
        let value = field.of(tree, span).into_value();
        let group = match places.entry(Ordered(value)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let mut attributes = set.attributes.clone();
                attributes.push((name.clone(), new.key().0.clone()));
                groups.push(Set { spans: Vec::new(), attributes });
                *new.insert(groups.len() - 1)
            }
        };
        groups[group].spans.push(span);
    }
    groups
}
