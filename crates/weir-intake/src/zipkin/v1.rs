//! Version 1 in JSON.

use serde_json::Value;
use weir_signal::{Refusal, SpanKind, SpanSink};

use super::span::{Giver, RawSpan};
use super::v2::{endpoint, ids, list, number, text};
use crate::Limits;
use crate::otlp::Accepted;

/// Decodes a list of spans of version 1 into `sink`.
///
/// # Errors
/// The text is no such list; drop the sink. A span that is none is counted in what is returned.
pub fn decode_v1_json(
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

fn span(value: &Value) -> Result<RawSpan, Refusal> {
    let mut raw = ids(value)?;
    raw.name = text(&value["name"]);
    raw.start_us = number(&value["timestamp"]);
    raw.duration_us = number(&value["duration"]);
    let (mut begin, mut end) = (None, None);
    for one in value["annotations"].as_array().into_iter().flatten() {
        let (at, what) = (number(&one["timestamp"]), text(&one["value"]));
        let core = match what.as_str() {
            "cs" => Some((SpanKind::Client, true)),
            "cr" => Some((SpanKind::Client, false)),
            "sr" => Some((SpanKind::Server, true)),
            "ss" => Some((SpanKind::Server, false)),
            "ms" => Some((SpanKind::Producer, true)),
            "mr" => Some((SpanKind::Consumer, true)),
            _ => None,
        };
        if raw.local.service.is_empty() {
            raw.local = endpoint(&one["endpoint"]);
        }
        match core {
            Some((kind, begins)) => {
                raw.kind = kind;
                *(if begins { &mut begin } else { &mut end }) = Some(at);
            }
            None => raw.annotations.push((at, what)),
        }
    }
    if raw.start_us == 0 {
        raw.start_us = begin.unwrap_or_default();
    }
    if raw.duration_us == 0 {
        raw.duration_us = end.map_or(0, |end| end.saturating_sub(raw.start_us));
    }
    for one in value["binaryAnnotations"].as_array().into_iter().flatten() {
        let key = text(&one["key"]);
        match key.as_str() {
            // The other side's address: an annotation of which only the endpoint counts.
            "sa" | "ca" | "ma" => raw.remote = endpoint(&one["endpoint"]),
            _ => {
                if raw.local.service.is_empty() {
                    raw.local = endpoint(&one["endpoint"]);
                }
                raw.tags.push((key, text(&one["value"])));
            }
        }
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recorder;

    #[test]
    fn annotations_become_kind_and_times() {
        let text = br#"[{"traceId":"1","id":"2","name":"get","annotations":[
            {"timestamp":100,"value":"sr","endpoint":{"serviceName":"api"}},{"timestamp":150,"value":"ss"},{"timestamp":120,"value":"cache miss"}],
            "binaryAnnotations":[{"key":"http.path","value":"/"},{"key":"ca","value":true,"endpoint":{"serviceName":"web"}}]}]"#;
        let mut sink = Recorder::new();
        assert_eq!(decode_v1_json(text, &Limits::default(), &mut sink).unwrap().items, 1);
        let span = &sink.spans[0];
        assert_eq!((span.resource.service(), span.kind.as_str()), ("api", "server"));
        assert_eq!(
            (span.start_ns, span.duration_ns(), &*span.events[0].name),
            (100_000, 50_000, "cache miss")
        );
        let keys: Vec<&str> = span.attributes.iter().map(|one| &*one.key).collect();
        assert_eq!(keys, ["http.path", "peer.service"]);
    }
}
