//! Protocol Buffers (`jaeger.api_v2`).

use weir_signal::{Attribute, Refusal, SpanId, SpanSink, TraceId, Value};

use super::batch::{Process, RawSpan, Reference, Tag, give};
use crate::Limits;
use crate::otlp::Accepted;
use crate::wire::{Reader, WireError};

/// Decodes a `PostSpansRequest` into `sink`.
///
/// # Errors
/// The payload is no such message; drop the sink.
pub fn decode_post_spans(
    payload: &[u8],
    limits: &Limits,
    sink: &mut (impl SpanSink + ?Sized),
) -> Result<Accepted, Refusal> {
    let mut process = Process::default();
    let mut spans = Vec::new();
    let mut request = Reader::new(payload);
    while let Some(field) = request.next()? {
        if field.number != 1 {
            continue;
        }
        let mut batch = field.message()?;
        while let Some(field) = batch.next()? {
            match field.number {
                1 => spans.push(span(field.message()?)?),
                2 => process = read_process(field.message()?)?,
                _ => {}
            }
        }
    }
    give(&process, spans, limits, sink)
}

fn span(mut reader: Reader<'_>) -> Result<RawSpan, WireError> {
    let mut span = RawSpan::default();
    while let Some(field) = reader.next()? {
        match field.number {
            1 => span.trace = trace_id(field.bytes()?),
            2 => span.id = span_id(field.bytes()?),
            3 => span.name = field.text()?.into(),
            4 => span.references.push(reference(field.message()?)?),
            5 => span.flags = field.uint()? as u32,
            6 => span.start_ns = time(field.message()?)?,
            7 => span.duration_ns = time(field.message()?)?,
            8 => span.tags.push(tag(field.message()?)?),
            9 => {
                let (mut time_ns, mut fields) = (0, Vec::new());
                let mut log = field.message()?;
                while let Some(field) = log.next()? {
                    match field.number {
                        1 => time_ns = time(field.message()?)?,
                        2 => fields.push(tag(field.message()?)?),
                        _ => {}
                    }
                }
                span.logs.push((time_ns, fields));
            }
            10 => span.process = Some(read_process(field.message()?)?),
            _ => {}
        }
    }
    Ok(span)
}

fn read_process(mut reader: Reader<'_>) -> Result<Process, WireError> {
    let mut process = Process::default();
    while let Some(field) = reader.next()? {
        match field.number {
            1 => process.service = field.text()?.into(),
            2 => process.tags.push(tag(field.message()?)?),
            _ => {}
        }
    }
    Ok(process)
}

fn reference(mut reader: Reader<'_>) -> Result<Reference, WireError> {
    let mut reference = Reference { trace: TraceId::default(), span: SpanId::default(), follows: false };
    while let Some(field) = reader.next()? {
        match field.number {
            1 => reference.trace = trace_id(field.bytes()?),
            2 => reference.span = span_id(field.bytes()?),
            3 => reference.follows = field.uint()? == 1,
            _ => {}
        }
    }
    Ok(reference)
}

/// `Timestamp` and `Duration`, which look alike, in nanoseconds.
fn time(mut reader: Reader<'_>) -> Result<i64, WireError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    while let Some(field) = reader.next()? {
        match field.number {
            1 => seconds = field.int()?,
            2 => nanos = field.int()?,
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

fn tag(mut reader: Reader<'_>) -> Result<Tag, WireError> {
    let (mut key, mut kind) = ("", 0);
    let (mut text, mut flag, mut whole, mut double, mut bytes) = ("", false, 0, 0.0, &[][..]);
    while let Some(field) = reader.next()? {
        match field.number {
            1 => key = field.text()?,
            2 => kind = field.uint()?,
            3 => text = field.text()?,
            4 => flag = field.bool()?,
            5 => whole = field.int()?,
            6 => double = field.double()?,
            7 => bytes = field.bytes()?,
            _ => {}
        }
    }
    let value = match kind {
        1 => Value::Bool(flag),
        2 => Value::Int(whole),
        3 => Value::Double(double),
        4 => Value::Bytes(bytes.into()),
        _ => Value::String(text.into()),
    };
    Ok(Attribute { key: key.into(), value })
}

/// Up to sixteen bytes, shorter ones with zeros in front; longer ones name nothing.
fn trace_id(bytes: &[u8]) -> TraceId {
    let mut id = [0; 16];
    if bytes.len() <= id.len() {
        id[16 - bytes.len()..].copy_from_slice(bytes);
    }
    TraceId(id)
}

fn span_id(bytes: &[u8]) -> SpanId {
    SpanId(bytes.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recorder;
    use crate::wire::Writer;

    #[test]
    fn a_batch_becomes_spans() {
        let mut payload = Writer::new();
        payload.message(1, |batch| {
            batch.message(2, |process| {
                process.text(1, "shop");
                process.message(2, |tag| {
                    tag.text(1, "host");
                    tag.text(3, "h");
                });
            });
            batch.message(1, |span| {
                span.bytes(1, &[1; 16]);
                span.bytes(2, &[2; 8]);
                span.text(3, "op");
                span.message(4, |reference| {
                    reference.bytes(1, &[1; 16]);
                    reference.bytes(2, &[3; 8]);
                });
                span.message(6, |time| {
                    time.uint(1, 5);
                    time.uint(2, 7);
                });
                span.message(7, |time| time.uint(2, 9));
                span.message(8, |tag| {
                    tag.text(1, "span.kind");
                    tag.text(3, "client");
                });
                span.message(8, |tag| {
                    tag.text(1, "error");
                    tag.uint(2, 1);
                    tag.uint(4, 1);
                });
                span.message(9, |log| {
                    log.message(1, |time| time.uint(1, 6));
                    log.message(2, |field| {
                        field.text(1, "event");
                        field.text(3, "retry");
                    });
                });
            });
        });
        let mut sink = Recorder::new();
        let accepted = decode_post_spans(payload.as_bytes(), &Limits::default(), &mut sink).unwrap();
        assert_eq!(accepted.items, 1);
        let span = &sink.spans[0];
        assert_eq!(
            (span.resource.service(), &*span.name, span.kind.as_str(), span.status.as_str()),
            ("shop", "op", "client", "error")
        );
        assert_eq!((span.start_ns, span.end_ns, span.parent), (5_000_000_007, 5_000_000_016, SpanId([3; 8])));
        assert_eq!((&*span.events[0].name, span.events[0].time_ns), ("retry", 6_000_000_000));
        assert!(span.attributes.is_empty());
        for end in 0..payload.as_bytes().len() {
            let _ = decode_post_spans(&payload.as_bytes()[..end], &Limits::default(), &mut Recorder::new());
        }
    }
}
