//! Spans in the protocols of Jaeger and Zipkin.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use weir_intake::compress::{Decompressor, Encoding};
use weir_intake::otlp::Accepted;
use weir_intake::{jaeger, zipkin};
use weir_signal::{Reason, Refusal};

use super::{RETRY_AFTER_S, Taken, batch_id, commit, take};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, retry_after, text};
use crate::tally::{Became, Protocol, Why};

thread_local! {
    /// One per thread: it keeps the memory of payloads before.
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::default();
}

/// How spans are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Zipkin, version 2; the content type says whether JSON or Protocol Buffers.
    ZipkinV2,
    /// Zipkin, version 1, JSON.
    ZipkinV1,
    /// Jaeger's Thrift, binary protocol.
    JaegerThrift,
    /// Jaeger's Protocol Buffers.
    JaegerProtobuf,
    /// Jaeger's Thrift, compact protocol in a message.
    JaegerCompact,
    /// Zipkin, version 2, Protocol Buffers.
    ZipkinProtobuf,
}

impl Form {
    /// What payloads of this form are counted under.
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::ZipkinV2 | Self::ZipkinV1 | Self::ZipkinProtobuf => Protocol::Zipkin,
            Self::JaegerThrift => Protocol::Jaeger,
            Self::JaegerProtobuf => Protocol::JaegerGrpc,
            Self::JaegerCompact => Protocol::JaegerUdp,
        }
    }
}

/// Takes a payload over HTTP. Both protocols answer 202 without a body.
pub(super) async fn answer(
    engine: &Arc<Engine>,
    caller: &Caller,
    form: Form,
    parts: &Parts,
    body: Bytes,
) -> Answer {
    let header = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let kind = header(CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let form = match (form, kind) {
        (Form::ZipkinV2, "application/x-protobuf") => Form::ZipkinProtobuf,
        (form, _) => form,
    };
    let Some(encoding) = Encoding::parse(header(CONTENT_ENCODING).unwrap_or_default()) else {
        engine.tally().note(form.protocol(), Became::Refused(Why::Reason(Reason::Unsupported)));
        return text(415, "this `Content-Encoding` is not known; send gzip, zstd, deflate, snappy or none\n");
    };
    let caller = caller.clone();
    let taken = take(engine, form.protocol(), body.len(), move |engine| {
        DECOMPRESSOR.with_borrow_mut(|decompressor| {
            let limit = engine.rules().intake.decompressed_bytes;
            let payload = decompressor.decompress(encoding, &body, limit)?;
            decode(engine, &caller, form, payload)
        })
    });
    match taken.await {
        Ok(accepted) if accepted.refused.is_empty() => text(202, String::new()),
        Ok(accepted) => text(400, format!("{}\n", accepted.refused)),
        Err(refusal) => {
            let status = match refusal.reason {
                Reason::TooLarge => 413,
                Reason::Overloaded => 429,
                Reason::Unavailable => 503,
                _ => 400,
            };
            let answer = text(status, format!("{refusal}\n"));
            if refusal.reason.may_retry() { retry_after(answer, RETRY_AFTER_S) } else { answer }
        }
    }
}

/// Decodes and commits what is no longer compressed.
pub(super) fn decode(
    engine: &Engine,
    caller: &Caller,
    form: Form,
    payload: &[u8],
) -> Result<Taken<Accepted>, Refusal> {
    let limits = &engine.rules().intake;
    let mut sink = engine.store().spans(&caller.tenant);
    let mut says = match form {
        Form::ZipkinV2 => zipkin::decode_v2_json(payload, limits, &mut sink)?,
        Form::ZipkinV1 => zipkin::decode_v1_json(payload, limits, &mut sink)?,
        Form::ZipkinProtobuf => zipkin::decode_v2_protobuf(payload, limits, &mut sink)?,
        Form::JaegerThrift => jaeger::decode_binary(payload, limits, &mut sink)?,
        Form::JaegerCompact => jaeger::decode_compact_message(payload, limits, &mut sink)?,
        Form::JaegerProtobuf => jaeger::decode_post_spans(payload, limits, &mut sink)?,
    };
    let ticket = commit(sink, Some(batch_id(0x80 | form as u8, payload)), &mut says.refused)?;
    Ok(Taken { whole: says.refused.is_empty(), says, ticket })
}
