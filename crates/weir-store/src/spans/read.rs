//! Traces are read: parts, what is being flushed, and the head.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_block::spans::{SpanSegment, Values};
use weir_block::{Watch, or_left_out};
use weir_signal::{
    ReadError, Scope, Span, SpanField, SpanKind, SpanSelect, Trace, TraceId, TraceSource, TraceStream, Value,
};

use super::head::Row;
use super::matching::{Visible, each_value};
use super::search::Search;
use crate::damage::Lenient;
use crate::part::Part;
use crate::signal::Signal;
use crate::store::Store;
use crate::store::inner::{locked, reading};

/// A part, opened, and what of it may be seen.
pub(super) struct Place {
    pub(super) segment: Arc<SpanSegment>,
    pub(super) visible: Visible,
    /// Stays on the disk as long as it is read.
    _part: Arc<Part>,
}

/// What one read looks at: taken at one moment.
pub(super) struct Sources {
    pub(super) scope: Scope,
    /// What begins before is not answered.
    pub(super) kept_from_ns: i64,
    pub(super) places: Vec<Place>,
    /// Spans in memory that may be seen, by trace.
    pub(super) memory: Vec<Row>,
    pub(super) watch: Lenient,
}

impl Store {
    /// Parts that may have spans which begin in the range (both ends included), and all that memory has.
    fn span_sources(
        &self,
        scope: &Scope,
        (from, to): (i64, i64),
        wanted: impl Fn(&Row) -> bool,
    ) -> Result<Sources, ReadError> {
        let inner = &self.inner;
        let from_ns = inner.kept_from(&scope.tenant, Signal::Spans);
        let everything = Visible { matchers: Arc::clone(&scope.matchers), tombstones: Vec::new(), from_ns };
        let mut head: Vec<Row> = Vec::new();
        // No flush takes anything from the head to what is frozen while both are looked at.
        let open = reading(&inner.gate);
        let view = inner.view();
        if let Some(state) = inner.known_tenant(&scope.tenant) {
            head.extend(locked(&state.spans.head).rows().iter().filter(|row| wanted(row)).cloned());
        }
        drop(open);
        let frozen =
            view.frozen.as_ref().and_then(|frozen| frozen.tenants.get(&scope.tenant)?.spans.as_ref());
        let frozen = frozen.map_or(&[][..], |frozen| &frozen.rows).iter().filter(|row| wanted(row)).cloned();
        let mut memory: Vec<Row> = frozen.chain(head).collect();
        memory.retain(|row| everything.shows(&row.span));
        memory.sort_by_key(|row| row.trace);
        let watch = inner.lenient(scope);
        let mut places = Vec::new();
        for part in view.parts_of(&scope.tenant, Signal::Spans, (from.max(from_ns), to)) {
            let visible = Visible { tombstones: view.tombstones_of(part), ..everything.clone() };
            if let Some(segment) = or_left_out(part.spans(), &mut &watch)? {
                places.push(Place { segment, visible, _part: Arc::clone(part) });
            }
        }
        Ok(Sources { scope: scope.clone(), kept_from_ns: from_ns, places, memory, watch })
    }

    /// What may have spans that begin in a range, its end excluded.
    pub(super) fn in_range(&self, scope: &Scope, (from, to): (i64, i64)) -> Result<Sources, ReadError> {
        let within = |row: &Row| row.start_ns >= from && row.start_ns < to;
        self.span_sources(scope, (from, to.saturating_sub(1)), within)
    }
}

impl Sources {
    /// All spans of a trace that may be seen, ascending by start, then by id.
    pub(super) fn whole(&self, id: TraceId) -> Result<Vec<Span>, ReadError> {
        let watch = &mut &self.watch;
        let mut spans = Vec::new();
        for place in &self.places {
            for info in place.segment.blocks_of(id, watch)? {
                watch.charge(u64::from(info.spans), info.data_bytes)?;
                let found = place.segment.read(info.number).and_then(|block| block.trace(id));
                let found = or_left_out(found, watch)?.unwrap_or_default();
                spans.extend(found.into_iter().filter(|span| place.visible.shows(span)));
            }
        }
        let memory = &self.memory[self.memory.partition_point(|row| row.trace < id)..];
        let memory = memory.iter().take_while(|row| row.trace == id);
        spans.extend(memory.map(|row| (*row.span).clone()));
        spans.sort_by_key(|span| (span.start_ns, span.id));
        Ok(spans)
    }

    /// Gives every span that may be seen and begins in the range, where only decoding can tell; else what a segment knows.
    pub(super) fn each(
        &self,
        (from, to): (i64, i64),
        known: &mut dyn FnMut(&SpanSegment) -> Result<(), ReadError>,
        visit: &mut dyn FnMut(&Span),
    ) -> Result<(), ReadError> {
        let watch = &mut &self.watch;
        for place in &self.places {
            if place.visible.is_all() {
                watch.charge(0, 0)?;
                or_left_out(known(&place.segment), watch)?;
                continue;
            }
            for info in place.segment.candidates(from, to, None, watch)? {
                watch.charge(u64::from(info.spans), info.data_bytes)?;
                let spans = place.segment.read(info.number).and_then(|block| block.all());
                let spans = or_left_out(spans, watch)?.unwrap_or_default();
                let seen =
                    |span: &&Span| span.start_ns >= from && span.start_ns < to && place.visible.shows(span);
                spans.iter().filter(seen).for_each(&mut *visit);
            }
        }
        self.memory.iter().for_each(|row| visit(&row.span));
        Ok(())
    }
}

impl TraceSource for Store {
    fn trace(
        &self,
        scope: &Scope,
        id: TraceId,
        within: Option<(i64, i64)>,
    ) -> Result<Option<Trace>, ReadError> {
        let range = within.unwrap_or((i64::MIN, i64::MAX));
        let spans = self.span_sources(scope, range, |row| row.trace == id)?.whole(id)?;
        Ok((!spans.is_empty()).then_some(Trace { id, spans }))
    }

    fn search<'a>(
        &'a self,
        scope: &Scope,
        select: &SpanSelect,
    ) -> Result<Box<dyn TraceStream + 'a>, ReadError> {
        // A trace that is in the range may go on anywhere.
        let sources = self.span_sources(scope, (i64::MIN, i64::MAX), |_| true)?;
        Ok(Box::new(Search::new(sources, select)?))
    }

    fn attribute_names(
        &self,
        scope: &Scope,
        range: (i64, i64),
    ) -> Result<(Vec<String>, Vec<String>), ReadError> {
        let sources = self.in_range(scope, range)?;
        let mut known: (BTreeSet<String>, BTreeSet<String>) = Default::default();
        let mut seen: (BTreeSet<Box<str>>, BTreeSet<Box<str>>) = Default::default();
        sources.each(
            range,
            &mut |segment| {
                let (of_spans, of_resources) = segment.attribute_names()?;
                known.0.extend(of_spans.into_iter().map(str::to_owned));
                known.1.extend(of_resources.into_iter().map(str::to_owned));
                Ok(())
            },
            &mut |span| {
                seen.0.extend(span.attributes.iter().map(|attribute| attribute.key.clone()));
                seen.1.extend(span.resource.attributes.iter().map(|attribute| attribute.key.clone()));
            },
        )?;
        known.0.extend(seen.0.into_iter().map(String::from));
        known.1.extend(seen.1.into_iter().map(String::from));
        Ok((known.0.into_iter().collect(), known.1.into_iter().collect()))
    }

    fn values(
        &self,
        scope: &Scope,
        range: (i64, i64),
        field: &SpanField,
        limit: usize,
    ) -> Result<Vec<Value>, ReadError> {
        let sources = self.in_range(scope, range)?;
        let values = std::cell::RefCell::new(Values::new(limit));
        sources.each(
            range,
            &mut |segment| {
                let (values, watch) = (&mut values.borrow_mut(), &mut &sources.watch);
                segment.values(range.0, range.1, field, values, watch)
            },
            &mut |span| each_value(span, field, &mut |value| values.borrow_mut().add(value)),
        )?;
        Ok(values.into_inner().into_values())
    }

    fn operations(
        &self,
        scope: &Scope,
        range: (i64, i64),
        service: &str,
    ) -> Result<Vec<(Box<str>, SpanKind)>, ReadError> {
        super::operations::of_service(&self.in_range(scope, range)?, range, service)
    }
}
