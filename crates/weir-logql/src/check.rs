//! What the grammar allows and nobody can answer.

use weir_signal::re2_whole;

use crate::ast::{Expr, LogExpr, Metric, RangeAggregation, VectorOp};
use crate::parse::ParseError;
use crate::pipeline::Pipeline;

type Result<T = ()> = std::result::Result<T, ParseError>;

pub(crate) fn check(expr: &Expr) -> Result {
    match expr {
        Expr::Logs(logs) => check_logs(logs),
        Expr::Metric(metric) => check_metric(metric),
    }
}

fn check_logs(logs: &LogExpr) -> Result {
    if logs.matchers.iter().all(weir_signal::Matcher::matches_absent) {
        return Err(ParseError::whole(
            "queries require at least one regexp or equality matcher that does not have an empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will",
        ));
    }
    Pipeline::new(&logs.stages, 0).map(drop).map_err(|error| ParseError::whole(error.to_string()))
}

fn check_metric(metric: &Metric) -> Result {
    match metric {
        Metric::Number(_) | Metric::Vector(_) => Ok(()),
        Metric::Range(range) => check_range(range),
        Metric::Binary(binary) => {
            check_metric(&binary.lhs)?;
            check_metric(&binary.rhs)
        }
        Metric::Aggregate(aggregation) => {
            let grouping = aggregation.grouping.as_ref();
            let op = aggregation.op;
            if matches!(op, VectorOp::Sort | VectorOp::SortDesc)
                && grouping.is_some_and(|grouping| !grouping.labels.is_empty())
            {
                return Err(ParseError::whole("sort and sort_desc doesn't allow grouping by "));
            }
            if op == VectorOp::ApproxTopK && grouping.is_some() {
                let message = format!("grouping not allowed for {} aggregation", op.as_str());
                return Err(ParseError::whole(message));
            }
            check_has_series(&aggregation.expr, op.as_str())?;
            check_metric(&aggregation.expr)
        }
        Metric::LabelReplace(replace) => {
            if let Err(why) = re2_whole(&replace.regex) {
                let message = format!(
                    "invalid regex in label_replace: error parsing regexp: {why}: `{}`",
                    replace.regex
                );
                return Err(ParseError::whole(message));
            }
            check_has_series(&replace.expr, "label_replace")?;
            check_metric(&replace.expr)
        }
    }
}

fn check_has_series(metric: &Metric, of: &str) -> Result {
    if !metric.is_literal() {
        return Ok(());
    }
    Err(ParseError::whole(format!("{of} works on series and a number has none; write vector(…) around it")))
}

fn check_range(range: &RangeAggregation) -> Result {
    let op = range.op;
    if range.grouping.is_some() && !op.may_group() {
        return Err(ParseError::whole(format!("grouping not allowed for {} aggregation", op.as_str())));
    }
    if range.range.unwrap.is_some() && !op.takes_numbers() {
        return Err(ParseError::whole(format!("invalid aggregation {} with unwrap", op.as_str())));
    }
    if range.range.unwrap.is_none() && !op.takes_lines() {
        return Err(ParseError::whole(format!("invalid aggregation {} without unwrap", op.as_str())));
    }
    if range.range.range_ns <= 0 {
        return Err(ParseError::whole("a range must be longer than 0s"));
    }
    if let Some(unwrap) = &range.range.unwrap {
        let filters: Vec<_> = unwrap.filters.iter().cloned().map(crate::ast::Stage::LabelFilter).collect();
        Pipeline::new(&filters, 0).map_err(|error| ParseError::whole(error.to_string()))?;
    }
    check_logs(&range.range.logs)
}
