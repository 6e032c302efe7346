//! OTLP in JSON, by way of Protocol Buffers: one schema, one decoder.
//!
//! What the JSON of OTLP does differently from Protocol Buffers' own: ids are hexadecimal, enums are numbers, names are in
//! camel case, unknown names are passed over. Names in snake case and enums by name, which some senders write, are taken as
//! well.

use std::fmt::Write as _;

use serde_json::Value;
use weir_signal::{Reason, Refusal, unbase64};

use crate::wire::{DEPTH_MAX, Writer};

/// Which request a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// `ExportTraceServiceRequest`
    Traces,
    /// `ExportLogsServiceRequest`
    Logs,
    /// `ExportMetricsServiceRequest`
    Metrics,
}

/// The request as Protocol Buffers.
///
/// # Errors
/// What is no JSON, or holds a value that its field cannot; the place is said as a path.
pub fn to_protobuf(request: Request, text: &[u8]) -> Result<Vec<u8>, Refusal> {
    let refused = |message: String| Refusal::new(Reason::Malformed, message);
    let value: Value = serde_json::from_slice(text).map_err(|error| refused(format!("no JSON: {error}")))?;
    let message = match request {
        Request::Traces => TRACES,
        Request::Logs => LOGS,
        Request::Metrics => METRICS,
    };
    let mut out = Writer::new();
    write_message(&value, message, &mut out, 0).map_err(|wrong| refused(wrong.to_string()))?;
    Ok(out.into_bytes())
}

/// A field: its name, number, and what it holds.
type Field = (&'static str, u32, Kind);
/// A message.
type Message = &'static [Field];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bool,
    /// Varint: `uint32`, `uint64`, `int64`.
    Int,
    Sint,
    Fixed64,
    Sfixed64,
    Fixed32,
    Double,
    Base64,
    Hex,
    /// By number or by name; the names are those of the schema without their common beginning.
    Enum(&'static [&'static str]),
    One(Message),
    Many(Message),
    /// `AnyValue`, which holds itself.
    Any,
    ManyAny,
    ManyAttributes,
    Uints,
    Fixed64s,
    Doubles,
}

const ANY: Message = &[
    ("stringValue", 1, Kind::Text),
    ("boolValue", 2, Kind::Bool),
    ("intValue", 3, Kind::Int),
    ("doubleValue", 4, Kind::Double),
    ("arrayValue", 5, Kind::One(&[("values", 1, Kind::ManyAny)])),
    ("kvlistValue", 6, Kind::One(&[("values", 1, Kind::ManyAttributes)])),
    ("bytesValue", 7, Kind::Base64),
];
const ATTRIBUTE: Message = &[("key", 1, Kind::Text), ("value", 2, Kind::Any)];
const RESOURCE: Message =
    &[("attributes", 1, Kind::ManyAttributes), ("droppedAttributesCount", 2, Kind::Int)];
const SCOPE: Message = &[
    ("name", 1, Kind::Text),
    ("version", 2, Kind::Text),
    ("attributes", 3, Kind::ManyAttributes),
    ("droppedAttributesCount", 4, Kind::Int),
];
const EVENT: Message = &[
    ("timeUnixNano", 1, Kind::Fixed64),
    ("name", 2, Kind::Text),
    ("attributes", 3, Kind::ManyAttributes),
    ("droppedAttributesCount", 4, Kind::Int),
];
const LINK: Message = &[
    ("traceId", 1, Kind::Hex),
    ("spanId", 2, Kind::Hex),
    ("traceState", 3, Kind::Text),
    ("attributes", 4, Kind::ManyAttributes),
    ("droppedAttributesCount", 5, Kind::Int),
    ("flags", 6, Kind::Fixed32),
];
const SPAN: Message = &[
    ("traceId", 1, Kind::Hex),
    ("spanId", 2, Kind::Hex),
    ("traceState", 3, Kind::Text),
    ("parentSpanId", 4, Kind::Hex),
    ("name", 5, Kind::Text),
    ("kind", 6, Kind::Enum(&["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"])),
    ("startTimeUnixNano", 7, Kind::Fixed64),
    ("endTimeUnixNano", 8, Kind::Fixed64),
    ("attributes", 9, Kind::ManyAttributes),
    ("droppedAttributesCount", 10, Kind::Int),
    ("events", 11, Kind::Many(EVENT)),
    ("droppedEventsCount", 12, Kind::Int),
    ("links", 13, Kind::Many(LINK)),
    ("droppedLinksCount", 14, Kind::Int),
    (
        "status",
        15,
        Kind::One(&[("message", 2, Kind::Text), ("code", 3, Kind::Enum(&["UNSET", "OK", "ERROR"]))]),
    ),
    ("flags", 16, Kind::Fixed32),
];
const SCOPE_SPANS: Message =
    &[("scope", 1, Kind::One(SCOPE)), ("spans", 2, Kind::Many(SPAN)), ("schemaUrl", 3, Kind::Text)];
const TRACES: Message = &[(
    "resourceSpans",
    1,
    Kind::Many(&[
        ("resource", 1, Kind::One(RESOURCE)),
        ("scopeSpans", 2, Kind::Many(SCOPE_SPANS)),
        ("schemaUrl", 3, Kind::Text),
    ]),
)];
const RECORD: Message = &[
    ("timeUnixNano", 1, Kind::Fixed64),
    ("severityNumber", 2, Kind::Int),
    ("severityText", 3, Kind::Text),
    ("body", 5, Kind::Any),
    ("attributes", 6, Kind::ManyAttributes),
    ("droppedAttributesCount", 7, Kind::Int),
    ("flags", 8, Kind::Fixed32),
    ("traceId", 9, Kind::Hex),
    ("spanId", 10, Kind::Hex),
    ("observedTimeUnixNano", 11, Kind::Fixed64),
    ("eventName", 12, Kind::Text),
];
const SCOPE_LOGS: Message =
    &[("scope", 1, Kind::One(SCOPE)), ("logRecords", 2, Kind::Many(RECORD)), ("schemaUrl", 3, Kind::Text)];
const LOGS: Message = &[(
    "resourceLogs",
    1,
    Kind::Many(&[
        ("resource", 1, Kind::One(RESOURCE)),
        ("scopeLogs", 2, Kind::Many(SCOPE_LOGS)),
        ("schemaUrl", 3, Kind::Text),
    ]),
)];
const EXEMPLAR: Message = &[
    ("timeUnixNano", 2, Kind::Fixed64),
    ("asDouble", 3, Kind::Double),
    ("spanId", 4, Kind::Hex),
    ("traceId", 5, Kind::Hex),
    ("asInt", 6, Kind::Sfixed64),
    ("filteredAttributes", 7, Kind::ManyAttributes),
];
const NUMBER: Message = &[
    ("startTimeUnixNano", 2, Kind::Fixed64),
    ("timeUnixNano", 3, Kind::Fixed64),
    ("asDouble", 4, Kind::Double),
    ("exemplars", 5, Kind::Many(EXEMPLAR)),
    ("asInt", 6, Kind::Sfixed64),
    ("attributes", 7, Kind::ManyAttributes),
    ("flags", 8, Kind::Int),
];
const HISTOGRAM: Message = &[
    ("startTimeUnixNano", 2, Kind::Fixed64),
    ("timeUnixNano", 3, Kind::Fixed64),
    ("count", 4, Kind::Fixed64),
    ("sum", 5, Kind::Double),
    ("bucketCounts", 6, Kind::Fixed64s),
    ("explicitBounds", 7, Kind::Doubles),
    ("exemplars", 8, Kind::Many(EXEMPLAR)),
    ("attributes", 9, Kind::ManyAttributes),
    ("flags", 10, Kind::Int),
    ("min", 11, Kind::Double),
    ("max", 12, Kind::Double),
];
const BUCKETS: Message = &[("offset", 1, Kind::Sint), ("bucketCounts", 2, Kind::Uints)];
const EXPONENTIAL: Message = &[
    ("attributes", 1, Kind::ManyAttributes),
    ("startTimeUnixNano", 2, Kind::Fixed64),
    ("timeUnixNano", 3, Kind::Fixed64),
    ("count", 4, Kind::Fixed64),
    ("sum", 5, Kind::Double),
    ("scale", 6, Kind::Sint),
    ("zeroCount", 7, Kind::Fixed64),
    ("positive", 8, Kind::One(BUCKETS)),
    ("negative", 9, Kind::One(BUCKETS)),
    ("flags", 10, Kind::Int),
    ("exemplars", 11, Kind::Many(EXEMPLAR)),
    ("min", 12, Kind::Double),
    ("max", 13, Kind::Double),
    ("zeroThreshold", 14, Kind::Double),
];
const SUMMARY: Message = &[
    ("startTimeUnixNano", 2, Kind::Fixed64),
    ("timeUnixNano", 3, Kind::Fixed64),
    ("count", 4, Kind::Fixed64),
    ("sum", 5, Kind::Double),
    ("quantileValues", 6, Kind::Many(&[("quantile", 1, Kind::Double), ("value", 2, Kind::Double)])),
    ("attributes", 7, Kind::ManyAttributes),
    ("flags", 8, Kind::Int),
];
const TEMPORALITY: Kind = Kind::Enum(&["UNSPECIFIED", "DELTA", "CUMULATIVE"]);
const METRIC: Message = &[
    ("name", 1, Kind::Text),
    ("description", 2, Kind::Text),
    ("unit", 3, Kind::Text),
    ("gauge", 5, Kind::One(&[("dataPoints", 1, Kind::Many(NUMBER))])),
    (
        "sum",
        7,
        Kind::One(&[
            ("dataPoints", 1, Kind::Many(NUMBER)),
            ("aggregationTemporality", 2, TEMPORALITY),
            ("isMonotonic", 3, Kind::Bool),
        ]),
    ),
    (
        "histogram",
        9,
        Kind::One(&[("dataPoints", 1, Kind::Many(HISTOGRAM)), ("aggregationTemporality", 2, TEMPORALITY)]),
    ),
    (
        "exponentialHistogram",
        10,
        Kind::One(&[("dataPoints", 1, Kind::Many(EXPONENTIAL)), ("aggregationTemporality", 2, TEMPORALITY)]),
    ),
    ("summary", 11, Kind::One(&[("dataPoints", 1, Kind::Many(SUMMARY))])),
    ("metadata", 12, Kind::ManyAttributes),
];
const SCOPE_METRICS: Message =
    &[("scope", 1, Kind::One(SCOPE)), ("metrics", 2, Kind::Many(METRIC)), ("schemaUrl", 3, Kind::Text)];
const METRICS: Message = &[(
    "resourceMetrics",
    1,
    Kind::Many(&[
        ("resource", 1, Kind::One(RESOURCE)),
        ("scopeMetrics", 2, Kind::Many(SCOPE_METRICS)),
        ("schemaUrl", 3, Kind::Text),
    ]),
)];

/// What is wrong, and the path to it, innermost first.
#[derive(Debug)]
struct Wrong {
    what: &'static str,
    path: Vec<String>,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut path = String::new();
        for step in self.path.iter().rev() {
            let dot = if path.is_empty() || step.starts_with('[') { "" } else { "." };
            let _ = write!(path, "{dot}{step}");
        }
        write!(out, "`{path}` {}", self.what)
    }
}

fn wrong<T>(what: &'static str) -> Result<T, Wrong> {
    Err(Wrong { what, path: Vec::new() })
}

fn at<T>(step: impl Into<String>, result: Result<T, Wrong>) -> Result<T, Wrong> {
    result.map_err(|mut wrong| {
        wrong.path.push(step.into());
        wrong
    })
}

fn write_message(value: &Value, message: Message, out: &mut Writer, depth: u8) -> Result<(), Wrong> {
    if depth >= DEPTH_MAX {
        return wrong("is nested too deeply");
    }
    let Value::Object(map) = value else { return wrong("is no object") };
    for (name, value) in map {
        let known = message.iter().find(|(known, ..)| known == name || is_snake(name, known));
        let (Some(&(_, number, kind)), false) = (known, value.is_null()) else { continue };
        at(name.as_str(), write_field(value, number, kind, out, depth))?;
    }
    Ok(())
}

/// Whether `name` is `camel` in snake case.
fn is_snake(name: &str, camel: &str) -> bool {
    let mut name = name.bytes();
    for byte in camel.bytes() {
        if byte.is_ascii_uppercase() && name.next() != Some(b'_') {
            return false;
        }
        if name.next() != Some(byte.to_ascii_lowercase()) {
            return false;
        }
    }
    name.next().is_none()
}

fn write_field(value: &Value, number: u32, kind: Kind, out: &mut Writer, depth: u8) -> Result<(), Wrong> {
    match kind {
        Kind::Text => {
            let Some(text) = value.as_str() else { return wrong("is no text") };
            out.text(number, text);
        }
        Kind::Bool => {
            let Some(flag) = value.as_bool() else { return wrong("is no truth value") };
            out.uint(number, u64::from(flag));
        }
        Kind::Int => out.uint(number, whole(value)?),
        Kind::Sint => out.sint(number, whole(value)?.cast_signed()),
        Kind::Fixed64 | Kind::Sfixed64 => out.fixed64(number, whole(value)?),
        Kind::Fixed32 => out.fixed32(number, whole(value)? as u32),
        Kind::Double => out.double(number, double(value)?),
        Kind::Hex => out.bytes(number, &hex(value)?),
        Kind::Base64 => out.bytes(number, &base64(value)?),
        Kind::Enum(names) => {
            let place = value.as_str().and_then(|text| {
                names.iter().position(|name| text == *name || text.ends_with(&format!("_{name}")))
            });
            out.uint(number, place.map_or_else(|| whole(value), |place| Ok(place as u64))?);
        }
        Kind::One(message) => return nested(value, number, message, out, depth),
        Kind::Any => return nested(value, number, ANY, out, depth),
        Kind::Many(message) => {
            return each(value, |item| nested(item, number, message, out, depth));
        }
        Kind::ManyAny => return each(value, |item| nested(item, number, ANY, out, depth)),
        Kind::ManyAttributes => return each(value, |item| nested(item, number, ATTRIBUTE, out, depth)),
        Kind::Uints => {
            let mut all = Vec::new();
            each(value, |item| whole(item).map(|number| all.push(number)))?;
            out.packed_uints(number, all);
        }
        Kind::Fixed64s => {
            let mut all = Vec::new();
            each(value, |item| whole(item).map(|number| all.push(number)))?;
            out.packed_fixed64s(number, all);
        }
        Kind::Doubles => {
            let mut all = Vec::new();
            each(value, |item| double(item).map(|number| all.push(number)))?;
            out.packed_doubles(number, all);
        }
    }
    Ok(())
}

fn nested(value: &Value, number: u32, message: Message, out: &mut Writer, depth: u8) -> Result<(), Wrong> {
    let mut result = Ok(());
    out.message(number, |out| result = write_message(value, message, out, depth + 1));
    result
}

fn each(value: &Value, mut item: impl FnMut(&Value) -> Result<(), Wrong>) -> Result<(), Wrong> {
    let Value::Array(items) = value else { return wrong("is no list") };
    items.iter().enumerate().try_for_each(|(index, value)| at(format!("[{index}]"), item(value)))
}

/// A number, or the text of one, as senders write what does not fit into a double. Negative ones as two's complement.
fn whole(value: &Value) -> Result<u64, Wrong> {
    let found = match value {
        Value::Number(number) => {
            number.as_u64().or_else(|| number.as_i64().map(i64::cast_unsigned)).or_else(|| {
                number
                    .as_f64()
                    .filter(|n| n.fract() == 0.0 && n.abs() < 9.0e15)
                    .map(|n| (n as i64).cast_unsigned())
            })
        }
        Value::String(text) => text.parse().ok().or_else(|| text.parse().ok().map(i64::cast_unsigned)),
        _ => None,
    };
    found.map_or_else(|| wrong("is no whole number of 64 bits"), Ok)
}

fn double(value: &Value) -> Result<f64, Wrong> {
    let found = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok(),
        },
        _ => None,
    };
    found.map_or_else(|| wrong("is no number"), Ok)
}

fn hex(value: &Value) -> Result<Vec<u8>, Wrong> {
    let digits = |text: &str| -> Option<Vec<u8>> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let bytes = pairs.iter().map(|&[high, low]| Some((digit(high)? * 16 + digit(low)?) as u8)).collect();
        if rest.is_empty() { bytes } else { None }
    };
    value.as_str().and_then(digits).map_or_else(|| wrong("is no hexadecimal text"), Ok)
}

/// Base64 in either alphabet (RFC 4648, sections 4 and 5), padded or not.
fn base64(value: &Value) -> Result<Vec<u8>, Wrong> {
    let Some(text) = value.as_str() else { return wrong("is no Base64 text") };
    let text = text.replace('-', "+").replace('_', "/");
    unbase64(text.as_bytes()).or_else(|_| wrong("is no Base64 text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::otlp::decode_traces;
    use crate::record::Recorder;

    #[test]
    fn a_trace_is_read() {
        let text = br#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
            "scopeSpans":[{"scope":{"name":"lib"},"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174",
            "parent_span_id":"EEE19B7EC3C1B173","name":"a","kind":"SPAN_KIND_SERVER","startTimeUnixNano":"1544712660000000000",
            "endTimeUnixNano":1544712661000000000,"attributes":[{"key":"n","value":{"intValue":"-5"}},
            {"key":"l","value":{"arrayValue":{"values":[{"doubleValue":1.5},{"bytesValue":"TQ=="}]}}}],"status":{"code":2},"unknown":1}]}]}]}"#;
        let payload = to_protobuf(Request::Traces, text).unwrap();
        let mut sink = Recorder::new();
        let accepted = decode_traces(&payload, &Limits::default(), &mut sink).unwrap();
        assert_eq!((accepted.items, accepted.refused.total()), (1, 0));
        let span = &sink.spans[0];
        assert_eq!(span.trace.to_string(), "5b8efff798038103d269b633813fc60c");
        assert_eq!(span.parent.to_string(), "eee19b7ec3c1b173");
        assert_eq!(
            (span.kind.as_str(), span.status.as_str(), span.resource.service()),
            ("server", "error", "shop")
        );
        assert_eq!(span.duration_ns(), 1_000_000_000);
        assert_eq!(span.attributes[0].value, weir_signal::Value::Int(-5));
        assert_eq!(span.attributes[1].value.to_string(), r#"[1.5,"TQ=="]"#);
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        let check = |text: &str, expect: &str| {
            let refusal = to_protobuf(Request::Traces, text.as_bytes()).unwrap_err();
            assert_eq!((refusal.reason, refusal.message.as_str()), (Reason::Malformed, expect));
        };
        check("[]", "`` is no object");
        check(r#"{"resourceSpans":{}}"#, "`resourceSpans` is no list");
        let span =
            |field: &str| format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{field}}}]}}]}}]}}"#);
        check(
            &span(r#""traceId":"xyz1""#),
            "`resourceSpans[0].scopeSpans[0].spans[0].traceId` is no hexadecimal text",
        );
        check(
            &span(r#""startTimeUnixNano":1.5"#),
            "`resourceSpans[0].scopeSpans[0].spans[0].startTimeUnixNano` is no whole number of 64 bits",
        );
        assert!(to_protobuf(Request::Logs, b"{").is_err());
        let deep = "{\"kvlistValue\":{\"values\":[{\"value\":".repeat(60);
        assert!(to_protobuf(Request::Logs, deep.as_bytes()).is_err());
    }
}
