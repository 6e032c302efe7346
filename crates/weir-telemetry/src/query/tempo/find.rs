//! Search by TraceQL or by tags; names of attributes and their values.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use weir_signal::{SpanField, SpanSelect, TraceSource};
use weir_traceql::{Found, SearchError, SearchOptions, SpanSet, Value, parse, search as run_search};

use super::Version;
use crate::caller::Caller;
use crate::engine::{Engine, QueryEnd, now_ms};
use crate::http::{Answer, json as json_answer};
use crate::query::failed::{Failed, failed};
use crate::query::params::Params;

const LIMIT: usize = 20;
const LIMIT_MAX: usize = 10_000;
const SPANS_PER_SET: usize = 3;
const VALUES_MAX: usize = 1000;
/// How far back a search looks where nobody says.
const LOOKBACK_S: i64 = 3600;

/// `api/search`.
pub(super) async fn search(engine: &Arc<Engine>, caller: &Caller, params: &Params) -> Result<Answer, Failed> {
    let text = match params.get("q") {
        Some(text) => text.to_owned(),
        None => from_tags(params)?,
    };
    let query = parse(&text).map_err(|error| (400, format!("invalid TraceQL query: {error}")))?;
    let number = |name: &str, default: usize| {
        params.number::<usize>(name).map_err(|error| (400, error)).map(|found| found.unwrap_or(default))
    };
    let (from_ns, to_ns) = times(params)?;
    let options = SearchOptions {
        from_ns,
        to_ns,
        limit: number("limit", LIMIT)?.min(LIMIT_MAX),
        spans_per_set: number("spss", SPANS_PER_SET)?,
    };
    let scope = engine.scope(caller);
    let found = engine
        .query(scope, None, move |engine, scope| run_search(&query, engine.store(), scope, &options))
        .await
        .map_err(|end| match end {
            QueryEnd::Failed(SearchError::Read(error)) => failed(&QueryEnd::Failed(error)),
            QueryEnd::Failed(error) => (400, error.to_string()),
            QueryEnd::TimedOut(after) => failed(&QueryEnd::TimedOut(after)),
            QueryEnd::Panicked => failed(&QueryEnd::Panicked),
        })?;
    let traces: Vec<Json> = found.iter().map(trace).collect();
    Ok(json_answer(200, &json!({ "traces": traces, "metrics": { "inspectedTraces": traces.len() } })))
}

/// The old form, as the TraceQL that means the same.
fn from_tags(params: &Params) -> Result<String, Failed> {
    let mut all = Vec::new();
    for pair in params.get("tags").unwrap_or_default().split_whitespace() {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| (400, format!("`tags` is key=value, not `{pair}`")))?;
        let value = value.trim_matches('"');
        match key {
            "name" | "status" | "kind" => all.push(format!("{key} = {value:?}")),
            key => all.push(format!(".{key} = {value:?}")),
        }
    }
    for (name, comparison) in [("minDuration", ">="), ("maxDuration", "<=")] {
        if let Some(text) = params.get(name) {
            all.push(format!("duration {comparison} {text}"));
        }
    }
    let mut query = String::from("{ ");
    let _ = write!(query, "{} }}", all.join(" && "));
    Ok(query)
}

/// `start` and `end` in seconds.
fn times(params: &Params) -> Result<(i64, i64), Failed> {
    let seconds = |name: &str| params.number::<i64>(name).map_err(|error| (400, error));
    let end = seconds("end")?.unwrap_or_else(|| now_ms() / 1000 + 60);
    let start = seconds("start")?.unwrap_or(end - LOOKBACK_S);
    if end < start {
        return Err((400, "`end` lies before `start`".to_owned()));
    }
    Ok((start.saturating_mul(1_000_000_000), end.saturating_mul(1_000_000_000)))
}

fn trace(found: &Found) -> Json {
    let sets: Vec<Json> = found.sets.iter().map(set).collect();
    let services: serde_json::Map<String, Json> = found
        .services
        .iter()
        .map(|one| (one.service.to_string(), json!({ "spanCount": one.spans, "errorCount": one.errors })))
        .collect();
    json!({
        "traceID": found.trace.to_string(),
        "rootServiceName": found.root_service.as_deref().unwrap_or("<root span not yet received>"),
        "rootTraceName": found.root_name.as_deref().unwrap_or_default(),
        "startTimeUnixNano": found.start_ns.to_string(),
        "durationMs": found.duration_ns / 1_000_000,
        "spanSet": sets.first(),
        "spanSets": sets,
        "serviceStats": services,
    })
}

fn set(set: &SpanSet) -> Json {
    let spans: Vec<Json> = set
        .spans
        .iter()
        .map(|span| {
            json!({
                "spanID": span.id.to_string(),
                "name": span.name,
                "startTimeUnixNano": span.start_ns.to_string(),
                "durationNanos": span.duration_ns.to_string(),
                "attributes": pairs(&span.attributes),
            })
        })
        .collect();
    json!({ "spans": spans, "matched": set.matched, "attributes": pairs(&set.attributes) })
}

fn pairs(all: &[(String, Value)]) -> Json {
    all.iter()
        .map(|(key, value)| json!({ "key": key, "value": { "stringValue": value.to_string() } }))
        .collect()
}

/// Names of attributes.
pub(super) async fn tags(
    engine: &Arc<Engine>,
    caller: &Caller,
    version: Version,
    params: &Params,
) -> Result<Answer, Failed> {
    let select = select(params)?;
    let scope = engine.scope(caller);
    let found =
        engine.query(scope, None, move |engine, scope| engine.store().attribute_names(scope, &select)).await;
    let (span, resource) = found.map_err(|end| failed(&end))?;
    let intrinsic = [
        "duration",
        "kind",
        "name",
        "rootName",
        "rootServiceName",
        "status",
        "statusMessage",
        "traceDuration",
    ];
    Ok(json_answer(
        200,
        &match version {
            Version::One => {
                let mut all: Vec<String> = span.into_iter().chain(resource).collect();
                all.sort();
                all.dedup();
                json!({ "tagNames": all })
            }
            Version::Two => {
                let wanted = params.get("scope").unwrap_or_default();
                let scopes: Vec<Json> =
                    [("resource", json!(resource)), ("span", json!(span)), ("intrinsic", json!(intrinsic))]
                        .into_iter()
                        .filter(|(name, _)| wanted.is_empty() || wanted == "none" || wanted == *name)
                        .map(|(name, tags)| json!({ "name": name, "tags": tags }))
                        .collect();
                json!({ "scopes": scopes })
            }
        },
    ))
}

/// Values of an attribute or intrinsic.
pub(super) async fn values(
    engine: &Arc<Engine>,
    caller: &Caller,
    version: Version,
    name: &str,
    params: &Params,
) -> Result<Answer, Failed> {
    let field = field(name);
    let select = select(params)?;
    let scope = engine.scope(caller);
    let found = engine
        .query(scope, None, move |engine, scope| engine.store().values(scope, &select, &field, VALUES_MAX));
    let found = found.await.map_err(|end| failed(&end))?;
    let texts = found.iter().map(|value| match (version, value) {
        (Version::One, value) => json!(value.to_string()),
        (Version::Two, value) => {
            let kind = match value {
                weir_signal::Value::Int(_) => "int",
                weir_signal::Value::Double(_) => "float",
                weir_signal::Value::Bool(_) => "bool",
                _ if matches!(name, "status" | "kind") => "keyword",
                _ => "string",
            };
            json!({ "type": kind, "value": value.to_string() })
        }
    });
    Ok(json_answer(200, &json!({ "tagValues": texts.collect::<Vec<_>>() })))
}

fn select(params: &Params) -> Result<SpanSelect, Failed> {
    let given = params.get("start").is_some() || params.get("end").is_some();
    let (from_ns, to_ns) = if given { times(params)? } else { (i64::MIN, i64::MAX) };
    Ok(SpanSelect { from_ns, to_ns, conditions: Vec::new() })
}

fn field(name: &str) -> SpanField {
    match name {
        "name" => SpanField::Name,
        "status" => SpanField::Status,
        "kind" => SpanField::Kind,
        "service.name" | "rootServiceName" | "resource.service.name" | ".service.name" => SpanField::Service,
        name => match (name.strip_prefix("span."), name.strip_prefix("resource.")) {
            (Some(key), _) => SpanField::Span(key.into()),
            (_, Some(key)) => SpanField::Resource(key.into()),
            _ => SpanField::Either(name.trim_start_matches('.').into()),
        },
    }
}
