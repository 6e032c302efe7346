//! A span as all forms have it, and what OpenTelemetry calls it.

use std::collections::HashMap;
use std::sync::Arc;

use weir_signal::{
    Attribute, InstrumentationScope, Reason, Refusal, Resource, Span, SpanEvent, SpanId, SpanKind, SpanSink,
    Status, TraceId,
};

use crate::Limits;
use crate::otlp::Accepted;

/// An address and the service there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    pub(super) service: String,
    pub(super) address: String,
    pub(super) port: u64,
}

/// A span. Times are in microseconds.
#[derive(Debug, Default)]
pub(super) struct RawSpan {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: SpanId,
    pub(super) name: String,
    pub(super) kind: SpanKind,
    pub(super) start_us: u64,
    pub(super) duration_us: u64,
    pub(super) local: Endpoint,
    pub(super) remote: Endpoint,
    pub(super) annotations: Vec<(u64, String)>,
    pub(super) tags: Vec<(String, String)>,
}

/// Hands spans to a sink; those of one service share its resource.
pub(super) struct Giver<'a, S: ?Sized> {
    pub(super) limits: &'a Limits,
    pub(super) sink: &'a mut S,
    pub(super) accepted: Accepted,
    resources: HashMap<String, Arc<Resource>>,
    scope: Arc<InstrumentationScope>,
}

impl<'a, S: SpanSink + ?Sized> Giver<'a, S> {
    pub(super) fn new(limits: &'a Limits, sink: &'a mut S) -> Self {
        let (accepted, resources) = (Accepted::default(), HashMap::new());
        Self { limits, sink, accepted, resources, scope: Arc::default() }
    }

    /// Gives one; `index` is its place in the payload.
    pub(super) fn give(&mut self, index: usize, raw: RawSpan) -> Result<(), Refusal> {
        let taken = self.span(raw).and_then(|span| self.sink.span(span));
        self.accepted.note(format_args!("span {index}"), taken, 1)
    }

    fn span(&mut self, raw: RawSpan) -> Result<Span, Refusal> {
        if raw.trace.is_zero() || raw.id.is_zero() {
            let message = format!("`{}`: a trace id or span id of zero names nothing", raw.name);
            return Err(Refusal::new(Reason::Malformed, message));
        }
        if raw.tags.len() > self.limits.labels {
            let message =
                format!("`{}` has {} tags, more than {}", raw.name, raw.tags.len(), self.limits.labels);
            return Err(Refusal::new(Reason::TooLarge, message));
        }
        let service = raw.local.service.clone();
        let resource = self.resources.entry(service).or_insert_with_key(|service| {
            let named = (!service.is_empty()).then(|| Attribute::string("service.name", service));
            Arc::new(Resource { attributes: named.into_iter().collect(), ..Resource::default() })
        });
        let start_ns = nanos(raw.start_us);
        let mut span = Span {
            trace: raw.trace,
            id: raw.id,
            parent: raw.parent,
            name: raw.name.into(),
            kind: raw.kind,
            start_ns,
            end_ns: start_ns.saturating_add(nanos(raw.duration_us)),
            resource: Arc::clone(resource),
            scope: Arc::clone(&self.scope),
            ..Span::default()
        };
        let mut library = InstrumentationScope::default();
        for (key, value) in raw.tags {
            match (key.as_str(), value.as_str()) {
                // Zipkin's convention: the tag's presence is the error, its value says which.
                ("error", text) => {
                    span.status = Status::Error;
                    if !text.is_empty() && text != "true" {
                        span.status_message = text.into();
                    }
                }
                ("otel.status_code", "OK") => span.status = Status::Ok,
                ("otel.status_code", "ERROR") => span.status = Status::Error,
                ("otel.scope.name" | "otel.library.name", text) => library.name = text.into(),
                ("otel.scope.version" | "otel.library.version", text) => library.version = text.into(),
                (key, text) => span.attributes.push(Attribute::string(key, text)),
            }
        }
        if library != InstrumentationScope::default() {
            span.scope = Arc::new(library);
        }
        let mut add = |key: &str, value: String| {
            if !value.is_empty() && value != "0" {
                span.attributes.push(Attribute::string(key, &value));
            }
        };
        add("network.local.address", raw.local.address);
        add("network.local.port", raw.local.port.to_string());
        add("peer.service", raw.remote.service);
        add("network.peer.address", raw.remote.address);
        add("network.peer.port", raw.remote.port.to_string());
        span.events = raw
            .annotations
            .into_iter()
            .map(|(time_us, name)| SpanEvent {
                time_ns: nanos(time_us),
                name: name.into(),
                ..SpanEvent::default()
            })
            .collect();
        Ok(span)
    }
}

fn nanos(us: u64) -> i64 {
    i64::try_from(us.saturating_mul(1000)).unwrap_or(i64::MAX)
}
