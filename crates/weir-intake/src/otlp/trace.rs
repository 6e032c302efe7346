//! Traces (`opentelemetry.proto.trace.v1`).

use std::sync::Arc;

use weir_signal::{
    InstrumentationScope, Link, Reason, Refusal, Resource, Span, SpanEvent, SpanId, SpanKind, SpanSink,
    Status, TraceId,
};

use super::Accepted;
use super::common::{Around, attribute, each_first, id, nanos, resource, scope};
use crate::Limits;
use crate::wire::{Reader, WireError};

/// Decodes an `ExportTraceServiceRequest` into `sink`.
///
/// # Errors
/// The payload is no such message; drop the sink. A span that is refused on its own (an id that is none, one that the
/// sink does not take) is counted in what is returned.
pub fn decode_traces(
    payload: &[u8],
    limits: &Limits,
    sink: &mut (impl SpanSink + ?Sized),
) -> Result<Accepted, Refusal> {
    let mut accepted = Accepted::default();
    each_first(payload, |resource_spans| {
        let around = Around::read(resource_spans)?;
        let resource = Arc::new(resource(around.head, around.schema_url)?);
        around.each(|scope_spans| {
            let around = Around::read(scope_spans)?;
            let scope = Arc::new(scope(around.head, around.schema_url)?);
            around.each(|reader| {
                let place = format_args!("span at byte {}", reader.offset());
                let taken = span(reader, limits, &resource, &scope)?.and_then(|span| sink.span(span));
                accepted.note(place, taken, 1)
            })
        })
    })?;
    Ok(accepted)
}

fn span(
    mut reader: Reader<'_>,
    limits: &Limits,
    resource: &Arc<Resource>,
    scope: &Arc<InstrumentationScope>,
) -> Result<Result<Span, Refusal>, WireError> {
    let mut span = Span { resource: Arc::clone(resource), scope: Arc::clone(scope), ..Span::default() };
    let (mut trace, mut own, mut parent) = (&[][..], &[][..], &[][..]);
    while let Some(field) = reader.next()? {
        match field.number {
            1 => trace = field.bytes()?,
            2 => own = field.bytes()?,
            3 => span.trace_state = field.text()?.into(),
            4 => parent = field.bytes()?,
            5 => span.name = field.text()?.into(),
            6 => span.kind = SpanKind::from_number(field.uint()?),
            7 => span.start_ns = nanos(field.fixed64()?),
            8 => span.end_ns = nanos(field.fixed64()?),
            9 => span.attributes.push(attribute(field.message()?)?),
            10 => span.dropped_attributes = field.uint()? as u32,
            11 => span.events.push(event(field.message()?)?),
            12 => span.dropped_events = field.uint()? as u32,
            13 => span.links.push(link(field.message()?)?),
            14 => span.dropped_links = field.uint()? as u32,
            15 => {
                let mut status = field.message()?;
                while let Some(field) = status.next()? {
                    match field.number {
                        2 => span.status_message = field.text()?.into(),
                        3 => span.status = Status::from_number(field.uint()?),
                        _ => {}
                    }
                }
            }
            16 => span.flags = field.fixed32()?,
            _ => {}
        }
    }
    let refuse = |what: String| Ok(Err(Refusal::new(Reason::Malformed, format!("`{}`: {what}", span.name))));
    match (id(trace).map(TraceId), id(own).map(SpanId)) {
        (Some(trace), Some(own)) if !trace.is_zero() && !own.is_zero() => {
            (span.trace, span.id) = (trace, own);
        }
        _ => {
            return refuse(format!(
                "a trace id has 16 bytes and a span id 8, not all zero; these have {} and {}",
                trace.len(),
                own.len()
            ));
        }
    }
    match id(parent) {
        Some(parent) => span.parent = SpanId(parent),
        None if parent.is_empty() => {}
        None => return refuse(format!("its parent's id has {} bytes, not 8", parent.len())),
    }
    if span.attributes.len() > limits.labels {
        return Ok(Err(Refusal::new(
            Reason::TooLarge,
            format!("`{}` has {} attributes, more than {}", span.name, span.attributes.len(), limits.labels),
        )));
    }
    Ok(Ok(span))
}

fn event(mut reader: Reader<'_>) -> Result<SpanEvent, WireError> {
    let mut event = SpanEvent::default();
    while let Some(field) = reader.next()? {
        match field.number {
            1 => event.time_ns = nanos(field.fixed64()?),
            2 => event.name = field.text()?.into(),
            3 => event.attributes.push(attribute(field.message()?)?),
            4 => event.dropped_attributes = field.uint()? as u32,
            _ => {}
        }
    }
    Ok(event)
}

fn link(mut reader: Reader<'_>) -> Result<Link, WireError> {
    let mut link = Link::default();
    while let Some(field) = reader.next()? {
        match field.number {
            1 => link.trace = id(field.bytes()?).map(TraceId).unwrap_or_default(),
            2 => link.span = id(field.bytes()?).map(SpanId).unwrap_or_default(),
            3 => link.trace_state = field.text()?.into(),
            4 => link.attributes.push(attribute(field.message()?)?),
            5 => link.dropped_attributes = field.uint()? as u32,
            6 => link.flags = field.fixed32()?,
            _ => {}
        }
    }
    Ok(link)
}
