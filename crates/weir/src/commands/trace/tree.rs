//! Which span stands below which.

use std::collections::HashMap;

use super::read::Span;

/// A span's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// Its number.
    pub(super) span: usize,
    /// For each span above it, from the first that has one above itself, and for itself: whether another stands below.
    pub(super) more_below: Vec<bool>,
    /// Whether it has children.
    pub(super) has_children: bool,
    /// Whether the span that caused it is not in the trace.
    pub(super) is_orphan: bool,
}

/// All spans, each once, parents before their children, siblings as they are listed. Of spans whose parents go round in a
/// circle the first listed is taken to have none.
pub(super) fn nodes(spans: &[Span]) -> Vec<Node> {
    // Where two spans share an id, as client and server do with Zipkin, the later one is the server, which causes more.
    let by_id: HashMap<&str, usize> =
        spans.iter().enumerate().map(|(index, span)| (span.id.as_str(), index)).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    let mut roots: Vec<(usize, bool)> = Vec::new();
    for (index, span) in spans.iter().enumerate() {
        let parent = span.parent.as_deref().map(|id| by_id.get(id).copied());
        match parent {
            Some(Some(parent)) if parent != index => children[parent].push(index),
            Some(None) => roots.push((index, true)),
            _ => roots.push((index, false)),
        }
    }
    let mut nodes = Vec::with_capacity(spans.len());
    let mut placed = vec![false; spans.len()];
    for &(root, is_orphan) in &roots {
        place(root, is_orphan, &children, &mut placed, &mut nodes);
    }
    for index in 0..spans.len() {
        if !placed[index] {
            place(index, false, &children, &mut placed, &mut nodes);
        }
    }
    nodes
}

/// Places a span and all below it. Without recursion: a trace may be as deep as it is long.
fn place(root: usize, is_orphan: bool, children: &[Vec<usize>], placed: &mut [bool], nodes: &mut Vec<Node>) {
    let mut left = vec![(root, Vec::new())];
    while let Some((span, more_below)) = left.pop() {
        if std::mem::replace(&mut placed[span], true) {
            continue;
        }
        let below: Vec<usize> = children[span].iter().copied().filter(|&child| !placed[child]).collect();
        for (index, &child) in below.iter().enumerate().rev() {
            let mut more = more_below.clone();
            more.push(index + 1 < below.len());
            left.push((child, more));
        }
        let is_orphan = is_orphan && span == root;
        nodes.push(Node { span, more_below, has_children: !below.is_empty(), is_orphan });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spans as `id<parent`, drawn by their depth.
    #[track_caller]
    fn check(spans: &[&str], expect: &str) {
        let spans: Vec<Span> = spans
            .iter()
            .map(|text| {
                let (id, parent) =
                    text.split_once('<').map_or((*text, None), |(id, parent)| (id, Some(parent)));
                Span { id: id.into(), parent: parent.map(str::to_owned), ..Span::default() }
            })
            .collect();
        let shown: Vec<String> = nodes(&spans)
            .iter()
            .map(|node| {
                let mark = if node.is_orphan { "?" } else { "" };
                format!("{}{}{mark}", "-".repeat(node.more_below.len()), spans[node.span].id)
            })
            .collect();
        assert_eq!(shown.join(" "), expect);
    }

    #[test]
    fn spans_stand_below_their_parents() {
        check(&["a", "b<a", "c<b", "d<a"], "a -b --c -d");
        check(&["b<a", "a"], "a -b");
        check(&["b<gone", "c<b"], "b? -c");
        check(&["a<a", "b<a"], "a -b");
        check(&["a<b", "b<a", "c<b"], "a -b --c");
        check(&["a", "x<a", "x<a", "c<x"], "a -x -x --c");
        check(&[], "");
    }

    proptest::proptest! {
        #[test]
        fn every_span_stands_once(parents in proptest::collection::vec(proptest::option::of(0_usize..40), 0..40)) {
            let spans: Vec<Span> = parents
                .iter()
                .enumerate()
                .map(|(id, parent)| Span { id: id.to_string(), parent: parent.map(|id| id.to_string()), ..Span::default() })
                .collect();
            let mut placed: Vec<usize> = nodes(&spans).iter().map(|node| node.span).collect();
            placed.sort_unstable();
            proptest::prop_assert_eq!(placed, (0..spans.len()).collect::<Vec<_>>());
        }
    }
}
