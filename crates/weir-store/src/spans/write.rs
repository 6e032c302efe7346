//! Spans become parts: those of a trace together, traces by the start of their first span.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use weir_block::spans::{FinishedSpans, SpanBlockInfo, SpanSegment, SpanSegmentWriter, SpanWriterOptions};
use weir_block::{Watch, or_left_out};
use weir_signal::{ReadError, Span, TraceId};

use super::head::FrozenSpans;
use super::matching::Visible;
use crate::damage::Salvage;
use crate::error::StoreError;
use crate::manifest::{FileMeta, Tombstone};
use crate::part::{Contents, Part, PartWriter};
use crate::signal::Signal;
use crate::store::pace::Pace;

/// A trace that was under way when one part ended goes on in the next: so far ahead blocks are opened to find the rest of it.
const AHEAD_NS: i64 = 10_000_000_000;

/// Passes what a segment's writer makes on to a part.
struct SpanPart {
    segment: SpanSegmentWriter,
    part: PartWriter,
}

impl SpanPart {
    fn new(part: PartWriter) -> Self {
        let options = SpanWriterOptions { effort: part.effort, ..SpanWriterOptions::default() };
        Self { segment: SpanSegmentWriter::new(options), part }
    }

    /// Adds spans of one trace.
    fn trace<'a>(&mut self, spans: impl IntoIterator<Item = &'a Span>) -> Result<(), StoreError> {
        for span in spans {
            self.segment.push(span).map_err(|error| StoreError::Encode(error.to_string()))?;
        }
        let data = self.segment.take_data();
        self.part.data(&data).map_err(StoreError::io("write a part"))
    }

    fn finish(self, day: (i64, i64)) -> Result<(Contents, [FileMeta; 3]), StoreError> {
        let Self { segment, mut part } = self;
        let FinishedSpans { data, index, filter, summary } = segment.finish();
        let done = part.data(&data).and_then(|()| part.finish(&index, &filter));
        let files = done.map_err(StoreError::io("write a part"))?;
        let (from, to) = summary.times_ns.unwrap_or(day);
        Ok((Contents { from, to, rows: summary.spans, series: summary.traces }, files))
    }
}

impl FrozenSpans {
    /// Writes what lies in a day.
    pub(crate) fn write(&self, day: i64, part: PartWriter) -> Result<(Contents, [FileMeta; 3]), StoreError> {
        let (from, to) = Signal::Spans.day_range(day);
        let mut firsts: HashMap<TraceId, i64> = HashMap::new();
        let mut rows: Vec<_> =
            self.rows.iter().filter(|row| row.start_ns >= from && row.start_ns <= to).collect();
        for row in &rows {
            let first = firsts.entry(row.trace).or_insert(row.start_ns);
            *first = row.start_ns.min(*first);
        }
        rows.sort_by_cached_key(|row| (firsts[&row.trace], row.trace, row.start_ns, row.span.id));
        let mut out = SpanPart::new(part);
        for trace in rows.chunk_by(|a, b| a.trace == b.trace) {
            out.trace(trace.iter().map(|row| &*row.span))?;
        }
        out.finish((from, to))
    }
}

/// Merges parts of one day and leaves out what was deleted.
pub(crate) fn merge_parts(
    inputs: &[(Arc<Part>, Vec<Arc<Tombstone>>)],
    day: i64,
    part: PartWriter,
    pace: &mut Pace<'_>,
    salvage: &mut Salvage,
) -> Result<(Contents, [FileMeta; 3]), StoreError> {
    let damaged = || StoreError::read("merge parts of spans");
    let mut fragments = Fragments::new(inputs).map_err(damaged())?;
    let mut out = SpanPart::new(part);
    while let Some(spans) = fragments.next(salvage).map_err(damaged())? {
        out.trace(&spans)?;
        pace.step()?;
    }
    out.finish(Signal::Spans.day_range(day))
}

/// Traces of several parts, by the start of their first span. Blocks are opened when their time comes.
struct Fragments {
    inputs: Vec<(Arc<SpanSegment>, Visible)>,
    /// Blocks to open, the earliest last.
    blocks: Vec<(SpanBlockInfo, usize)>,
    open: HashMap<TraceId, Vec<Span>>,
    /// First start and id of those that are open.
    order: BTreeSet<(i64, TraceId)>,
    firsts: BTreeMap<TraceId, i64>,
}

impl Fragments {
    fn new(inputs: &[(Arc<Part>, Vec<Arc<Tombstone>>)]) -> Result<Self, ReadError> {
        let mut fragments = Self {
            inputs: Vec::new(),
            blocks: Vec::new(),
            open: HashMap::new(),
            order: BTreeSet::new(),
            firsts: BTreeMap::new(),
        };
        for (at, (part, tombstones)) in inputs.iter().enumerate() {
            let segment = part.spans()?;
            fragments.blocks.extend(segment.blocks().map(|info| (info, at)));
            let visible = Visible { tombstones: tombstones.clone(), from_ns: i64::MIN, ..Visible::default() };
            fragments.inputs.push((segment, visible));
        }
        fragments.blocks.sort_by_key(|(info, at)| std::cmp::Reverse((info.from_ns, *at, info.number)));
        Ok(fragments)
    }

    /// The spans of the next trace, ascending by start, then by id.
    fn next(&mut self, watch: &mut dyn Watch) -> Result<Option<Vec<Span>>, ReadError> {
        loop {
            let first = self.order.first().map(|&(start, _)| start.saturating_add(AHEAD_NS));
            let due =
                |(info, _): &mut (SpanBlockInfo, usize)| first.is_none_or(|first| info.from_ns <= first);
            let Some((info, at)) = self.blocks.pop_if(due) else { break };
            self.open(info, at, watch)?;
        }
        let Some((_, id)) = self.order.pop_first() else { return Ok(None) };
        self.firsts.remove(&id);
        let mut spans = self.open.remove(&id).unwrap_or_default();
        spans.sort_by_key(|span| (span.start_ns, span.id));
        Ok(Some(spans))
    }

    fn open(&mut self, info: SpanBlockInfo, at: usize, watch: &mut dyn Watch) -> Result<(), ReadError> {
        let (segment, visible) = &self.inputs[at];
        let spans = segment.read(info.number).and_then(|block| block.all());
        for span in or_left_out(spans, watch)?.unwrap_or_default() {
            if !visible.shows(&span) {
                continue;
            }
            let (id, start) = (span.trace, span.start_ns);
            self.open.entry(id).or_default().push(span);
            match self.firsts.get(&id).copied() {
                Some(first) if first <= start => continue,
                Some(first) => {
                    self.order.remove(&(first, id));
                }
                None => {}
            }
            self.firsts.insert(id, start);
            self.order.insert((start, id));
        }
        Ok(())
    }
}
