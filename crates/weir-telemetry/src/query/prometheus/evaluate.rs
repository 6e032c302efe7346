//! Queries over metrics.

use std::sync::Arc;
use std::time::Duration;

use weir_promql::eval::{EvalError, NoExternal, Query, evaluate};
use weir_promql::{Options, parse, pretty};

use super::error::ApiError;
use super::{POINTS_MAX, envelope, write};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::query::json;
use crate::query::params::{Params, duration_ms, time_ms};

/// `query`: one time.
pub(super) async fn instant(
    engine: &Arc<Engine>,
    caller: &Caller,
    params: &Params,
) -> Result<Vec<u8>, ApiError> {
    let at = time(params, "time")?.unwrap_or_else(crate::engine::now_ms);
    let query = parsed(engine, params, |expr, text| Query::instant(expr, text, at))?;
    run(engine, caller, params, query).await
}

/// `query_range`: several times.
pub(super) async fn range(
    engine: &Arc<Engine>,
    caller: &Caller,
    params: &Params,
) -> Result<Vec<u8>, ApiError> {
    let needed = |name: &'static str| {
        time(params, name)?.ok_or_else(|| ApiError::bad_param(name, "cannot parse \"\" to a valid timestamp"))
    };
    let (from, to) = (needed("start")?, needed("end")?);
    if to < from {
        return Err(ApiError::bad_param("end", "end timestamp must not be before start time"));
    }
    let step = params.get("step").unwrap_or_default();
    let step = duration_ms(step).ok_or_else(|| {
        ApiError::bad_param("step", format_args!("cannot parse {step:?} to a valid duration"))
    })?;
    if step <= 0 {
        return Err(ApiError::bad_param(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if (to - from) / step > POINTS_MAX {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    let query = parsed(engine, params, |expr, text| Query::range(expr, text, from, to, step))?;
    run(engine, caller, params, query).await
}

/// `format_query`: the text, laid out.
pub(super) fn format(params: &Params) -> Result<Vec<u8>, ApiError> {
    let expr = parse(params.get("query").unwrap_or_default(), &options())
        .map_err(|error| ApiError::bad_param("query", error))?;
    Ok(envelope(|out| json::string(out, &pretty(&expr))))
}

/// Everything that Prometheus 3 understands, experimental functions too.
pub(super) fn options() -> Options {
    Options::ALL
}

fn parsed(
    engine: &Engine,
    params: &Params,
    make: impl FnOnce(weir_promql::ast::Expr, &str) -> Query,
) -> Result<Query, ApiError> {
    let text = params.get("query").unwrap_or_default();
    let expr = parse(text, &options()).map_err(|error| ApiError::bad_param("query", error))?;
    let mut query = make(expr, text);
    query.lookback_ms = match params.get("lookback_delta") {
        None => engine.settings().queries.lookback.as_millis() as i64,
        Some(text) => duration_ms(text).filter(|&lookback| lookback > 0).ok_or_else(|| {
            ApiError::bad_param("lookback_delta", format_args!("cannot parse {text:?} to a valid duration"))
        })?,
    };
    Ok(query)
}

async fn run(
    engine: &Arc<Engine>,
    caller: &Caller,
    params: &Params,
    query: Query,
) -> Result<Vec<u8>, ApiError> {
    let timeout = match params.get("timeout") {
        None => None,
        Some(text) => Some(
            duration_ms(text).filter(|&ms| ms > 0).map(|ms| Duration::from_millis(ms as u64)).ok_or_else(
                || ApiError::bad_param("timeout", format_args!("cannot parse {text:?} to a valid duration")),
            )?,
        ),
    };
    let limit = params.number::<usize>("limit").map_err(ApiError::bad_data)?.unwrap_or(0);
    let scope = engine.scope(caller);
    let body = engine
        .query(scope, timeout, move |engine, scope| {
            let mut answer = evaluate(&query, engine.store(), &NoExternal, scope)?;
            answer.warnings.extend(scope.left_out.warnings());
            Ok::<_, EvalError>(write::query(&answer, query.to_ms, limit))
        })
        .await?;
    Ok(body)
}

/// A time, where it is given.
pub(super) fn time(params: &Params, name: &'static str) -> Result<Option<i64>, ApiError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let found = time_ms(text);
    found
        .map(Some)
        .ok_or_else(|| ApiError::bad_param(name, format_args!("cannot parse {text:?} to a valid timestamp")))
}
