//! Loki's HTTP interface, version 1.
//!
//! Source: <https://grafana.com/docs/loki/latest/reference/loki-http-api/>, and Loki 3 where that leaves it open. What
//! Grafana's data source asks, and what it is answered, stands in `requests.txt`.

mod asked;
mod error;
mod evaluate;
mod find;
mod limits;
mod tail;
#[cfg(test)]
mod tests;
mod volume;
mod websocket;
mod write;

use std::sync::Arc;

use http::request::Parts;
use weir_signal::{LogSource, Scope};

use super::json;
use super::params::Params;
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, answer as whole_answer};
use asked::Asked;
use error::ApiError;

pub(crate) use tail::tail;

/// Points of a series in one answer: what a graph can show, and a bound against slips in the step.
const POINTS_MAX: i64 = 11_000;

/// What answers a request: on a thread for blocking work, within a budget.
type Work = Box<dyn FnOnce(&dyn LogSource, &Scope) -> Result<Vec<u8>, ApiError> + Send>;

/// How a request is answered.
enum Plan {
    /// At once.
    Now(Vec<u8>),
    /// From lines.
    Work(Work),
}

impl Plan {
    #[expect(clippy::unnecessary_wraps, reason = "it stands where plans that can fail do")]
    fn work(
        work: impl FnOnce(&dyn LogSource, &Scope) -> Result<Vec<u8>, ApiError> + Send + 'static,
    ) -> Result<Self, ApiError> {
        Ok(Self::Work(Box::new(work)))
    }
}

/// Answers what stands below `/loki/api/v1/`, but for `tail`.
pub(crate) async fn answer(
    engine: &Arc<Engine>,
    caller: &Caller,
    path: &str,
    parts: &Parts,
    body: &[u8],
) -> Answer {
    let asked = Asked::new(Params::of(parts, body), &parts.headers, now_ns());
    let plan = match path {
        "drilldown-limits" => Ok(Plan::Now(limits::drilldown(&engine.settings()))),
        _ => plan(path, &asked),
    };
    let done = match plan {
        Ok(Plan::Now(body)) => Ok(body),
        Ok(Plan::Work(work)) => engine
            .query(engine.scope(caller), None, move |engine, scope| {
                let body = work(engine.store(), scope)?;
                Ok(json::with_warnings(body, &scope.left_out.warnings()))
            })
            .await
            .map_err(ApiError::from),
        Err(error) => Err(error),
    };
    match done {
        Ok(body) => whole_answer(200, "application/json; charset=UTF-8", body),
        Err(error) => error.answer(),
    }
}

/// What a request asks for.
fn plan(path: &str, asked: &Asked) -> Result<Plan, ApiError> {
    match path {
        "query" => evaluate::instant(asked),
        "query_range" => evaluate::range(asked),
        "format_query" => evaluate::format(asked),
        "labels" | "label" => find::labels(asked),
        "series" => find::series(asked),
        "detected_labels" => find::detected_labels(asked),
        "detected_fields" => find::detected_fields(asked),
        "index/stats" => volume::stats(asked),
        "index/volume" => volume::instant(asked),
        "index/volume_range" => volume::range(asked),
        // Nobody looks for patterns yet, and Grafana asks for them.
        "patterns" => Ok(Plan::Now(write::envelope(|out| out.extend_from_slice(b"[]")))),
        "status/buildinfo" => Ok(Plan::Now(build())),
        _ => {
            let named =
                |beginning| path.strip_prefix(beginning).and_then(|rest| rest.strip_suffix("/values"));
            if let Some(name) = named("label/") {
                find::label_values(asked, name)
            } else if let Some(name) = named("detected_field/") {
                find::detected_values(asked, name)
            } else {
                Err(ApiError::not_found(format!("no interface of Loki is at /loki/api/v1/{path}")))
            }
        }
    }
}

/// The version of Loki whose interface this is: data sources choose their requests by it.
const SPOKEN: &str = "3.5.0";

fn build() -> Vec<u8> {
    serde_json::json!({
        "version": SPOKEN,
        "revision": concat!("weir-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    })
    .to_string()
    .into_bytes()
}

/// Nanoseconds since 1970 by this machine's clock.
fn now_ns() -> i64 {
    crate::engine::now_ms().saturating_mul(1_000_000)
}
