//! Version 2 in Protocol Buffers (`zipkin.proto3`).

use std::net::{Ipv4Addr, Ipv6Addr};

use weir_signal::{Refusal, SpanId, SpanKind, SpanSink, TraceId};

use super::span::{Endpoint, Giver, RawSpan};
use crate::Limits;
use crate::otlp::Accepted;
use crate::wire::{Reader, WireError};

/// Decodes a `ListOfSpans` into `sink`.
///
/// # Errors
/// The payload is no such message; drop the sink.
pub fn decode_v2_protobuf(
    payload: &[u8],
    limits: &Limits,
    sink: &mut (impl SpanSink + ?Sized),
) -> Result<Accepted, Refusal> {
    let mut giver = Giver::new(limits, sink);
    let mut reader = Reader::new(payload);
    let mut index = 0;
    while let Some(field) = reader.next()? {
        if field.number == 1 {
            giver.give(index, span(field.message()?)?)?;
            index += 1;
        }
    }
    Ok(giver.accepted)
}

fn span(mut reader: Reader<'_>) -> Result<RawSpan, WireError> {
    let mut raw = RawSpan::default();
    while let Some(field) = reader.next()? {
        match field.number {
            1 => {
                let bytes = field.bytes()?;
                let mut id = [0; 16];
                if bytes.len() <= id.len() {
                    id[16 - bytes.len()..].copy_from_slice(bytes);
                }
                raw.trace = TraceId(id);
            }
            2 => raw.parent = SpanId(field.bytes()?.try_into().unwrap_or_default()),
            3 => raw.id = SpanId(field.bytes()?.try_into().unwrap_or_default()),
            4 => {
                raw.kind = match field.uint()? {
                    1 => SpanKind::Client,
                    2 => SpanKind::Server,
                    3 => SpanKind::Producer,
                    4 => SpanKind::Consumer,
                    _ => SpanKind::Unspecified,
                }
            }
            5 => field.text()?.clone_into(&mut raw.name),
            6 => raw.start_us = field.fixed64()?,
            7 => raw.duration_us = field.uint()?,
            8 => raw.local = endpoint(field.message()?)?,
            9 => raw.remote = endpoint(field.message()?)?,
            10 => {
                let (mut at, mut what) = (0, "");
                let mut annotation = field.message()?;
                while let Some(field) = annotation.next()? {
                    match field.number {
                        1 => at = field.fixed64()?,
                        2 => what = field.text()?,
                        _ => {}
                    }
                }
                raw.annotations.push((at, what.to_owned()));
            }
            11 => {
                let (mut key, mut value) = ("", "");
                let mut entry = field.message()?;
                while let Some(field) = entry.next()? {
                    match field.number {
                        1 => key = field.text()?,
                        2 => value = field.text()?,
                        _ => {}
                    }
                }
                raw.tags.push((key.to_owned(), value.to_owned()));
            }
            _ => {}
        }
    }
    Ok(raw)
}

fn endpoint(mut reader: Reader<'_>) -> Result<Endpoint, WireError> {
    let mut endpoint = Endpoint::default();
    while let Some(field) = reader.next()? {
        match field.number {
            1 => field.text()?.clone_into(&mut endpoint.service),
            2 => {
                if let Ok(octets) = <[u8; 4]>::try_from(field.bytes()?) {
                    endpoint.address = Ipv4Addr::from(octets).to_string();
                }
            }
            3 => {
                if let Ok(octets) = <[u8; 16]>::try_from(field.bytes()?) {
                    endpoint.address = Ipv6Addr::from(octets).to_string();
                }
            }
            4 => endpoint.port = field.uint()?,
            _ => {}
        }
    }
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recorder;
    use crate::wire::Writer;

    #[test]
    fn a_list_is_read() {
        let mut payload = Writer::new();
        payload.message(1, |span| {
            span.bytes(1, &[7; 8]);
            span.bytes(3, &[2; 8]);
            span.uint(4, 2);
            span.text(5, "get");
            span.fixed64(6, 100);
            span.uint(7, 5);
            span.message(8, |endpoint| {
                endpoint.text(1, "api");
                endpoint.bytes(2, &[127, 0, 0, 1]);
                endpoint.uint(4, 80);
            });
            span.message(11, |tag| {
                tag.text(1, "a");
                tag.text(2, "b");
            });
        });
        let mut sink = Recorder::new();
        assert_eq!(decode_v2_protobuf(payload.as_bytes(), &Limits::default(), &mut sink).unwrap().items, 1);
        let span = &sink.spans[0];
        assert_eq!((span.resource.service(), span.kind.as_str(), span.start_ns), ("api", "server", 100_000));
        assert_eq!(span.attributes.len(), 3);
        for end in 0..payload.as_bytes().len() {
            let _ = decode_v2_protobuf(&payload.as_bytes()[..end], &Limits::default(), &mut Recorder::new());
        }
    }
}
