//! Traces in memory: what tests ask.

use std::collections::{BTreeMap, BTreeSet};

use weir_signal::{
    ReadError, Resource, Scope, Span, SpanField, SpanKind, SpanSelect, Trace, TraceId, TraceSource,
    TraceStream, Value,
};

/// Traces, kept whole. It knows no tenants: whoever has it may read all of it that the scope's matchers select, which look
/// at the texts of resources.
#[derive(Debug, Clone, Default)]
pub struct MemoryTraces {
    traces: BTreeMap<TraceId, Vec<Span>>,
}

impl MemoryTraces {
    /// No traces.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a span to its trace.
    pub fn push(&mut self, span: Span) {
        let spans = self.traces.entry(span.trace).or_default();
        let at = spans.partition_point(|other| (other.start_ns, other.id) <= (span.start_ns, span.id));
        spans.insert(at, span);
    }

    /// What of a trace may be seen.
    fn seen(id: TraceId, spans: &[Span], scope: &Scope) -> Option<Trace> {
        let may_see = |resource: &Resource| {
            scope.matchers.iter().all(|matcher| {
                let found = resource.attributes.iter().find(|attribute| *attribute.key == *matcher.name());
                matcher.matches(&found.map(|attribute| attribute.value.to_string()).unwrap_or_default())
            })
        };
        let spans: Vec<Span> = spans.iter().filter(|span| may_see(&span.resource)).cloned().collect();
        if spans.is_empty() { None } else { Some(Trace { id, spans }) }
    }

    /// The traces in a range, newest first by the start of their first span in it.
    fn within(&self, scope: &Scope, (from_ns, to_ns): (i64, i64)) -> Result<Vec<Trace>, ReadError> {
        let mut found = Vec::new();
        for (id, spans) in &self.traces {
            scope.budget.charge(spans.len() as u64, 0)?;
            let Some(trace) = Self::seen(*id, spans, scope) else { continue };
            let mut starts = trace.spans.iter().map(|span| span.start_ns);
            if let Some(first) = starts.find(|start| (from_ns..to_ns).contains(start)) {
                found.push((std::cmp::Reverse(first), trace));
            }
        }
        found.sort_by_key(|(first, trace)| (*first, trace.id));
        Ok(found.into_iter().map(|(_, trace)| trace).collect())
    }
}

impl TraceSource for MemoryTraces {
    fn trace(
        &self,
        scope: &Scope,
        id: TraceId,
        _within: Option<(i64, i64)>,
    ) -> Result<Option<Trace>, ReadError> {
        Ok(self.traces.get(&id).and_then(|spans| Self::seen(id, spans, scope)))
    }

    /// Every trace in the range: conditions are not looked at.
    fn search<'a>(
        &'a self,
        scope: &Scope,
        select: &SpanSelect,
    ) -> Result<Box<dyn TraceStream + 'a>, ReadError> {
        Ok(Box::new(Stream(self.within(scope, (select.from_ns, select.to_ns))?.into_iter())))
    }

    fn attribute_names(
        &self,
        scope: &Scope,
        range: (i64, i64),
    ) -> Result<(Vec<String>, Vec<String>), ReadError> {
        let (mut of_spans, mut of_resources) = (BTreeSet::new(), BTreeSet::new());
        for span in self.within(scope, range)?.iter().flat_map(|trace| &trace.spans) {
            of_spans.extend(span.attributes.iter().map(|attribute| attribute.key.to_string()));
            of_resources.extend(span.resource.attributes.iter().map(|attribute| attribute.key.to_string()));
        }
        Ok((of_spans.into_iter().collect(), of_resources.into_iter().collect()))
    }

    fn values(
        &self,
        scope: &Scope,
        range: (i64, i64),
        field: &SpanField,
        limit: usize,
    ) -> Result<Vec<Value>, ReadError> {
        let mut values = BTreeMap::new();
        let traces = self.within(scope, range)?;
        for span in traces.iter().flat_map(|trace| &trace.spans) {
            let text = |text: &str| Value::String(text.into());
            let find = |attributes: &[weir_signal::Attribute], name: &str| {
                let found = attributes.iter().find(|attribute| *attribute.key == *name);
                found.map(|attribute| attribute.value.clone())
            };
            let value = match field {
                SpanField::Name => Some(text(&span.name)),
                SpanField::Service => Some(text(span.resource.service())),
                SpanField::Duration => {
                    Some(Value::Int(i64::try_from(span.duration_ns()).unwrap_or(i64::MAX)))
                }
                SpanField::Status => Some(text(span.status.as_str())),
                SpanField::Kind => Some(text(span.kind.as_str())),
                SpanField::Span(name) => find(&span.attributes, name),
                SpanField::Resource(name) => find(&span.resource.attributes, name),
                SpanField::Either(name) => {
                    find(&span.attributes, name).or_else(|| find(&span.resource.attributes, name))
                }
            };
            values.extend(value.map(|value| (value.to_string(), value)));
        }
        Ok(values.into_values().take(limit).collect())
    }

    fn operations(
        &self,
        scope: &Scope,
        range: (i64, i64),
        service: &str,
    ) -> Result<Vec<(Box<str>, SpanKind)>, ReadError> {
        let traces = self.within(scope, range)?;
        let spans = traces.iter().flat_map(|trace| &trace.spans);
        let own = spans.filter(|span| span.resource.service() == service);
        let found: BTreeSet<_> = own.map(|span| (span.name.clone(), span.kind)).collect();
        Ok(found.into_iter().collect())
    }
}

struct Stream(std::vec::IntoIter<Trace>);

impl TraceStream for Stream {
    fn next(&mut self) -> Result<Option<Trace>, ReadError> {
        Ok(self.0.next())
    }
}
