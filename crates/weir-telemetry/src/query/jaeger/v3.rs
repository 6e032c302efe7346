//! Version 3: services and operations, and traces as OTLP in JSON.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use weir_signal::TraceId;

use super::find::{Wanted, nanos, newest, tags_of};
use super::{kind_of, names, services};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, json as json_answer};
use crate::query::failed::Failed;
use crate::query::otlp;
use crate::query::params::{Params, time_ns};

/// Traces of an answer where nobody says how many.
const DEPTH: usize = 100;

/// Answers what stands below `/api/v3/`.
pub(super) async fn answer(engine: &Arc<Engine>, caller: &Caller, steps: &[&str], params: &Params) -> Answer {
    let done = match steps {
        ["services"] => services(engine, caller).await.map(|services| json!({ "services": services })),
        ["operations"] => operations(engine, caller, params).await,
        ["traces"] => traces(engine, caller, params).await,
        ["traces", id] => trace(engine, caller, id).await,
        _ => Err((404, format!("no interface of Jaeger is at /api/v3/{}", steps.join("/")))),
    };
    match done {
        Ok(found) => json_answer(200, &found),
        Err((status, words)) => {
            json_answer(status, &json!({ "error": { "httpCode": status, "message": words } }))
        }
    }
}

async fn operations(engine: &Arc<Engine>, caller: &Caller, params: &Params) -> Result<Json, Failed> {
    let service = params.get("service").unwrap_or_default().to_owned();
    let kind = either(params, "spanKind", "span_kind").map_or("", |(_, kind)| kind);
    let found = names(engine, caller, service).await?;
    let wanted = found.iter().filter(|(_, found)| kind.is_empty() || found.as_str() == kind);
    // Where nobody said which kind it is, this version calls it an internal one.
    let word = |kind: &str| if kind.is_empty() { "internal" } else { kind }.to_owned();
    let one = |name: &str, kind| json!({ "name": name, "spanKind": word(kind_of(kind)) });
    Ok(json!({ "operations": wanted.map(|(name, kind)| one(name, *kind)).collect::<Vec<_>>() }))
}

/// One trace. Its id is in hexadecimal digits.
async fn trace(engine: &Arc<Engine>, caller: &Caller, id: &str) -> Result<Json, Failed> {
    let id = TraceId::parse(id).ok_or_else(|| {
        (400, format!("malformed parameter trace_id: `{id}` is no hexadecimal number of 128 bits"))
    })?;
    let (found, _) = super::one(engine, caller, id).await?;
    Ok(json!({ "result": { "resourceSpans": otlp::batches(&found).collect::<Vec<_>>() } }))
}

async fn traces(engine: &Arc<Engine>, caller: &Caller, params: &Params) -> Result<Json, Failed> {
    let (wanted, range_ns, depth) = query(params)?;
    let (found, _) = newest(engine, caller, wanted, range_ns, depth).await?;
    if found.is_empty() {
        return Err((404, "No traces found".to_owned()));
    }
    let batches: Vec<Json> = found.iter().flat_map(otlp::batches).collect();
    Ok(json!({ "result": { "resourceSpans": batches } }))
}

/// A parameter under its name, or under the older one.
fn either<'a>(params: &'a Params, name: &'a str, older: &'a str) -> Option<(&'a str, &'a str)> {
    [name, older].into_iter().find_map(|name| params.get(name).map(|value| (name, value)))
}

fn query(params: &Params) -> Result<(Wanted, (i64, i64), usize), Failed> {
    let wrong = |name: &str, what: &str| (400, format!("malformed parameter {name}: {what}"));
    let text = |name, older| either(params, name, older).map(|(_, value)| value.to_owned());
    let duration = |name, older, default| match either(params, name, older) {
        None => Ok(default),
        Some((name, text)) => nanos(text).ok_or_else(|| wrong(name, "no duration such as 100ms")),
    };
    let time = |name, older| match either(params, name, older) {
        None => Err((400, "query.startTimeMin and query.startTimeMax are required".to_owned())),
        Some((name, text)) => time_ns(text).ok_or_else(|| wrong(name, "no time as in RFC 3339")),
    };
    let range_ns = (
        time("query.startTimeMin", "query.start_time_min")?,
        time("query.startTimeMax", "query.start_time_max")?.saturating_add(1),
    );
    if range_ns.0 + 1 >= range_ns.1 {
        return Err((400, "query.startTimeMin must be before query.startTimeMax".to_owned()));
    }
    let depth = either(params, "query.searchDepth", "query.search_depth")
        .or_else(|| either(params, "query.num_traces", "query.num_traces"));
    let depth = match depth {
        None => DEPTH,
        Some((name, text)) => text.parse().map_err(|_| wrong(name, "no whole number"))?,
    };
    let tags = match params.get("query.attributes") {
        None => Vec::new(),
        Some(text) => tags_of(text).map_err(|error| wrong("query.attributes", &error.to_string()))?,
    };
    if params.get("query.filter").is_some() {
        return Err((
            400,
            "query.filter is not known here; say query.attributes, or ask by TraceQL".to_owned(),
        ));
    }
    let duration_ns = (
        duration("query.durationMin", "query.duration_min", 0)?,
        duration("query.durationMax", "query.duration_max", u64::MAX)?,
    );
    let service = text("query.serviceName", "query.service_name");
    let operation = text("query.operationName", "query.operation_name");
    Ok((Wanted { service, operation, tags, duration_ns }, range_ns, depth))
}
