//! Which spans on one side stand in a relation to one on the other.

use super::Tree;
use crate::ast::{Outcome, Relation};

/// The spans that a relation selects, ascending. Both sides are ascending.
///
/// A span that is its own ancestor, by an error of its sender, descends from nothing.
pub(super) fn related(
    tree: &Tree<'_>,
    relation: Relation,
    outcome: Outcome,
    lhs: &[usize],
    rhs: &[usize],
) -> Vec<usize> {
    let has_partner = partners(tree, relation, lhs, rhs);
    let chosen =
        |wanted: bool| rhs.iter().zip(&has_partner).filter(move |pair| *pair.1 == wanted).map(|pair| *pair.0);
    match outcome {
        Outcome::Right => chosen(true).collect(),
        Outcome::Without => chosen(false).collect(),
        Outcome::Both => {
            let back = partners(tree, inverse(relation), rhs, lhs);
            let left = lhs.iter().zip(back).filter(|pair| pair.1).map(|pair| *pair.0);
            let mut both: Vec<usize> = left.chain(chosen(true)).collect();
            both.sort_unstable();
            both.dedup();
            both
        }
    }
}

fn inverse(relation: Relation) -> Relation {
    match relation {
        Relation::Child => Relation::Parent,
        Relation::Parent => Relation::Child,
        Relation::Descendant => Relation::Ancestor,
        Relation::Ancestor => Relation::Descendant,
        Relation::Sibling => Relation::Sibling,
    }
}

/// For each span of the right side whether it has a partner on the left.
fn partners(tree: &Tree<'_>, relation: Relation, lhs: &[usize], rhs: &[usize]) -> Vec<bool> {
    let family = tree.family();
    let parent = |span: &usize| family.parents[*span];
    let of_right = |test: &dyn Fn(&usize) -> bool| rhs.iter().map(test).collect();
    match relation {
        Relation::Child => {
            let is_left = marked(tree, lhs.iter().copied());
            of_right(&|span| parent(span).is_some_and(|parent| is_left[parent]))
        }
        Relation::Parent => {
            let has_child = marked(tree, lhs.iter().filter_map(parent));
            of_right(&|span| has_child[*span])
        }
        Relation::Sibling => {
            let mut below = vec![0_u32; tree.spans().len()];
            lhs.iter().filter_map(parent).for_each(|parent| below[parent] += 1);
            let is_left = marked(tree, lhs.iter().copied());
            of_right(&|span| parent(span).is_some_and(|parent| below[parent] > u32::from(is_left[*span])))
        }
        Relation::Descendant => {
            // Bounds lie within each other or apart: of those that are entered before a span, one encloses it if the last
            // one to be left is left after it.
            let mut bounds = bounds(tree, lhs);
            let mut last = 0;
            for bound in &mut bounds {
                last = last.max(bound.1);
                bound.1 = last;
            }
            of_right(&|span| {
                let entered = family.bounds[*span].0;
                let before = bounds.partition_point(|bound| bound.0 < entered);
                before > 0 && bounds[before - 1].1 > entered
            })
        }
        Relation::Ancestor => {
            let bounds = bounds(tree, lhs);
            of_right(&|span| {
                let (entered, left) = family.bounds[*span];
                let after = bounds.partition_point(|bound| bound.0 <= entered);
                entered > 0 && bounds.get(after).is_some_and(|bound| bound.0 < left)
            })
        }
    }
}

fn marked(tree: &Tree<'_>, spans: impl Iterator<Item = usize>) -> Vec<bool> {
    let mut marks = vec![false; tree.spans().len()];
    spans.for_each(|span| marks[span] = true);
    marks
}

/// The bounds of spans, ascending.
fn bounds(tree: &Tree<'_>, spans: &[usize]) -> Vec<(u32, u32)> {
    let family = tree.family();
    let mut bounds: Vec<_> =
        spans.iter().map(|&span| family.bounds[span]).filter(|bound| bound.0 > 0).collect();
    bounds.sort_unstable();
    bounds
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_signal::{Span, SpanId, Trace};

    use super::*;

    /// A trace of spans with ids from 1, each with the id of its parent; 0 for none.
    fn trace(parents: &[u8]) -> Trace {
        let id = |id: usize| SpanId((id as u64).to_be_bytes());
        let span = |(index, parent): (usize, &u8)| Span {
            id: id(index + 1),
            parent: id(usize::from(*parent)),
            ..Span::default()
        };
        Trace { spans: parents.iter().enumerate().map(span).collect(), ..Trace::default() }
    }

    /// The same by the meaning of the words. Whoever goes around in circles is lost.
    fn is_related(tree: &Tree<'_>, relation: Relation, left: usize, right: usize) -> bool {
        let parent = |span: usize| tree.family().parents[span];
        let above = |span: usize| {
            let mut line = Vec::new();
            let mut at = parent(span);
            while let Some(span) = at {
                line.push(span);
                at = parent(span);
                if line.len() > tree.spans().len() {
                    return Vec::new();
                }
            }
            line
        };
        match relation {
            Relation::Child => parent(right) == Some(left),
            Relation::Parent => parent(left) == Some(right),
            Relation::Sibling => left != right && parent(left).is_some() && parent(left) == parent(right),
            Relation::Descendant => above(right).contains(&left),
            Relation::Ancestor => above(left).contains(&right),
        }
    }

    proptest! {
        #[test]
        fn relations_are_what_their_words_say(
            parents in prop::collection::vec(0_u8..16, 1..14),
            left in prop::collection::vec(any::<bool>(), 14),
            right in prop::collection::vec(any::<bool>(), 14),
        ) {
            let trace = trace(&parents);
            let tree = Tree::new(&trace);
            let side = |marks: &[bool]| (0..parents.len()).filter(|&span| marks[span]).collect::<Vec<_>>();
            let (lhs, rhs) = (side(&left), side(&right));
            for relation in
                [Relation::Child, Relation::Parent, Relation::Sibling, Relation::Descendant, Relation::Ancestor]
            {
                let is_met = |right: &usize| lhs.iter().any(|&left| is_related(&tree, relation, left, *right));
                let meets = |left: &usize| rhs.iter().any(|&right| is_related(&tree, relation, *left, right));
                let met: Vec<usize> = rhs.iter().copied().filter(is_met).collect();
                let without: Vec<usize> = rhs.iter().copied().filter(|span| !is_met(span)).collect();
                let mut both: Vec<usize> = lhs.iter().copied().filter(meets).chain(met.clone()).collect();
                both.sort_unstable();
                both.dedup();
                let related = |outcome| related(&tree, relation, outcome, &lhs, &rhs);
                prop_assert_eq!(related(Outcome::Right), met, "{:?}", relation);
                prop_assert_eq!(related(Outcome::Without), without, "{:?}", relation);
                prop_assert_eq!(related(Outcome::Both), both, "{:?}", relation);
            }
        }
    }
}
