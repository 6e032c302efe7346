//! A batch as both forms have it, and what OpenTelemetry calls it.

use std::sync::Arc;

use weir_signal::{
    Attribute, InstrumentationScope, Link, Reason, Refusal, Resource, Span, SpanEvent, SpanId, SpanKind,
    SpanSink, Status, TraceId, Value,
};

use crate::Limits;
use crate::otlp::Accepted;

/// A name and a value.
pub(super) type Tag = Attribute;

/// A program.
#[derive(Debug, Clone, Default)]
pub(super) struct Process {
    pub(super) service: Box<str>,
    pub(super) tags: Vec<Tag>,
}

/// A span as Jaeger has it. Times are in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct RawSpan {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: SpanId,
    pub(super) name: Box<str>,
    pub(super) references: Vec<Reference>,
    pub(super) flags: u32,
    pub(super) start_ns: i64,
    pub(super) duration_ns: i64,
    pub(super) tags: Vec<Tag>,
    pub(super) logs: Vec<(i64, Vec<Tag>)>,
    /// Where it is not the batch's.
    pub(super) process: Option<Process>,
}

/// Another span.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) follows: bool,
}

/// Hands the spans of a batch to a sink.
pub(super) fn give(
    process: &Process,
    spans: Vec<RawSpan>,
    limits: &Limits,
    sink: &mut (impl SpanSink + ?Sized),
) -> Result<Accepted, Refusal> {
    let shared = Arc::new(resource(process));
    let scope = Arc::new(InstrumentationScope::default());
    let mut accepted = Accepted::default();
    for (index, raw) in spans.into_iter().enumerate() {
        let resource =
            raw.process.as_ref().map_or_else(|| Arc::clone(&shared), |own| Arc::new(resource(own)));
        let taken = span(raw, limits, resource, &scope).and_then(|span| sink.span(span));
        accepted.note(format_args!("span {index}"), taken, 1)?;
    }
    Ok(accepted)
}

fn resource(process: &Process) -> Resource {
    let mut attributes = Vec::with_capacity(process.tags.len() + 1);
    if !process.service.is_empty() {
        attributes.push(Attribute::string("service.name", &process.service));
    }
    attributes.extend(process.tags.iter().cloned());
    Resource { attributes, ..Resource::default() }
}

fn span(
    raw: RawSpan,
    limits: &Limits,
    resource: Arc<Resource>,
    scope: &Arc<InstrumentationScope>,
) -> Result<Span, Refusal> {
    if raw.trace.is_zero() || raw.id.is_zero() {
        let message = format!("`{}`: a trace id or span id of zero names nothing", raw.name);
        return Err(Refusal::new(Reason::Malformed, message));
    }
    if raw.tags.len() > limits.labels {
        let message = format!("`{}` has {} tags, more than {}", raw.name, raw.tags.len(), limits.labels);
        return Err(Refusal::new(Reason::TooLarge, message));
    }
    let mut span = Span {
        trace: raw.trace,
        id: raw.id,
        parent: raw.parent,
        name: raw.name,
        flags: raw.flags & 1,
        start_ns: raw.start_ns,
        end_ns: raw.start_ns.saturating_add(raw.duration_ns),
        resource,
        scope: Arc::clone(scope),
        ..Span::default()
    };
    let mut library = InstrumentationScope::default();
    for tag in raw.tags {
        let text = tag.value.as_str();
        match (&*tag.key, text, &tag.value) {
            ("span.kind", Some(kind), _) => match kind_of(kind) {
                Some(kind) => span.kind = kind,
                None => span.attributes.push(tag),
            },
            ("error", _, Value::Bool(true))
            | ("error", Some("true"), _)
            | ("otel.status_code", Some("ERROR"), _) => {
                span.status = Status::Error;
            }
            ("error", _, Value::Bool(false)) | ("error", Some("false"), _) => {}
            ("otel.status_code", Some("OK"), _) => span.status = Status::Ok,
            ("otel.status_description", Some(text), _) => span.status_message = text.into(),
            ("otel.scope.name" | "otel.library.name", Some(text), _) => library.name = text.into(),
            ("otel.scope.version" | "otel.library.version", Some(text), _) => library.version = text.into(),
            ("w3c.tracestate", Some(text), _) => span.trace_state = text.into(),
            _ => span.attributes.push(tag),
        }
    }
    if library != InstrumentationScope::default() {
        span.scope = Arc::new(library);
    }
    for reference in raw.references {
        let is_parent = !reference.follows && reference.trace == span.trace;
        if is_parent && (span.parent.is_zero() || span.parent == reference.span) {
            span.parent = reference.span;
        } else {
            span.links.push(Link { trace: reference.trace, span: reference.span, ..Link::default() });
        }
    }
    span.events = raw.logs.into_iter().map(|(time_ns, fields)| event(time_ns, fields)).collect();
    Ok(span)
}

fn event(time_ns: i64, mut fields: Vec<Tag>) -> SpanEvent {
    let named = ["event", "message"].iter().find_map(|key| {
        fields.iter().position(|field| &*field.key == *key && field.value.as_str().is_some())
    });
    let name = named.map(|at| fields.remove(at)).and_then(|field| field.value.as_str().map(Box::from));
    SpanEvent { time_ns, name: name.unwrap_or_default(), attributes: fields, dropped_attributes: 0 }
}

fn kind_of(text: &str) -> Option<SpanKind> {
    Some(match text {
        "internal" => SpanKind::Internal,
        "server" => SpanKind::Server,
        "client" => SpanKind::Client,
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        _ => return None,
    })
}
