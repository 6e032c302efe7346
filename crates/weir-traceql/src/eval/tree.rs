//! A trace and how its spans belong together.

use std::cell::OnceCell;
use std::collections::HashMap;

use weir_signal::{Span, SpanId, SpanKind, Trace};

/// A trace, with what is calculated once it is asked for.
pub(crate) struct Tree<'a> {
    trace: &'a Trace,
    family: OnceCell<Family>,
    ends: OnceCell<(i64, i64)>,
    root: OnceCell<Option<usize>>,
}

/// Parents, children, and the numbers of a walk through the trace.
#[derive(Debug)]
pub(crate) struct Family {
    /// The parent of each span, where it is there.
    pub(crate) parents: Vec<Option<usize>>,
    /// How many children each span has.
    pub(crate) children: Vec<u32>,
    /// When the walk enters and leaves a span, from 1; 0 for what is its own ancestor.
    pub(crate) bounds: Vec<(u32, u32)>,
}

impl Family {
    fn new(spans: &[Span]) -> Self {
        let parents = parents(spans);
        let mut below = vec![Vec::new(); spans.len()];
        for (child, parent) in parents.iter().enumerate() {
            if let Some(parent) = parent {
                below[*parent].push(child);
            }
        }
        let mut bounds = vec![(0, 0); spans.len()];
        let mut count = 0_u32;
        for top in (0..spans.len()).filter(|&span| parents[span].is_none()) {
            // Spans and how many of their children have been walked through.
            let mut open = vec![(top, 0)];
            while let Some((span, walked)) = open.last_mut() {
                let span = *span;
                if *walked == 0 {
                    count += 1;
                    bounds[span].0 = count;
                }
                if let Some(&child) = below[span].get(*walked) {
                    *walked += 1;
                    open.push((child, 0));
                } else {
                    count += 1;
                    bounds[span].1 = count;
                    open.pop();
                }
            }
        }
        let children = below.iter().map(|below| below.len() as u32).collect();
        Self { parents, children, bounds }
    }
}

/// The parent of each span. Zipkin gives both sides of a call one id: there the server's parent is the client, and what has
/// that id as its parent is the server's child.
fn parents(spans: &[Span]) -> Vec<Option<usize>> {
    let mut by_id: HashMap<SpanId, Vec<usize>> = HashMap::with_capacity(spans.len());
    for (index, span) in spans.iter().enumerate() {
        by_id.entry(span.id).or_default().push(index);
    }
    let found = |(index, span): (usize, &Span)| {
        let of_kind = |id: SpanId, kind: SpanKind| {
            let alike = by_id.get(&id)?;
            alike.iter().copied().find(|&other| other != index && spans[other].kind == kind)
        };
        if span.kind == SpanKind::Server
            && let Some(client) = of_kind(span.id, SpanKind::Client)
        {
            return Some(client);
        }
        if span.parent.is_zero() {
            return None;
        }
        let any = || by_id.get(&span.parent)?.iter().copied().find(|&other| other != index);
        of_kind(span.parent, SpanKind::Server).or_else(any)
    };
    spans.iter().enumerate().map(found).collect()
}

impl<'a> Tree<'a> {
    pub(crate) fn new(trace: &'a Trace) -> Self {
        Self { trace, family: OnceCell::new(), ends: OnceCell::new(), root: OnceCell::new() }
    }

    pub(crate) fn trace(&self) -> &'a Trace {
        self.trace
    }

    pub(crate) fn spans(&self) -> &'a [Span] {
        &self.trace.spans
    }

    pub(crate) fn family(&self) -> &Family {
        self.family.get_or_init(|| Family::new(&self.trace.spans))
    }

    /// The earliest start of a span and the latest end of one.
    pub(crate) fn ends(&self) -> (i64, i64) {
        *self.ends.get_or_init(|| {
            let spans = &self.trace.spans;
            let start = spans.iter().map(|span| span.start_ns).min().unwrap_or(0);
            (start, spans.iter().map(|span| span.end_ns).max().unwrap_or(start).max(start))
        })
    }

    /// Nanoseconds from the first start to the last end.
    pub(crate) fn duration_ns(&self) -> i64 {
        let (start, end) = self.ends();
        end.saturating_sub(start)
    }

    /// The first span without a parent; `None` where it has not come.
    pub(crate) fn root(&self) -> Option<&'a Span> {
        let root = self.root.get_or_init(|| {
            let roots = self.trace.spans.iter().enumerate().filter(|(_, span)| span.parent.is_zero());
            roots.min_by_key(|(_, span)| (span.start_ns, span.id)).map(|(index, _)| index)
        });
        root.map(|index| &self.trace.spans[index])
    }

    /// The number at which a walk enters the parent: -1 where there is no parent, 0 where it has not come.
    pub(crate) fn nested_set_parent(&self, span: usize) -> i64 {
        let family = self.family();
        match family.parents[span] {
            Some(parent) => i64::from(family.bounds[parent].0),
            None if self.trace.spans[span].parent.is_zero() => -1,
            None => 0,
        }
    }
}
