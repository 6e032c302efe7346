//! OTLP, over HTTP and over gRPC: metrics, logs, traces.

use std::cell::RefCell;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use weir_intake::compress::{Decompressor, Encoding};
use weir_intake::otlp::json::{self, Request};
use weir_intake::otlp::{Accepted, MetricOptions, decode_logs, decode_metrics, decode_traces};
use weir_intake::wire::Writer;
use weir_signal::{Reason, Refusal};

use super::{Taken, batch_id, commit, take};
use crate::caller::Caller;
use crate::engine::{Engine, now_ms};
use crate::http::{Answer, answer as whole_answer, retry_after};
use crate::tally::Protocol;

thread_local! {
    /// One per thread: it keeps the memory of payloads before.
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::default();
}

/// How a payload is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Takes a payload over HTTP.
pub(super) async fn answer(
    engine: &Arc<Engine>,
    caller: &Caller,
    request: Request,
    parts: &Parts,
    body: Bytes,
) -> Answer {
    let text = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let kind = text(CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let form = match kind.to_ascii_lowercase().as_str() {
        PROTOBUF | "application/protobuf" => Form::Protobuf,
        JSON => Form::Json,
        other => {
            let message = format!("`Content-Type: {other}` is not OTLP; send {PROTOBUF} or {JSON}");
            return turned_away(engine, &Refusal::new(Reason::Unsupported, message), Form::Json);
        }
    };
    let Some(encoding) = Encoding::parse(text(CONTENT_ENCODING).unwrap_or_default()) else {
        let message = "this `Content-Encoding` is not known; send gzip, zstd, deflate, snappy or none";
        return turned_away(engine, &Refusal::new(Reason::Unsupported, message), form);
    };
    let tenant = caller.clone();
    let taken = take(engine, Protocol::Otlp, body.len(), move |engine| {
        DECOMPRESSOR.with_borrow_mut(|decompressor| {
            let limit = engine.rules().intake.decompressed_bytes;
            let payload = decompressor.decompress(encoding, &body, limit)?;
            match form {
                Form::Protobuf => decode(engine, &tenant, request, payload),
                Form::Json => decode(engine, &tenant, request, &json::to_protobuf(request, payload)?),
            }
        })
    });
    match (taken.await, form) {
        (Ok(accepted), Form::Protobuf) => whole_answer(200, PROTOBUF, accepted.response()),
        (Ok(accepted), Form::Json) => whole_answer(200, JSON, accepted.response_json(rejected(request))),
        (Err(refusal), form) => refused(&refusal, form),
    }
}

/// Takes a payload that is Protocol Buffers and no longer compressed.
pub(super) async fn take_plain(
    engine: &Arc<Engine>,
    caller: &Caller,
    request: Request,
    payload: Bytes,
) -> Result<Accepted, Refusal> {
    let caller = caller.clone();
    take(engine, Protocol::OtlpGrpc, payload.len(), move |engine| decode(engine, &caller, request, &payload))
        .await
}

fn decode(
    engine: &Engine,
    caller: &Caller,
    request: Request,
    payload: &[u8],
) -> Result<Taken<Accepted>, Refusal> {
    let rules = engine.rules();
    let limits = &rules.intake;
    let tenant = &caller.tenant;
    let store = engine.store();
    // Lines and spans are told apart by what they say only, so that a payload that comes twice must be known by its bytes.
    let batch = Some(batch_id(request as u8, payload));
    let (says, ticket) = match request {
        Request::Metrics => {
            let mut sink = store.metrics(tenant);
            let deltas = engine.deltas(tenant);
            let mut deltas = deltas.lock().unwrap_or_else(PoisonError::into_inner);
            let mut says = decode_metrics(payload, limits, &rules.metric_options, &mut deltas, &mut sink)?;
            let ticket = commit(sink, None, &mut says.refused)?;
            (says, ticket)
        }
        Request::Logs => {
            let mut sink = store.logs(tenant);
            let mut says = decode_logs(payload, limits, now_ms() * 1_000_000, &mut sink)?;
            let ticket = commit(sink, batch, &mut says.refused)?;
            (says, ticket)
        }
        Request::Traces => {
            let mut sink = store.spans(tenant);
            let mut says = decode_traces(payload, limits, &mut sink)?;
            let ticket = commit(sink, batch, &mut says.refused)?;
            (says, ticket)
        }
    };
    Ok(Taken { whole: says.refused.is_empty(), says, ticket })
}

/// The options of metrics that were configured.
pub(crate) fn metric_options(telemetry: &weir_model::Telemetry) -> MetricOptions {
    MetricOptions {
        promote: telemetry.limits.promote.iter().map(ToString::to_string).collect(),
        ..MetricOptions::default()
    }
}

fn rejected(request: Request) -> &'static str {
    match request {
        Request::Metrics => "rejectedDataPoints",
        Request::Logs => "rejectedLogRecords",
        Request::Traces => "rejectedSpans",
    }
}

/// Refuses what was not even looked into, and counts it.
fn turned_away(engine: &Engine, refusal: &Refusal, form: Form) -> Answer {
    engine.tally().refuse(Protocol::Otlp, refusal);
    refused(refusal, form)
}

/// A refusal as OTLP wants it: `google.rpc.Status`, in the form of the payload, and a time to come back where that helps.
fn refused(refusal: &Refusal, form: Form) -> Answer {
    let (status, code) = match refusal.reason {
        Reason::TooLarge => (413, INVALID_ARGUMENT),
        Reason::Unsupported => (415, INVALID_ARGUMENT),
        Reason::Overloaded => (429, RESOURCE_EXHAUSTED),
        Reason::Unavailable => (503, UNAVAILABLE),
        _ => (400, INVALID_ARGUMENT),
    };
    let answer = match form {
        Form::Protobuf => {
            let mut out = Writer::new();
            out.uint(1, code);
            out.text(2, &refusal.message);
            whole_answer(status, PROTOBUF, out.into_bytes())
        }
        Form::Json => {
            let body = serde_json::json!({ "code": code, "message": refusal.message });
            whole_answer(status, JSON, body.to_string())
        }
    };
    if refusal.reason.may_retry() { retry_after(answer, super::RETRY_AFTER_S) } else { answer }
}

/// Codes of gRPC (`google.rpc.Code`).
const INVALID_ARGUMENT: u64 = 3;
const RESOURCE_EXHAUSTED: u64 = 8;
const UNAVAILABLE: u64 = 14;
