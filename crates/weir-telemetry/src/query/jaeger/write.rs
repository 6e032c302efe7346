//! Traces as Jaeger writes them.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use weir_signal::{Attribute, Resource, Span, SpanKind, Status, Trace, Value};

/// A trace with its spans and the processes that made them, and what its store says of it.
pub(super) fn trace(trace: &Trace, warnings: &[String]) -> Json {
    let mut processes: Vec<&Resource> = Vec::new();
    let mut spans = Vec::with_capacity(trace.spans.len());
    for one in &trace.spans {
        let place = processes.iter().position(|known| **known == *one.resource).unwrap_or_else(|| {
            processes.push(&one.resource);
            processes.len() - 1
        });
        spans.push(span(one, place));
    }
    let processes: BTreeMap<String, Json> = processes
        .iter()
        .enumerate()
        .map(|(place, resource)| {
            let rest = resource.attributes.iter().filter(|one| &*one.key != "service.name");
            let tags: Json = rest.map(|one| tag(&one.key, &one.value)).collect();
            (format!("p{}", place + 1), json!({ "serviceName": resource.service(), "tags": tags }))
        })
        .collect();
    let warnings = if warnings.is_empty() { Json::Null } else { json!(warnings) };
    json!({ "traceID": trace.id.to_string(), "spans": spans, "processes": processes, "warnings": warnings })
}

fn span(span: &Span, process: usize) -> Json {
    let mut references = Vec::new();
    let reference =
        |kind: &str, trace: String, id: String| json!({ "refType": kind, "traceID": trace, "spanID": id });
    if !span.parent.is_zero() {
        references.push(reference("CHILD_OF", span.trace.to_string(), span.parent.to_string()));
    }
    for link in &span.links {
        references.push(reference("FOLLOWS_FROM", link.trace.to_string(), link.span.to_string()));
    }
    let tags: Json = tags(span).iter().map(|(key, value)| tag(key, value)).collect();
    let logs: Json = span
        .events
        .iter()
        .map(|event| {
            let name = (!event.name.is_empty()).then(|| Attribute::string("event", &event.name));
            let fields: Json =
                name.iter().chain(&event.attributes).map(|one| tag(&one.key, &one.value)).collect();
            json!({ "timestamp": event.time_ns / 1000, "fields": fields })
        })
        .collect();
    json!({
        "traceID": span.trace.to_string(),
        "spanID": span.id.to_string(),
        "flags": span.flags & 1,
        "operationName": span.name,
        "references": references,
        "startTime": span.start_ns / 1000,
        "duration": span.duration_ns() / 1000,
        "tags": tags,
        "logs": logs,
        "processID": format!("p{}", process + 1),
        "warnings": null,
    })
}

/// The tags that Jaeger has of its own; a span may have attributes of these names as well.
pub(super) const OWN_TAGS: [&str; 7] = [
    "otel.scope.name",
    "otel.scope.version",
    "span.kind",
    "otel.status_code",
    "error",
    "otel.status_description",
    "w3c.tracestate",
];

/// A span's tags: its attributes, and what Jaeger says by tags of its own.
pub(super) fn tags(span: &Span) -> Vec<(String, Value)> {
    let text = |key: &str, text: &str| (key.to_owned(), Value::String(text.into()));
    let mut tags: Vec<(String, Value)> =
        span.attributes.iter().map(|one| (one.key.to_string(), one.value.clone())).collect();
    if !span.scope.name.is_empty() {
        tags.push(text("otel.scope.name", &span.scope.name));
    }
    if !span.scope.version.is_empty() {
        tags.push(text("otel.scope.version", &span.scope.version));
    }
    if span.kind != SpanKind::Unspecified {
        tags.push(text("span.kind", span.kind.as_str()));
    }
    match span.status {
        Status::Unset => {}
        Status::Ok => tags.push(text("otel.status_code", "OK")),
        Status::Error => {
            tags.push(text("otel.status_code", "ERROR"));
            tags.push(("error".to_owned(), Value::Bool(true)));
        }
    }
    if !span.status_message.is_empty() {
        tags.push(text("otel.status_description", &span.status_message));
    }
    if !span.trace_state.is_empty() {
        tags.push(text("w3c.tracestate", &span.trace_state));
    }
    tags
}

fn tag(key: &str, value: &Value) -> Json {
    let (kind, value) = match value {
        Value::Bool(value) => ("bool", json!(value)),
        Value::Int(value) => ("int64", json!(value)),
        Value::Double(value) => ("float64", json!(value)),
        Value::Bytes(_) => ("binary", json!(value.to_string())),
        other => ("string", json!(other.to_string())),
    };
    json!({ "key": key, "type": kind, "value": value })
}
