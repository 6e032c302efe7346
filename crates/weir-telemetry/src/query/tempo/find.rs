//! Search by TraceQL or by tags.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use weir_traceql::ast::{Attribute, AttributeScope};
use weir_traceql::{
    Found, SearchError, SearchOptions, SpanSet, Value, parse, print_attribute, search as run_search,
};

use super::value::pairs;
use crate::caller::Caller;
use crate::engine::{Engine, QueryEnd, now_ms};
use crate::http::{Answer, json as json_answer};
use crate::query::failed::{Failed, failed};
use crate::query::params::Params;

const LIMIT: usize = 20;
const LIMIT_MAX: usize = 10_000;
const SPANS_PER_SET: usize = 3;
/// How far back a search looks where nobody says.
const LOOKBACK_S: i64 = 3600;

/// `api/search`.
pub(super) async fn search(engine: &Arc<Engine>, caller: &Caller, params: &Params) -> Result<Answer, Failed> {
    let text = match (params.get("q"), params.get("tags")) {
        (Some(_), Some(_)) => return Err((400, "`tags` and `q` cannot both be asked for".to_owned())),
        (Some(text), None) => text.to_owned(),
        (None, _) => from_tags(params)?,
    };
    let query = parse(&text).map_err(|error| (400, format!("invalid TraceQL query: {error}")))?;
    let number = |name: &str, default: usize| {
        params.number::<usize>(name).map_err(|error| (400, error)).map(|found| found.unwrap_or(default))
    };
    let limit = number("limit", LIMIT)?;
    if limit == 0 {
        return Err((400, "`limit` must be a positive number".to_owned()));
    }
    let (from_ns, to_ns) = times(params)?;
    let spans_per_set = number("spss", SPANS_PER_SET)?;
    let options = SearchOptions { from_ns, to_ns, limit: limit.min(LIMIT_MAX), spans_per_set };
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

/// The old form, as the TraceQL that means the same: tags of one span, and how long the trace is.
fn from_tags(params: &Params) -> Result<String, Failed> {
    let mut all = Vec::new();
    for (key, value) in logfmt(params.get("tags").unwrap_or_default())? {
        let name = print_attribute(&Attribute::Named {
            of_parent: false,
            scope: AttributeScope::Either,
            name: key.as_str().into(),
        });
        let text = format!("{value:?}");
        match key.as_str() {
            "name" => all.push(format!("name = {text}")),
            "status" | "kind" => all.push(format!("{key} = {value}")),
            // What looks like a number or a truth value may have been sent as one.
            _ if value.parse::<f64>().is_ok_and(f64::is_finite) || matches!(&*value, "true" | "false") => {
                all.push(format!("({name} = {text} || {name} = {value})"));
            }
            _ => all.push(format!("{name} = {text}")),
        }
    }
    for (name, comparison) in [("minDuration", ">="), ("maxDuration", "<=")] {
        if let Some(text) = params.get(name) {
            all.push(format!("traceDuration {comparison} {text}"));
        }
    }
    Ok(format!("{{ {} }}", all.join(" && ")))
}

/// `key=value key="value with spaces"`.
fn logfmt(text: &str) -> Result<Vec<(String, String)>, Failed> {
    let wrong = |text: &str| (400, format!("`tags` is key=value, not `{text}`"));
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or_else(|| wrong(rest))?;
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(wrong(rest));
        }
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            let mut value = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next() {
                    Some((at, '"')) => break at + 1,
                    Some((_, '\\')) => value.extend(chars.next().map(|(_, escaped)| escaped)),
                    Some((_, other)) => value.push(other),
                    None => return Err(wrong(rest)),
                }
            };
            (value, &quoted[end..])
        } else {
            let end = after.find(char::is_whitespace).unwrap_or(after.len());
            (after[..end].to_owned(), &after[end..])
        };
        pairs.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// `start` and `end` in seconds.
pub(super) fn times(params: &Params) -> Result<(i64, i64), Failed> {
    let seconds = |name: &str| params.number::<i64>(name).map_err(|error| (400, error));
    let end = seconds("end")?.unwrap_or_else(|| now_ms() / 1000 + 60);
    let start = seconds("start")?.unwrap_or(end - LOOKBACK_S);
    if end <= start {
        return Err((400, format!("`start` must be before `end`, and {start} is not before {end}")));
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
                "attributes": told(&span.attributes),
            })
        })
        .collect();
    json!({ "spans": spans, "matched": set.matched, "attributes": told(&set.attributes) })
}

fn told(all: &[(String, Value)]) -> Json {
    pairs(all.iter().map(|(name, value)| (name.as_str(), value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_traceql() {
        let check = |tags: &str, expect: Option<&str>| {
            let params = Params::of_query(&format!("tags={}&minDuration=1s", tags.replace(' ', "+")));
            let query = from_tags(&params).ok();
            assert_eq!(query.as_deref(), expect, "{tags}");
            assert!(query.is_none_or(|query| parse(&query).is_ok()), "{tags}");
        };
        check("", Some("{ traceDuration >= 1s }"));
        check("service.name=a", Some("{ .service.name = \"a\" && traceDuration >= 1s }"));
        check("a=\"b c\" status=error", Some("{ .a = \"b c\" && status = error && traceDuration >= 1s }"));
        check("code=500", Some("{ (.code = \"500\" || .code = 500) && traceDuration >= 1s }"));
        check(r#"a="b\"c" name=d"#, Some(r#"{ .a = "b\"c" && name = "d" && traceDuration >= 1s }"#));
        for wrong in ["a", "a=b c", "=b", "a=\"b"] {
            check(wrong, None);
        }
    }
}
