//! Numbers over time: `api/metrics/query_range` and `api/metrics/query`.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use weir_signal::LeftOut;
use weir_traceql::ast::Query;
use weir_traceql::{Exemplar, Label, MetricsError, Series, Step, Value, metrics, parse};

use super::value::{any, number, pairs};
use crate::caller::Caller;
use crate::engine::{Engine, QueryEnd, now_ms};
use crate::http::{Answer, json as json_answer};
use crate::query::failed::{Failed, failed};
use crate::query::params::{Params, duration_ms, time_ns};

/// How far back a query looks where nobody says.
const SINCE_NS: i64 = 3_600_000_000_000;
/// Spans beside the values of an answer, where nobody wants fewer.
const EXEMPLARS_MAX: usize = 100;

/// `api/metrics/query_range`: values at steps.
pub(super) async fn range(engine: &Arc<Engine>, caller: &Caller, params: &Params) -> Result<Answer, Failed> {
    let query = query(params)?;
    let (from_ns, to_ns) = bounds(params)?;
    let step_ns = match params.get("step") {
        None => usual_step_ns(to_ns - from_ns),
        Some(text) => match duration_ms(text) {
            Some(step_ms) if step_ms > 0 => step_ms.saturating_mul(1_000_000),
            _ => {
                return Err((
                    400,
                    format!("`step`: `{text}` is no time of a millisecond or more, such as 15s"),
                ));
            }
        },
    };
    let exemplars = exemplars(&query, params);
    let (found, left_out) = run(engine, caller, query, Step { from_ns, to_ns, step_ns }, exemplars).await?;
    Ok(answer(found.iter().map(series), &left_out))
}

/// `api/metrics/query`: one value of the whole time.
pub(super) async fn instant(
    engine: &Arc<Engine>,
    caller: &Caller,
    params: &Params,
) -> Result<Answer, Failed> {
    let query = query(params)?;
    let (from_ns, to_ns) = bounds(params)?;
    let (found, left_out) = run(engine, caller, query, Step { from_ns, to_ns, step_ns: 0 }, 0).await?;
    // Grafana takes nothing here that it does not know.
    let one = |series: &Series| {
        series.samples.first().map(|sample| json!({ "labels": labels(series), "value": number(sample.1) }))
    };
    Ok(answer(found.iter().filter_map(one), &left_out))
}

fn answer(series: impl Iterator<Item = Json>, left_out: &LeftOut) -> Answer {
    let mut answer = json!({ "series": series.collect::<Vec<_>>(), "metrics": {} });
    if !left_out.is_empty() {
        answer["status"] = "PARTIAL".into();
        answer["message"] = left_out.warnings().join("; ").into();
    }
    json_answer(200, &answer)
}

async fn run(
    engine: &Arc<Engine>,
    caller: &Caller,
    query: Query,
    step: Step,
    exemplars: usize,
) -> Result<(Vec<Series>, Arc<LeftOut>), Failed> {
    let scope = engine.scope(caller);
    let left_out = Arc::clone(&scope.left_out);
    let found = engine
        .query(scope, None, move |engine, scope| metrics(&query, engine.store(), scope, &step, exemplars));
    let found = found.await.map_err(|end| match end {
        QueryEnd::Failed(MetricsError::Read(error)) => failed(&QueryEnd::Failed(error)),
        QueryEnd::Failed(error) => (400, error.to_string()),
        QueryEnd::TimedOut(after) => failed(&QueryEnd::TimedOut(after)),
        QueryEnd::Panicked => failed(&QueryEnd::Panicked),
    })?;
    Ok((found, left_out))
}

/// The query: `q`, or `query` as Prometheus calls it.
fn query(params: &Params) -> Result<Query, Failed> {
    let text = params.get("q").or_else(|| params.get("query")).unwrap_or_default();
    parse(text).map_err(|error| (400, format!("invalid TraceQL query: {error}")))
}

/// `start` and `end`, or `since` before the end.
fn bounds(params: &Params) -> Result<(i64, i64), Failed> {
    let wrong = |name: &str, text: &str, what: &str| {
        (400, format!("could not parse `{name}`: `{text}` is no {what}"))
    };
    let time = |name: &str| match params.get(name) {
        None => Ok(None),
        Some(text) => {
            let what = "time in seconds or nanoseconds since 1970 or in RFC 3339";
            time_ns(text).map(Some).ok_or_else(|| wrong(name, text, what))
        }
    };
    let now_ns = now_ms().saturating_mul(1_000_000);
    let since_ns = match params.get("since") {
        None => SINCE_NS,
        Some(text) => match duration_ms(text) {
            Some(ms) => ms.saturating_mul(1_000_000),
            None => return Err(wrong("since", text, "duration such as 3h")),
        },
    };
    let end = time("end")?.unwrap_or(now_ns);
    let start = time("start")?.unwrap_or_else(|| end.min(now_ns).saturating_sub(since_ns));
    if start >= end {
        return Err((400, "`end` must be greater than `start`".to_owned()));
    }
    Ok((start, end))
}

/// The step that Tempo takes where nobody says: about 240 values, in whole seconds, 5 s, 15 s, 1 min, 5 min or hours; of less
/// than a minute in steps of 50 ms.
fn usual_step_ns(length_ns: i64) -> i64 {
    const MS: i64 = 1_000_000;
    const S: i64 = 1000 * MS;
    let wanted = length_ns / 240;
    let grain = if length_ns < 60 * S {
        50 * MS
    } else {
        let grains = [3600 * S, 300 * S, 60 * S, 15 * S, 5 * S, S];
        grains.into_iter().find(|grain| wanted > *grain).unwrap_or(S)
    };
    (wanted / grain * grain).max(grain)
}

/// How many spans to tell: what the query's hint says, else the parameter.
fn exemplars(query: &Query, params: &Params) -> usize {
    let hint = query.hints.iter().find(|hint| &*hint.name == "exemplars").map(|hint| &hint.value);
    let wanted = match hint {
        Some(Value::Int(number)) => usize::try_from(*number).unwrap_or(0),
        Some(Value::Bool(false)) => 0,
        // Tempo takes 0 and what is no number for nothing said.
        _ => params.number("exemplars").ok().flatten().filter(|wanted| *wanted > 0).unwrap_or(EXEMPLARS_MAX),
    };
    wanted.min(EXEMPLARS_MAX)
}

fn labels(series: &Series) -> Json {
    pairs(series.labels.iter().map(|label| (&*label.name, &label.value)))
}

fn series(series: &Series) -> Json {
    let sample = |&(time_ms, value): &(i64, f64)| json!({ "timestampMs": time_ms.to_string(), "value": number(value) });
    let samples: Vec<Json> = series.samples.iter().map(sample).collect();
    let mut json =
        json!({ "labels": labels(series), "samples": samples, "promLabels": prom_labels(&series.labels) });
    if !series.exemplars.is_empty() {
        json["exemplars"] = series.exemplars.iter().map(exemplar).collect();
    }
    json
}

fn exemplar(one: &Exemplar) -> Json {
    let text = |text: String| any(&Value::Text(text.into()));
    json!({
        "labels": [
            { "key": "trace:id", "value": text(one.trace.to_string()) },
            { "key": "span:id", "value": text(one.span.to_string()) },
        ],
        "value": number(one.value),
        "timestampMs": one.time_ms.to_string(),
    })
}

/// The labels as Prometheus writes them, by which older dashboards call a series.
fn prom_labels(labels: &[Label]) -> String {
    let mut out = String::from("{");
    for (index, label) in labels.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(out, "{comma}{}={:?}", label.name, label.value.to_string());
    }
    out + "}"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_tempo() {
        let check = |length_s: i64, step_ms: i64| {
            assert_eq!(usual_step_ns(length_s * 1_000_000_000), step_ms * 1_000_000, "{length_s} s");
        };
        check(10, 50);
        check(30, 100);
        check(60, 1000);
        check(900, 3000);
        check(3600, 15_000);
        check(3 * 3600, 45_000);
        check(24 * 3600, 300_000);
        check(7 * 24 * 3600, 2_400_000);
        check(60 * 24 * 3600, 21_600_000);
    }

    #[test]
    fn times_are_read() {
        let check = |text: &str, expect: Option<(i64, i64)>| {
            let found = bounds(&Params::of_query(text)).ok();
            assert_eq!(found.map(|(from, to)| (from / 1_000_000_000, to / 1_000_000_000)), expect, "{text}");
        };
        check("start=100&end=200", Some((100, 200)));
        check("start=1700000000000000000&end=1700000060.5", Some((1_700_000_000, 1_700_000_060)));
        check("end=2015-07-01T20:10:51Z&since=1m", Some((1_435_781_391, 1_435_781_451)));
        check("end=1435781451", Some((1_435_777_851, 1_435_781_451)));
        check("start=200&end=100", None);
        check("start=x", None);
        check("since=x", None);
    }
}
