//! Traces that may match, newest first, without looking at all of them.
//!
//! Blocks that may have what the leading condition asks for are opened from the newest on. What is found in one is a trace's
//! id, and a time that its first span in the range is not later than. The trace is put together when no other that could
//! come before it is left: neither one that was found, nor one in a block that is not opened yet, whose spans all begin
//! before the block's latest start. Only a trace that is found by a span outside the range may have its first one within at
//! any time: blocks that reach out of the range are opened first.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashSet};

use weir_block::or_left_out;
use weir_signal::{ReadError, SpanCondition, SpanSelect, Trace, TraceId, TraceStream};

use super::head::Row;
use super::matching::meets;
use super::read::{Place, Sources};

/// What a trace is found by may lie so far outside the range, where a span of it lies within.
const MARGIN_NS: i64 = 900_000_000_000;

pub(super) struct Search {
    sources: Sources,
    from_ns: i64,
    to_ns: i64,
    conditions: Vec<SpanCondition>,
    /// The one that finds traces: that which leaves the fewest blocks.
    lead: Option<SpanCondition>,
    /// Blocks to open, the next last: what the first spans in the range of the traces found in it are not later than; place;
    /// number.
    blocks: Vec<(i64, usize, u32)>,
    found: BinaryHeap<Found>,
    known: HashSet<TraceId>,
}

/// A trace that was found. The greatest comes next.
struct Found {
    /// The start of its first span in the range; as long as it is not put together, that is not later.
    time: i64,
    id: TraceId,
    trace: Option<Trace>,
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, Reverse(self.id)).cmp(&(other.time, Reverse(other.id)))
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Found {}

impl Search {
    pub(super) fn new(sources: Sources, select: &SpanSelect) -> Result<Self, ReadError> {
        let mut search = Self {
            from_ns: select.from_ns.max(sources.kept_from_ns),
            to_ns: select.to_ns,
            conditions: select.conditions.clone(),
            lead: None,
            blocks: Vec::new(),
            found: BinaryHeap::new(),
            known: HashSet::new(),
            sources,
        };
        if search.from_ns >= search.to_ns {
            return Ok(search);
        }
        search.blocks = search.candidates(None)?;
        for condition in &select.conditions {
            let blocks = search.candidates(Some(condition))?;
            if search.lead.is_none() || blocks.len() < search.blocks.len() {
                (search.lead, search.blocks) = (Some(condition.clone()), blocks);
            }
        }
        search.blocks.sort_unstable();
        search.find_in_memory()?;
        Ok(search)
    }

    fn candidates(&self, condition: Option<&SpanCondition>) -> Result<Vec<(i64, usize, u32)>, ReadError> {
        // Without a condition, a trace is found by its spans in the range.
        let margin = if condition.is_some() { MARGIN_NS } else { 0 };
        let (from, to) = (self.from_ns.saturating_sub(margin), self.to_ns.saturating_add(margin));
        let last = self.to_ns - 1;
        let mut blocks = Vec::new();
        for (at, place) in self.sources.places.iter().enumerate() {
            for info in place.segment.candidates(from, to, condition, &mut &self.sources.watch)? {
                let reaches_out = condition.is_some() && info.from_ns < self.from_ns;
                let latest = if reaches_out { last } else { info.to_ns.min(last) };
                blocks.push((latest, at, info.number));
            }
        }
        Ok(blocks)
    }

    fn find_in_memory(&mut self) -> Result<(), ReadError> {
        let memory = std::mem::take(&mut self.sources.memory);
        self.sources.scope.budget.charge(memory.len() as u64, 0)?;
        for trace in memory.chunk_by(|a, b| a.trace == b.trace) {
            let leads = |row: &Row| self.lead.as_ref().is_none_or(|lead| meets(&row.span, lead));
            if trace.iter().any(leads) {
                let starts: Vec<i64> = trace.iter().map(|row| row.start_ns).collect();
                self.note(trace[0].trace, &starts);
            }
        }
        self.sources.memory = memory;
        Ok(())
    }

    /// Notes a trace with a fragment whose spans have these starts.
    fn note(&mut self, id: TraceId, starts: &[i64]) {
        if !self.known.insert(id) {
            return;
        }
        let first = starts.iter().copied().filter(|start| (self.from_ns..self.to_ns).contains(start)).min();
        // Without one in the range it may have one in another fragment, of which nothing is known.
        let time = first.unwrap_or(self.to_ns.saturating_sub(1));
        self.found.push(Found { time, id, trace: None });
    }

    fn open(&mut self, place: usize, number: u32) -> Result<(), ReadError> {
        let Place { segment, visible, .. } = &self.sources.places[place];
        let all_visible = visible.is_all();
        let block = segment.read(number)?;
        self.sources.scope.budget.charge(block.spans() as u64, block.spans() as u64 * 16)?;
        let fragments: Vec<u32> = match &self.lead {
            Some(lead) => block.matching(lead)?,
            None => (0..block.traces()?.len() as u32).collect(),
        };
        for fragment in fragments {
            let id = block.traces()?[fragment as usize];
            if !self.known.contains(&id) {
                // Which of them may be seen is known when the trace is put together.
                let starts =
                    if all_visible { block.starts_of(fragment as usize)?.to_vec() } else { Vec::new() };
                let within = |start: &i64| (self.from_ns..self.to_ns).contains(start);
                // Without a condition it is found again by its spans in the range, where it has any.
                if self.lead.is_some() || !all_visible || starts.iter().any(within) {
                    self.note(id, &starts);
                }
            }
        }
        Ok(())
    }

    /// Puts a trace together; back among those found, where it is one that is wanted.
    fn put_together(&mut self, found: &Found) -> Result<(), ReadError> {
        let spans = self.sources.whole(found.id)?;
        let within = |start: &i64| (self.from_ns..self.to_ns).contains(start);
        let first = spans.iter().map(|span| span.start_ns).find(within);
        let wanted = self.conditions.iter().all(|condition| spans.iter().any(|span| meets(span, condition)));
        if let Some(time) = first.filter(|_| wanted) {
            self.found.push(Found { time, id: found.id, trace: Some(Trace { id: found.id, spans }) });
        }
        Ok(())
    }
}

impl TraceStream for Search {
    fn next(&mut self) -> Result<Option<Trace>, ReadError> {
        loop {
            let unopened = self.blocks.last().map(|&(latest, ..)| latest);
            let next = match (self.found.peek(), unopened) {
                (Some(found), Some(latest)) => found.time > latest,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => return Ok(None),
            };
            if !next {
                if let Some((_, place, number)) = self.blocks.pop() {
                    let opened = self.open(place, number);
                    or_left_out(opened, &mut &self.sources.watch)?;
                }
                continue;
            }
            let Some(mut found) = self.found.pop() else { return Ok(None) };
            match found.trace.take() {
                Some(trace) => return Ok(Some(trace)),
                None => self.put_together(&found)?,
            }
        }
    }
}
