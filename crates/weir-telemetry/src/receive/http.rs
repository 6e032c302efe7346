//! What comes in over HTTP, by protocol.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use weir_intake::otlp::json::Request;

use super::spans::{self, Form};
use super::{loki, otlp, remote_write};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, Asked, text};

/// Takes a payload, and answers as its protocol does.
pub(crate) async fn answer(
    engine: &Arc<Engine>,
    caller: &Caller,
    asked: Asked<'_>,
    parts: &Parts,
    body: Bytes,
) -> Answer {
    match asked {
        Asked::OtlpMetrics => otlp::answer(engine, caller, Request::Metrics, parts, body).await,
        Asked::OtlpLogs => otlp::answer(engine, caller, Request::Logs, parts, body).await,
        Asked::OtlpTraces => otlp::answer(engine, caller, Request::Traces, parts, body).await,
        Asked::ZipkinV2 => spans::answer(engine, caller, Form::ZipkinV2, parts, body).await,
        Asked::ZipkinV1 => spans::answer(engine, caller, Form::ZipkinV1, parts, body).await,
        Asked::JaegerThrift => spans::answer(engine, caller, Form::JaegerThrift, parts, body).await,
        Asked::LokiPush => loki::answer(engine, caller, parts, body).await,
        Asked::RemoteWrite => remote_write::answer(engine, caller, parts, body).await,
        other => text(404, format!("nothing takes {other:?}\n")),
    }
}
