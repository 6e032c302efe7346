//! Traces as OTLP writes them: Protocol Buffers and JSON.

use serde_json::{Value as Json, json};
use weir_intake::wire::Writer;
use weir_signal::{Attribute, InstrumentationScope, Resource, Span, Trace, Value};

/// Spans of one resource and scope that stand beside each other.
fn groups(trace: &Trace) -> impl Iterator<Item = &[Span]> {
    trace.spans.chunk_by(|a, b| a.resource == b.resource && a.scope == b.scope)
}

/// `TracesData`.
pub(super) fn trace(trace: &Trace) -> Vec<u8> {
    let mut out = Writer::new();
    for spans in groups(trace) {
        let (Resource { attributes, dropped_attributes, schema_url }, scope) =
            (&*spans[0].resource, &*spans[0].scope);
        out.message(1, |batch| {
            batch.message(1, |resource| {
                attributes.iter().for_each(|one| resource.message(1, |out| attribute(out, one)));
                resource.uint(2, u64::from(*dropped_attributes));
            });
            batch.message(2, |scope_spans| {
                let InstrumentationScope { name, version, attributes, dropped_attributes, schema_url } =
                    scope;
                scope_spans.message(1, |out| {
                    out.text(1, name);
                    out.text(2, version);
                    attributes.iter().for_each(|one| out.message(3, |out| attribute(out, one)));
                    out.uint(4, u64::from(*dropped_attributes));
                });
                spans.iter().for_each(|one| scope_spans.message(2, |out| span(out, one)));
                scope_spans.text(3, schema_url);
            });
            batch.text(3, schema_url);
        });
    }
    out.into_bytes()
}

fn span(out: &mut Writer, span: &Span) {
    out.bytes(1, &span.trace.0);
    out.bytes(2, &span.id.0);
    out.text(3, &span.trace_state);
    if !span.parent.is_zero() {
        out.bytes(4, &span.parent.0);
    }
    out.text(5, &span.name);
    out.uint(6, span.kind as u64);
    out.fixed64(7, span.start_ns.cast_unsigned());
    out.fixed64(8, span.end_ns.cast_unsigned());
    span.attributes.iter().for_each(|one| out.message(9, |out| attribute(out, one)));
    out.uint(10, u64::from(span.dropped_attributes));
    for event in &span.events {
        out.message(11, |out| {
            out.fixed64(1, event.time_ns.cast_unsigned());
            out.text(2, &event.name);
            event.attributes.iter().for_each(|one| out.message(3, |out| attribute(out, one)));
            out.uint(4, u64::from(event.dropped_attributes));
        });
    }
    out.uint(12, u64::from(span.dropped_events));
    for link in &span.links {
        out.message(13, |out| {
            out.bytes(1, &link.trace.0);
            out.bytes(2, &link.span.0);
            out.text(3, &link.trace_state);
            link.attributes.iter().for_each(|one| out.message(4, |out| attribute(out, one)));
            out.uint(5, u64::from(link.dropped_attributes));
            out.fixed32(6, link.flags);
        });
    }
    out.uint(14, u64::from(span.dropped_links));
    out.message(15, |out| {
        out.text(2, &span.status_message);
        out.uint(3, span.status as u64);
    });
    out.fixed32(16, span.flags);
}

fn attribute(out: &mut Writer, one: &Attribute) {
    out.text(1, &one.key);
    out.message(2, |out| value(out, &one.value));
}

fn value(out: &mut Writer, one: &Value) {
    match one {
        Value::Empty => {}
        Value::String(text) => out.text(1, text),
        Value::Bool(flag) => out.uint(2, u64::from(*flag)),
        Value::Int(number) => out.uint(3, number.cast_unsigned()),
        Value::Double(number) => out.double(4, *number),
        Value::Array(items) => out.message(5, |out| {
            items.iter().for_each(|item| out.message(1, |out| value(out, item)));
        }),
        Value::Map(pairs) => out.message(6, |out| {
            pairs.iter().for_each(|pair| out.message(1, |out| attribute(out, pair)));
        }),
        Value::Bytes(bytes) => out.bytes(7, bytes),
    }
}

/// `ResourceSpans` in JSON, ids in hexadecimal digits.
pub(super) fn batches(trace: &Trace) -> impl Iterator<Item = Json> + '_ {
    groups(trace).map(|spans| {
        let (resource, scope) = (&spans[0].resource, &spans[0].scope);
        json!({
            "resource": { "attributes": attributes(&resource.attributes) },
            "scopeSpans": [{
                "scope": { "name": scope.name, "version": scope.version },
                "spans": spans.iter().map(span_json).collect::<Vec<_>>(),
            }],
        })
    })
}

fn span_json(span: &Span) -> Json {
    let mut json = json!({
        "traceId": span.trace.to_string(),
        "spanId": span.id.to_string(),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": span.start_ns.to_string(),
        "endTimeUnixNano": span.end_ns.to_string(),
        "attributes": attributes(&span.attributes),
        "status": { "code": span.status as u8, "message": span.status_message },
    });
    if !span.parent.is_zero() {
        json["parentSpanId"] = span.parent.to_string().into();
    }
    if !span.events.is_empty() {
        let event = |event: &weir_signal::SpanEvent| {
            json!({
                "timeUnixNano": event.time_ns.to_string(),
                "name": event.name,
                "attributes": attributes(&event.attributes),
            })
        };
        json["events"] = span.events.iter().map(event).collect();
    }
    if !span.links.is_empty() {
        let link = |link: &weir_signal::Link| {
            json!({
                "traceId": link.trace.to_string(),
                "spanId": link.span.to_string(),
                "attributes": attributes(&link.attributes),
            })
        };
        json["links"] = span.links.iter().map(link).collect();
    }
    json
}

fn attributes(all: &[Attribute]) -> Json {
    all.iter().map(|one| json!({ "key": one.key, "value": any(&one.value) })).collect()
}

/// `AnyValue`.
pub(super) fn any(one: &Value) -> Json {
    match one {
        Value::Empty => json!({}),
        Value::String(text) => json!({ "stringValue": text }),
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::Int(number) => json!({ "intValue": number.to_string() }),
        Value::Double(number) => json!({ "doubleValue": number }),
        Value::Array(items) => {
            json!({ "arrayValue": { "values": items.iter().map(any).collect::<Vec<_>>() } })
        }
        Value::Map(pairs) => json!({ "kvlistValue": { "values": attributes(pairs) } }),
        Value::Bytes(_) => json!({ "bytesValue": one.to_string() }),
    }
}
