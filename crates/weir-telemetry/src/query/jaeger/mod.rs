//! Jaeger's query interface, as its user interface and Grafana's data source ask it.
//!
//! Source: Jaeger's `cmd/query/app/http_handler.go` and `model/json`, version 1; for what stands below `/api/v3/` the API
//! description of jaeger-idl (`swagger/api_v3`).

mod find;
mod v3;
mod write;

use std::collections::BTreeSet;
use std::sync::Arc;

use http::request::Parts;
use serde_json::{Value, json};
use weir_signal::{ReadError, SpanField, SpanKind, Trace, TraceId, TraceSource};

use super::failed::{Failed, failed};
use super::params::{Params, decoded};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, json as json_answer};

/// Services of a list.
const NAMES_MAX: usize = 10_000;
/// All of it.
const ALL_TIME: (i64, i64) = (i64::MIN, i64::MAX);

/// Answers what stands below `/api/`.
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
        ["v3", ref rest @ ..] => return v3::answer(engine, caller, rest, &params).await,
        ["services"] => services(engine, caller).await.map(Value::from),
        ["services", service, "operations"] => {
            let found = names(engine, caller, decoded(service, false).into_owned()).await;
            found.map(|found| {
                found
                    .into_iter()
                    .map(|(name, _)| String::from(name))
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect()
            })
        }
        ["operations"] => operations(engine, caller, &params).await,
        ["traces", id] => trace(engine, caller, id).await,
        ["traces"] => find::traces(engine, caller, &params).await,
        ["dependencies"] => find::dependencies(engine, caller, &params).await,
        _ => Err((404, format!("no interface of Jaeger is at /api/{path}"))),
    };
    match done {
        Ok(data) => {
            let total = data.as_array().map_or(0, Vec::len);
            json_answer(
                200,
                &json!({ "data": data, "total": total, "limit": 0, "offset": 0, "errors": null }),
            )
        }
        Err((code, msg)) => json_answer(
            code,
            &json!({ "data": null, "total": 0, "limit": 0, "offset": 0, "errors": [{ "code": code, "msg": msg }] }),
        ),
    }
}

/// The services that spans come from.
async fn services(engine: &Arc<Engine>, caller: &Caller) -> Result<Vec<String>, Failed> {
    let scope = engine.scope(caller);
    let found = engine.query(scope, None, move |engine, scope| {
        engine.store().values(scope, ALL_TIME, &SpanField::Service, NAMES_MAX)
    });
    let found = found.await.map_err(|end| failed(&end))?;
    Ok(found.iter().map(ToString::to_string).collect())
}

/// Names and kinds of a service's spans.
async fn names(
    engine: &Arc<Engine>,
    caller: &Caller,
    service: String,
) -> Result<Vec<(Box<str>, SpanKind)>, Failed> {
    let scope = engine.scope(caller);
    let found =
        engine.query(scope, None, move |engine, scope| engine.store().operations(scope, ALL_TIME, &service));
    found.await.map_err(|end| failed(&end))
}

/// Operations of a service with the kinds of their spans.
async fn operations(engine: &Arc<Engine>, caller: &Caller, params: &Params) -> Result<Value, Failed> {
    let service = params.get("service").ok_or((400, "parameter 'service' is required".to_owned()))?;
    let kind = params.get("spanKind").unwrap_or_default();
    let found = names(engine, caller, service.to_owned()).await?;
    let wanted = found.iter().filter(|(_, found)| kind.is_empty() || found.as_str() == kind);
    Ok(wanted.map(|(name, kind)| json!({ "name": name, "spanKind": kind_of(*kind) })).collect())
}

/// A kind as Jaeger names it; nothing where nobody said.
fn kind_of(kind: SpanKind) -> &'static str {
    if kind == SpanKind::Unspecified { "" } else { kind.as_str() }
}

/// One trace.
async fn trace(engine: &Arc<Engine>, caller: &Caller, id: &str) -> Result<Value, Failed> {
    let id = TraceId::parse(id)
        .ok_or_else(|| (400, format!("`{id}` is no trace id of up to 32 hexadecimal digits")))?;
    let (trace, warnings) = one(engine, caller, id).await?;
    Ok(json!([write::trace(&trace, &warnings)]))
}

/// A trace, and what is left out of it.
async fn one(engine: &Arc<Engine>, caller: &Caller, id: TraceId) -> Result<(Trace, Vec<String>), Failed> {
    let scope = engine.scope(caller);
    let found = engine.query(scope, None, move |engine, scope| {
        let trace = engine.store().trace(scope, id, None)?;
        Ok::<_, ReadError>(trace.map(|trace| (trace, scope.left_out.warnings())))
    });
    found.await.map_err(|end| failed(&end))?.ok_or_else(|| (404, "trace not found".to_owned()))
}
