//! Traces by service, operation, tags and duration; which service calls which.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use weir_signal::{
    ReadError, Span, SpanCondition, SpanField, SpanId, SpanSelect, SpanTest, Trace, TraceId, TraceSource,
    Value,
};

use super::write;
use crate::caller::Caller;
use crate::engine::{Engine, now_ms};
use crate::query::failed::{Failed, failed};
use crate::query::params::{Params, duration_ms};

/// Traces of an answer where nobody says how many.
const LIMIT: usize = 20;
const LIMIT_MAX: usize = 10_000;

/// A condition that a field is a text.
fn is(field: SpanField, text: &str) -> SpanCondition {
    SpanCondition { field, test: SpanTest::Equal(Value::String(text.into())) }
}

/// Traces, and what is left out of them.
pub(super) type Found = (Vec<Trace>, Vec<String>);

/// What a span has to be.
pub(super) struct Wanted {
    pub(super) service: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) duration_ns: (u64, u64),
}

/// `traces`: by what their spans are, or by their ids.
pub(super) async fn traces(engine: &Arc<Engine>, caller: &Caller, params: &Params) -> Result<Json, Failed> {
    let ids: Vec<TraceId> = params
        .all("traceID")
        .map(|id| TraceId::parse(id).ok_or_else(|| (400, format!("`{id}` is no trace id"))))
        .collect::<Result<_, _>>()?;
    if !ids.is_empty() {
        let scope = engine.scope(caller);
        let found = engine.query(scope, None, move |engine, scope| {
            let one = |id: &TraceId| engine.store().trace(scope, *id, None).transpose();
            let traces = ids.iter().filter_map(one).collect::<Result<Vec<Trace>, ReadError>>()?;
            Ok::<_, ReadError>((traces, scope.left_out.warnings()))
        });
        return Ok(written(&found.await.map_err(|end| failed(&end))?));
    }
    let wanted = wanted(params)?;
    let limit = params.number::<usize>("limit").map_err(|error| (400, error))?.unwrap_or(LIMIT);
    let range_ns = times(params)?;
    Ok(written(&newest(engine, caller, wanted, range_ns, limit).await?))
}

fn written((traces, warnings): &Found) -> Json {
    traces.iter().map(|trace| write::trace(trace, warnings)).collect()
}

/// The newest traces with a wanted span.
pub(super) async fn newest(
    engine: &Arc<Engine>,
    caller: &Caller,
    wanted: Wanted,
    (from_ns, to_ns): (i64, i64),
    limit: usize,
) -> Result<Found, Failed> {
    let limit = limit.min(LIMIT_MAX);
    let found = engine.query(engine.scope(caller), None, move |engine, scope| {
        let select = SpanSelect { from_ns, to_ns, conditions: wanted.conditions() };
        let mut stream = engine.store().search(scope, &select)?;
        let mut traces = Vec::new();
        while traces.len() < limit
            && let Some(trace) = stream.next()?
        {
            if trace.spans.iter().any(|span| wanted.fits(span)) {
                traces.push(trace);
            }
        }
        Ok::<_, ReadError>((traces, scope.left_out.warnings()))
    });
    found.await.map_err(|end| failed(&end))
}

impl Wanted {
    /// What finds the traces: a tag, too, unless it may be one that no attribute stands behind.
    fn conditions(&self) -> Vec<SpanCondition> {
        let service = self.service.iter().map(|name| is(SpanField::Service, name));
        let operation = self.operation.iter().map(|name| is(SpanField::Name, name));
        let attributes = self.tags.iter().filter(|(key, _)| !write::OWN_TAGS.contains(&key.as_str()));
        let tags = attributes.map(|(key, value)| is(SpanField::Either(key.as_str().into()), value));
        service.chain(operation).chain(tags).collect()
    }

    fn fits(&self, span: &Span) -> bool {
        let (least, most) = self.duration_ns;
        self.service.as_deref().is_none_or(|service| span.resource.service() == service)
            && self.operation.as_deref().is_none_or(|name| *span.name == *name)
            && (least..=most).contains(&span.duration_ns())
            && self.tags.iter().all(|(key, value)| has(span, key, value))
    }
}

/// Whether a span or its resource has a tag; what Jaeger shows as a tag counts as one.
fn has(span: &Span, key: &str, value: &str) -> bool {
    let shown = write::tags(span);
    let own = shown.iter().map(|(name, value)| (name.as_str(), value));
    let resource = span.resource.attributes.iter().map(|one| (&*one.key, &one.value));
    own.chain(resource).any(|(name, found)| name == key && found.to_string() == value)
}

fn wanted(params: &Params) -> Result<Wanted, Failed> {
    let text = |name: &str| params.get(name).map(str::to_owned);
    let ns = |name: &str, default: u64| match params.get(name) {
        None => Ok(default),
        Some(text) => {
            nanos(text).ok_or_else(|| (400, format!("`{name}`: `{text}` is no duration such as 100ms")))
        }
    };
    let mut tags = match params.get("tags") {
        Some(text) => tags_of(text).map_err(|error| (400, format!("`tags` is no JSON object: {error}")))?,
        None => Vec::new(),
    };
    for text in params.all("tag") {
        let (key, value) =
            text.split_once(':').ok_or_else(|| (400, format!("`tag` is key:value, not `{text}`")))?;
        tags.push((key.to_owned(), value.to_owned()));
    }
    let duration_ns = (ns("minDuration", 0)?, ns("maxDuration", u64::MAX)?);
    Ok(Wanted { service: text("service"), operation: text("operation"), tags, duration_ns })
}

/// Tags in a JSON object.
pub(super) fn tags_of(text: &str) -> Result<Vec<(String, String)>, serde_json::Error> {
    let map: BTreeMap<String, Json> = serde_json::from_str(text)?;
    let plain = |value: Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(map.into_iter().map(|(key, value)| (key, plain(value))).collect())
}

/// A duration such as `1.5ms` or `20us` in nanoseconds.
pub(super) fn nanos(text: &str) -> Option<u64> {
    let fine = [("us", 1e3), ("µs", 1e3), ("ns", 1.0)];
    for (unit, factor) in fine {
        if let Some(number) = text.strip_suffix(unit).and_then(|number| number.parse::<f64>().ok()) {
            return (number >= 0.0).then_some((number * factor) as u64);
        }
    }
    // Milliseconds lose what is finer, so their own fractions are read here.
    if let Some(number) = text.strip_suffix("ms").and_then(|number| number.parse::<f64>().ok()) {
        return (number >= 0.0).then_some((number * 1e6) as u64);
    }
    duration_ms(text).and_then(|ms| u64::try_from(ms).ok()).map(|ms| ms.saturating_mul(1_000_000))
}

/// `start` and `end` in microseconds, or `lookback` from now on.
fn times(params: &Params) -> Result<(i64, i64), Failed> {
    let us = |name: &str| params.number::<i64>(name).map_err(|error| (400, error));
    let now_us = now_ms() * 1000;
    let to_us = us("end")?.unwrap_or(now_us + 60_000_000);
    let from_us = match (us("start")?, params.get("lookback").and_then(duration_ms)) {
        (Some(start), _) => start,
        (None, Some(lookback)) => now_us - lookback.saturating_mul(1000),
        (None, None) => to_us - 2 * 86_400_000_000,
    };
    Ok((from_us.saturating_mul(1000), to_us.saturating_mul(1000).saturating_add(1)))
}

/// `dependencies`: how often spans of one service caused spans of another.
pub(super) async fn dependencies(
    engine: &Arc<Engine>,
    caller: &Caller,
    params: &Params,
) -> Result<Json, Failed> {
    let number = |name: &str| params.number::<i64>(name).map_err(|error| (400, error));
    let to_ms = number("endTs")?.unwrap_or_else(now_ms);
    let lookback_ms = number("lookback")?.unwrap_or(86_400_000);
    let scope = engine.scope(caller);
    let found = engine.query(scope, None, move |engine, scope| {
        let from_ns = to_ms.saturating_sub(lookback_ms).saturating_mul(1_000_000);
        let select = SpanSelect { from_ns, to_ns: to_ms.saturating_mul(1_000_000), conditions: Vec::new() };
        let mut calls: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut stream = engine.store().search(scope, &select)?;
        while let Some(trace) = stream.next()? {
            let services: HashMap<SpanId, &str> =
                trace.spans.iter().map(|span| (span.id, span.resource.service())).collect();
            for span in &trace.spans {
                let (child, parent) = (span.resource.service(), services.get(&span.parent));
                if let Some(parent) = parent.filter(|parent| **parent != child) {
                    *calls.entry(((*parent).to_owned(), child.to_owned())).or_default() += 1;
                }
            }
        }
        Ok::<_, ReadError>(calls)
    });
    let calls = found.await.map_err(|end| failed(&end))?;
    Ok(calls
        .into_iter()
        .map(|((parent, child), count)| json!({ "parent": parent, "child": child, "callCount": count }))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_attributes_find_traces() {
        let tags = [("order.id", "7"), ("error", "true"), ("span.kind", "server")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let wanted =
            Wanted { service: Some("shop".into()), operation: None, tags, duration_ns: (0, u64::MAX) };
        let expected = [is(SpanField::Service, "shop"), is(SpanField::Either("order.id".into()), "7")];
        assert_eq!(wanted.conditions(), expected);
    }

    #[test]
    fn durations_are_read() {
        let check = |text: &str, expect: Option<u64>| assert_eq!(nanos(text), expect, "{text}");
        check("100ms", Some(100_000_000));
        check("1.5ms", Some(1_500_000));
        check("20us", Some(20_000));
        check("2s", Some(2_000_000_000));
        check("x", None);
    }
}
