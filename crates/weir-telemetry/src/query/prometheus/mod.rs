//! Prometheus' HTTP interface, version 1.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/querying/api/>, and Prometheus 3 where that leaves it open.

mod error;
mod evaluate;
mod find;
mod status;
mod targets;
mod write;

use std::sync::Arc;

use http::request::Parts;

use super::params::Params;
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, answer as whole_answer};
use error::ApiError;
use write::{envelope, envelope_text};

/// Points of a series in one answer: what a graph can show, and a bound against slips in the step.
const POINTS_MAX: i64 = 11_000;

/// Answers what stands below `/api/v1/`.
pub(crate) async fn answer(
    engine: &Arc<Engine>,
    caller: &Caller,
    path: &str,
    parts: &Parts,
    body: &[u8],
) -> Answer {
    let params = Params::of(parts, body);
    let done = match path {
        "query" => evaluate::instant(engine, caller, &params).await,
        "query_range" => evaluate::range(engine, caller, &params).await,
        "query_exemplars" => find::exemplars(engine, caller, &params).await,
        "format_query" => evaluate::format(&params),
        "series" => find::series(engine, caller, &params).await,
        "labels" => find::labels(engine, caller, &params).await,
        "metadata" => find::metadata(engine, caller, &params).await,
        "targets" => Ok(envelope_text(&targets::targets(engine, caller, &params))),
        "scrape_pools" => Ok(envelope_text(&targets::pools(engine, caller))),
        "status/buildinfo" => Ok(envelope_text(&status::build())),
        "status/runtimeinfo" => Ok(envelope_text(&status::runtime(engine))),
        "status/flags" => Ok(envelope_text(&serde_json::json!({}))),
        "status/tsdb" => status::tsdb(engine, caller, &params).await,
        // There are no rules and no alerts yet, and dashboards ask for them.
        "rules" => Ok(envelope_text(&serde_json::json!({ "groups": [] }))),
        "alerts" => Ok(envelope_text(&serde_json::json!({ "alerts": [] }))),
        _ => match path.strip_prefix("label/").and_then(|rest| rest.strip_suffix("/values")) {
            Some(name) => find::label_values(engine, caller, name, &params).await,
            None => Err(ApiError::not_found(format!("no interface of Prometheus is at /api/v1/{path}"))),
        },
    };
    match done {
        Ok(body) => whole_answer(200, "application/json", body),
        Err(error) => error.answer(),
    }
}
