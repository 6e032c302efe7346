//! Version 2 in JSON.

use serde_json::Value;
use weir_signal::{Reason, Refusal, SpanId, SpanKind, SpanSink, TraceId};

use super::span::{Endpoint, Giver, RawSpan};
use crate::Limits;
use crate::otlp::Accepted;

/// Decodes a list of spans of version 2 into `sink`.
///
/// # Errors
/// The text is no such list; drop the sink. A span that is none is counted in what is returned.
pub fn decode_v2_json(
    text: &[u8],
    limits: &Limits,
    sink: &mut (impl SpanSink + ?Sized),
) -> Result<Accepted, Refusal> {
    let spans = list(text)?;
    let mut giver = Giver::new(limits, sink);
    for (index, value) in spans.iter().enumerate() {
        match span(value) {
            Ok(raw) => giver.give(index, raw)?,
            Err(wrong) => giver.accepted.note(format_args!("span {index}"), Err(wrong), 1)?,
        }
    }
    Ok(giver.accepted)
}

/// The members of a list that is the whole text.
pub(super) fn list(text: &[u8]) -> Result<Vec<Value>, Refusal> {
    let wrong = |what: String| Refusal::new(Reason::Malformed, format!("no JSON list of spans: {what}"));
    let all: Vec<Value> = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
    match all.iter().position(|one| !one.is_object()) {
        Some(index) => Err(wrong(format!("member {index} is no object"))),
        None => Ok(all),
    }
}

fn span(value: &Value) -> Result<RawSpan, Refusal> {
    let mut raw = RawSpan { kind: kind(&value["kind"]), ..ids(value)? };
    raw.name = text(&value["name"]);
    raw.start_us = number(&value["timestamp"]);
    raw.duration_us = number(&value["duration"]);
    raw.local = endpoint(&value["localEndpoint"]);
    raw.remote = endpoint(&value["remoteEndpoint"]);
    for one in value["annotations"].as_array().into_iter().flatten() {
        raw.annotations.push((number(&one["timestamp"]), text(&one["value"])));
    }
    for (key, value) in value["tags"].as_object().into_iter().flatten() {
        raw.tags.push((key.clone(), text(value)));
    }
    Ok(raw)
}

/// The ids of a span, which both versions write alike.
pub(super) fn ids(value: &Value) -> Result<RawSpan, Refusal> {
    let wrong =
        |name: &str| Refusal::new(Reason::Malformed, format!("`{name}` is no id of hexadecimal digits"));
    let trace = value["traceId"].as_str().and_then(TraceId::parse).ok_or_else(|| wrong("traceId"))?;
    let id = value["id"].as_str().and_then(SpanId::parse).ok_or_else(|| wrong("id"))?;
    let parent = match value["parentId"].as_str() {
        None => SpanId::default(),
        Some(text) => SpanId::parse(text).ok_or_else(|| wrong("parentId"))?,
    };
    Ok(RawSpan { trace, id, parent, ..RawSpan::default() })
}

fn kind(value: &Value) -> SpanKind {
    match value.as_str() {
        Some("CLIENT") => SpanKind::Client,
        Some("SERVER") => SpanKind::Server,
        Some("PRODUCER") => SpanKind::Producer,
        Some("CONSUMER") => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    }
}

pub(super) fn endpoint(value: &Value) -> Endpoint {
    let address = value["ipv4"].as_str().or_else(|| value["ipv6"].as_str()).unwrap_or_default();
    Endpoint {
        service: text(&value["serviceName"]),
        address: address.to_owned(),
        port: number(&value["port"]),
    }
}

/// Text as it is; numbers and truth values as they are written.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A number, or the text of one; 0 for anything else.
pub(super) fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64))
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recorder;

    #[test]
    fn a_list_is_read() {
        let text = br#"[{"traceId":"5af7183fb1d4cf5f","id":"352bff9a74ca9ad2","parentId":"6b221d5bc9e6496c","name":"get /api",
            "kind":"CLIENT","timestamp":1556604172355737,"duration":1431,"localEndpoint":{"serviceName":"backend","ipv4":"192.168.99.1","port":3306},
            "remoteEndpoint":{"ipv4":"172.19.0.2","port":58648},"annotations":[{"timestamp":1556604172355800,"value":"retry"}],
            "tags":{"http.path":"/api","error":"500"}},{"id":"1"}]"#;
        let mut sink = Recorder::new();
        let accepted = decode_v2_json(text, &Limits::default(), &mut sink).unwrap();
        assert_eq!((accepted.items, accepted.refused.total()), (1, 1));
        let span = &sink.spans[0];
        assert_eq!(span.trace.to_string(), "00000000000000005af7183fb1d4cf5f");
        assert_eq!(
            (span.resource.service(), span.kind.as_str(), span.status.as_str()),
            ("backend", "client", "error")
        );
        assert_eq!((span.start_ns, span.duration_ns()), (1_556_604_172_355_737_000, 1_431_000));
        assert_eq!((&*span.status_message, &*span.events[0].name), ("500", "retry"));
        assert_eq!(&*span.attributes[0].key, "http.path");
        assert!(decode_v2_json(b"{}", &Limits::default(), &mut sink).is_err());
        assert!(
            decode_v2_json(b"[{\"traceId\":\"1\",\"id\":\"1\"},7]", &Limits::default(), &mut sink).is_err()
        );
    }
}
