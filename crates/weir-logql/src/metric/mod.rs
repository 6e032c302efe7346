//! Lines to numbers.
//!
//! What is done with series is left to PromQL: a query becomes a tree of PromQL whose leaves are range aggregations, each
//! of which reads its lines once and answers a column for each series.

mod counts;
mod leaf;
mod plan;
mod series;
mod window;

use weir_promql::eval::{self, Answer, EvalError};
use weir_promql::memory::MemorySeries;
use weir_signal::{LogSource, Scope};

use crate::ast::Metric;
use leaf::Leaves;
use plan::plan;

/// What is asked, and for which times.
#[derive(Debug, Clone)]
pub struct MetricQuery {
    /// The query.
    pub metric: Metric,
    /// The first time, in milliseconds since 1970.
    pub from_ms: i64,
    /// The last time, inclusive.
    pub to_ms: i64,
    /// From one time to the next, in milliseconds; 0 for one time only, which is `to_ms`.
    pub step_ms: i64,
    /// What `now` is in templates, in nanoseconds since 1970.
    pub now_ns: i64,
}

impl MetricQuery {
    /// For one time.
    pub fn instant(metric: Metric, time_ms: i64) -> Self {
        Self::range(metric, time_ms, time_ms, 0)
    }

    /// For several times.
    pub fn range(metric: Metric, from_ms: i64, to_ms: i64, step_ms: i64) -> Self {
        Self { metric, from_ms, to_ms, step_ms, now_ns: to_ms.saturating_mul(1_000_000) }
    }
}

/// Answers a query with numbers: a vector or a scalar for one time, a matrix for several.
///
/// # Errors
/// Lines could not be read, more than the scope's budget allows, a line that a parser or filter could not read and the
/// query does not drop, or series that do not match as the query says.
pub fn run_metric(query: &MetricQuery, source: &dyn LogSource, scope: &Scope) -> Result<Answer, EvalError> {
    let plan = plan(&query.metric, query.step_ms > 0)?;
    let leaves = Leaves::new(plan.leaves, query.now_ns, source, scope);
    let asked = if query.step_ms > 0 {
        eval::Query::range(plan.expr, "", query.from_ms, query.to_ms, query.step_ms)
    } else {
        eval::Query::instant(plan.expr, "", query.to_ms)
    };
    eval::evaluate(&asked, &MemorySeries::new(), &leaves, scope)
}
