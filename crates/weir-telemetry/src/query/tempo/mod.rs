//! Tempo's query interface, below `/tempo`: traces by id, search by TraceQL or tags, numbers over time, names and
//! values.
//!
//! Source: <https://grafana.com/docs/tempo/latest/api_docs/>.

mod find;
mod metrics;
mod tags;
mod value;

use std::sync::Arc;

use http::header::ACCEPT;
use http::request::Parts;
use serde_json::json;
use weir_signal::{TraceId, TraceSource};

use super::failed::{Failed, failed};
use super::otlp;
use super::params::{Params, decoded};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, answer as whole_answer, json as json_answer, text};

const PROTOBUF: &str = "application/protobuf";

/// Answers what stands below `/tempo/`.
pub(crate) async fn answer(
    engine: &Arc<Engine>,
    caller: &Caller,
    path: &str,
    parts: &Parts,
    body: &[u8],
) -> Answer {
    let params = Params::of(parts, body);
    let steps: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let done = match steps[..] {
        ["api", "echo"] => Ok(text(200, "echo")),
        ["ready"] => Ok(text(200, "ready\n")),
        ["api", "status", "buildinfo"] => {
            Ok(json_answer(200, &json!({ "version": "2.9.0", "revision": "weir" })))
        }
        ["api", "traces", id] => trace(engine, caller, parts, id, Version::One).await,
        ["api", "v2", "traces", id] => trace(engine, caller, parts, id, Version::Two).await,
        ["api", "metrics", "query_range"] => metrics::range(engine, caller, &params).await,
        ["api", "metrics", "query"] => metrics::instant(engine, caller, &params).await,
        ["api", "search"] => find::search(engine, caller, &params).await,
        ["api", "search", "tags"] => tags::tags(engine, caller, Version::One, &params).await,
        ["api", "v2", "search", "tags"] => tags::tags(engine, caller, Version::Two, &params).await,
        ["api", "search", "tag", name, "values"] => {
            tags::values(engine, caller, Version::One, &decoded(name, false), &params).await
        }
        ["api", "v2", "search", "tag", name, "values"] => {
            tags::values(engine, caller, Version::Two, &decoded(name, false), &params).await
        }
        _ => Err((404, format!("no interface of Tempo is at /tempo/{path}"))),
    };
    done.unwrap_or_else(|(status, words)| text(status, format!("{words}\n")))
}

/// Of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

async fn trace(
    engine: &Arc<Engine>,
    caller: &Caller,
    parts: &Parts,
    id: &str,
    version: Version,
) -> Result<Answer, Failed> {
    let id = TraceId::parse(id)
        .ok_or_else(|| (400, format!("`{id}` is no trace id of up to 32 hexadecimal digits")))?;
    let scope = engine.scope(caller);
    let left_out = Arc::clone(&scope.left_out);
    let found = engine.query(scope, None, move |engine, scope| engine.store().trace(scope, id, None)).await;
    let trace =
        found.map_err(|end| failed(&end))?.ok_or_else(|| (404, format!("trace {id} is not known")))?;
    // As Tempo reads it: wherever in the list it stands.
    let accept = parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let protobuf = accept.is_some_and(|accept| accept.contains(PROTOBUF));
    let batches = |trace| otlp::batches(trace).collect::<Vec<_>>();
    Ok(match (version, protobuf) {
        (Version::One, true) => whole_answer(200, PROTOBUF, otlp::trace(&trace)),
        (Version::Two, true) => {
            let mut out = weir_intake::wire::Writer::new();
            out.bytes(1, &otlp::trace(&trace));
            whole_answer(200, PROTOBUF, out.into_bytes())
        }
        (Version::One, false) => json_answer(200, &json!({ "batches": batches(&trace) })),
        (Version::Two, false) => {
            let mut answer = json!({ "trace": { "resourceSpans": batches(&trace) }, "metrics": {} });
            if !left_out.is_empty() {
                answer["status"] = "PARTIAL".into();
                answer["message"] = left_out.warnings().join("; ").into();
            }
            json_answer(200, &answer)
        }
    })
}
