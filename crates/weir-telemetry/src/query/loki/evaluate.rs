//! Queries for lines and for numbers.

use weir_logql::ast::Expr;
use weir_logql::{LogQuery, MetricQuery, parse, pretty, run_logs, run_metric};

use super::asked::Asked;
use super::error::ApiError;
use super::{Plan, write};
use crate::query::json;

/// `query`: numbers at one time.
pub(super) fn instant(asked: &Asked) -> Result<Plan, ApiError> {
    let at = asked.time_ns("time")?.unwrap_or(asked.now_ns);
    asked.limit()?;
    asked.direction()?;
    let Expr::Metric(metric) = parse(asked.query())? else {
        return Err(ApiError::bad(
            "log queries are not supported as an instant query type, please change your query to a range query type",
        ));
    };
    let query =
        MetricQuery { now_ns: asked.now_ns, ..MetricQuery::instant(metric, at.div_euclid(1_000_000)) };
    numbers(asked, query)
}

/// `query_range`: lines, or numbers at several times.
pub(super) fn range(asked: &Asked) -> Result<Plan, ApiError> {
    let (from_ns, to_ns) = asked.bounds()?;
    let step_ns = asked.step_ns(from_ns, to_ns)?;
    let (limit, direction) = (asked.limit()?, asked.direction()?);
    let interval_ns = asked.duration_ns("interval")?.unwrap_or(0);
    if interval_ns < 0 {
        return Err(ApiError::bad("interval must be >= 0"));
    }
    let logs = match parse(asked.query())? {
        Expr::Logs(logs) => logs,
        Expr::Metric(metric) => {
            let ms = |nanos: i64| nanos.div_euclid(1_000_000);
            let query = MetricQuery::range(metric, ms(from_ns), ms(to_ns), ms(step_ns).max(1));
            return numbers(asked, MetricQuery { now_ns: asked.now_ns, ..query });
        }
    };
    let categorizes = asked.categorizes;
    let query = LogQuery {
        logs,
        from_ns,
        to_ns,
        now_ns: asked.now_ns,
        limit,
        direction,
        interval_ns,
        by_stream_labels: categorizes,
    };
    Plan::work(move |source, scope| {
        let streams = run_logs(&query, source, scope)?;
        Ok(write::streams(&streams, categorizes, scope.budget.used()))
    })
}

fn numbers(asked: &Asked, query: MetricQuery) -> Result<Plan, ApiError> {
    let categorizes = asked.categorizes;
    Plan::work(move |source, scope| {
        let answer = run_metric(&query, source, scope)?;
        Ok(write::numbers(&answer, query.to_ms, categorizes, scope.budget.used()))
    })
}

/// `format_query`: the text, laid out.
pub(super) fn format(asked: &Asked) -> Result<Plan, ApiError> {
    let expr = parse(asked.query())?;
    Ok(Plan::Now(write::envelope(|out| json::string(out, &pretty(&expr)))))
}
