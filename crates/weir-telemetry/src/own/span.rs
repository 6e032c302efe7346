//! The span of a request, named as OpenTelemetry's conventions for HTTP servers say.
//!
//! Source: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>.

use std::sync::Arc;

use weir_emit::access::{Record, Reuse};
use weir_emit::trail::SpanIds;
use weir_signal::{
    Attribute, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanKind, Status, TraceId, Value,
};

/// What all spans share.
#[derive(Debug)]
pub(super) struct Spans {
    resource: Arc<Resource>,
    scope: Arc<InstrumentationScope>,
}

impl Default for Spans {
    fn default() -> Self {
        let scope = InstrumentationScope { name: "weir.gateway".into(), ..InstrumentationScope::default() };
        Self { resource: super::resource(), scope: Arc::new(scope) }
    }
}

impl Spans {
    /// The span of a request.
    pub(super) fn of(&self, record: &Record<'_>, ids: SpanIds) -> Span {
        let text = |bytes: &[u8]| -> Box<str> { String::from_utf8_lossy(bytes).into() };
        let mut attributes = Vec::with_capacity(16);
        let mut add = |key: &str, value: Value| attributes.push(Attribute { key: key.into(), value });
        let mut words = |key: &str, value: &[u8]| {
            if !value.is_empty() {
                add(key, Value::String(text(value)));
            }
        };
        words("http.request.method", record.method);
        let path = record.path.split(|byte| *byte == b'?').next().unwrap_or_default();
        words("url.path", path);
        words("server.address", record.host);
        words("user_agent.original", record.user_agent);
        words("network.protocol.version", record.protocol.trim_start_matches("HTTP/").as_bytes());
        words("weir.listener", record.listener.as_bytes());
        words("weir.route", record.route.as_bytes());
        words("weir.service", record.service.as_bytes());
        words("weir.endpoint", record.endpoint.as_bytes());
        words("weir.request_id", record.request_id);
        if let Some(client) = record.client {
            words("client.address", client.ip().to_string().as_bytes());
        }
        if let Some(failure) = record.failure {
            words("error.type", failure.kind.word().as_bytes());
            words("weir.failure.blame", failure.blame.word().as_bytes());
            words("weir.failure.phase", failure.phase.word().as_bytes());
        }
        if record.status != 0 {
            add("http.response.status_code", Value::Int(i64::from(record.status)));
        }
        add("http.request.body.size", Value::Int(record.bytes_in as i64));
        add("http.response.body.size", Value::Int(record.bytes_out as i64));
        if record.tries > 0 {
            add("weir.tries", Value::Int(i64::from(record.tries)));
        }
        if let Some(connection) = record.connection {
            add("weir.connection.reused", Value::Bool(connection == Reuse::Reused));
        }
        let start_ns = record.at.0 as i64;
        let event = |name: &str, after_ns: Option<u64>| {
            after_ns.map(|ns| SpanEvent {
                time_ns: start_ns + ns as i64,
                name: name.into(),
                ..SpanEvent::default()
            })
        };
        // A server's span is an error where the fault is its own (5xx), not where the client's is (4xx).
        let failed = record.status >= 500 || record.status == 0;
        Span {
            trace: TraceId(ids.trace.to_be_bytes()),
            id: SpanId(ids.span.to_be_bytes()),
            parent: SpanId(ids.parent.to_be_bytes()),
            // W3C: sampled, and the parent is in another process.
            flags: 0x301,
            name: name(record),
            kind: SpanKind::Server,
            start_ns,
            end_ns: start_ns + record.timings.total_ns as i64,
            status: if failed { Status::Error } else { Status::Unset },
            status_message: record.failure.map_or_else(Box::default, |failure| failure.kind.says().into()),
            attributes,
            events: event("first byte from upstream", record.timings.first_byte_ns).into_iter().collect(),
            resource: Arc::clone(&self.resource),
            scope: Arc::clone(&self.scope),
            ..Span::default()
        }
    }
}

/// The method and the route: few names, whatever paths are asked for.
fn name(record: &Record<'_>) -> Box<str> {
    let method = String::from_utf8_lossy(record.method);
    if record.route.is_empty() { method.into() } else { format!("{method} {}", record.route).into() }
}
