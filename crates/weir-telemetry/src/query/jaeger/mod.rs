//! Jaeger's query interface, as its user interface and Grafana's data source ask it.
//!
//! Source: Jaeger's `cmd/query/app/http_handler.go` and `model/json`, version 1.

mod find;
mod write;

use std::collections::BTreeSet;
use std::sync::Arc;

use http::request::Parts;
use serde_json::{Value, json};
use weir_signal::{ReadError, SpanField, SpanSelect, TraceId, TraceSource};

use super::failed::{Failed, failed};
use super::params::{Params, decoded};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, json as json_answer};

/// Services of a list.
const NAMES_MAX: usize = 10_000;
/// Traces that are looked at for the operations of a service.
const TRACES_MAX: usize = 10_000;

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
        ["services"] => services(engine, caller).await,
        ["services", service, "operations"] => {
            let found = names(engine, caller, decoded(service, false).into_owned()).await;
            found.map(|found| {
                found.into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>().into_iter().collect()
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

/// Everything.
fn all_time() -> SpanSelect {
    SpanSelect { from_ns: i64::MIN, to_ns: i64::MAX, conditions: Vec::new() }
}

/// The services that spans come from.
async fn services(engine: &Arc<Engine>, caller: &Caller) -> Result<Value, Failed> {
    let scope = engine.scope(caller);
    let found = engine.query(scope, None, move |engine, scope| {
        engine.store().values(scope, &all_time(), &SpanField::Service, NAMES_MAX)
    });
    let found = found.await.map_err(|end| failed(&end))?;
    Ok(found.iter().map(ToString::to_string).collect())
}

/// Names and kinds of a service's spans, in its newest traces.
async fn names(
    engine: &Arc<Engine>,
    caller: &Caller,
    service: String,
) -> Result<BTreeSet<(String, &'static str)>, Failed> {
    let scope = engine.scope(caller);
    let found = engine.query(scope, None, move |engine, scope| {
        let mut select = all_time();
        select.conditions.push(find::is(SpanField::Service, &service));
        let mut stream = engine.store().search(scope, &select)?;
        let mut found = BTreeSet::new();
        for _ in 0..TRACES_MAX {
            let Some(trace) = stream.next()? else { break };
            let own = trace.spans.iter().filter(|span| span.resource.service() == service);
            found.extend(own.map(|span| (span.name.to_string(), span.kind.as_str())));
        }
        Ok::<_, ReadError>(found)
    });
    found.await.map_err(|end| failed(&end))
}

/// Operations of a service with the kinds of their spans.
async fn operations(engine: &Arc<Engine>, caller: &Caller, params: &Params) -> Result<Value, Failed> {
    let service = params.get("service").ok_or((400, "parameter 'service' is required".to_owned()))?;
    let kind = params.get("spanKind").unwrap_or_default();
    let found = names(engine, caller, service.to_owned()).await?;
    let wanted = found.iter().filter(|(_, found)| kind.is_empty() || *found == kind);
    Ok(wanted.map(|(name, kind)| json!({ "name": name, "spanKind": kind })).collect())
}

/// One trace.
async fn trace(engine: &Arc<Engine>, caller: &Caller, id: &str) -> Result<Value, Failed> {
    let id = TraceId::parse(id)
        .ok_or_else(|| (400, format!("`{id}` is no trace id of up to 32 hexadecimal digits")))?;
    let scope = engine.scope(caller);
    let found = engine.query(scope, None, move |engine, scope| engine.store().trace(scope, id, None)).await;
    let found = found.map_err(|end| failed(&end))?;
    let trace = found.ok_or_else(|| (404, "trace not found".to_owned()))?;
    Ok(json!([write::trace(&trace)]))
}
