//! Queries, as the files ask them and in forms that have to give the same answer.

use weir_promql::ast::{At, Expr};
use weir_promql::eval::{Answer, Cell, EvalError, NoExternal, Query, Sample, Value, evaluate};
use weir_promql::memory::MemorySeries;
use weir_promql::{Options, parse, print};
use weir_signal::{Limits, Scope, Tenant};

use crate::compare::{check_order, check_remarks, check_value};
use crate::load::load;
use crate::script::{Command, Eval, Script};

const MINUTE_MS: i64 = 60_000;

/// Functions of the time at which they are asked, so that pinning what they are given changes the answer.
const TIMELY: &[&str] = &[
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "end",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
    "year",
];

/// When names that no longer fit go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Names {
    /// With the function that makes something else of a series, as is usual.
    AtOnce,
    /// At the end of the evaluation, as Prometheus runs its tests.
    AtTheEnd,
}

/// Runs a file; answers the lines of what failed, and how.
pub(crate) fn run(script: &Script, names: Names) -> Vec<(usize, String)> {
    let mut source = Source { series: MemorySeries::new(), names };
    let mut failures = Vec::new();
    for command in &script.commands {
        match command {
            Command::Clear => source.series = MemorySeries::new(),
            Command::Load(loaded) => load(loaded, &mut source.series).unwrap(),
            Command::Eval(eval) => {
                let checked =
                    if eval.is_range { over_range(eval, &source) } else { at_instant(eval, &source) };
                failures.extend(checked.err().map(|failure| (eval.line, failure)));
            }
        }
    }
    failures
}

/// What is asked.
struct Source {
    series: MemorySeries,
    names: Names,
}

fn over_range(eval: &Eval, source: &Source) -> Result<(), String> {
    let expr = parse(&eval.expr, &Options::ALL).map_err(|error| format!("{}: {error}", eval.expr))?;
    let query = Query::range(expr, &eval.expr, eval.start_ms, eval.end_ms, eval.step_ms);
    let Some(answer) =
        answered(eval, ask(query, source)).map_err(|error| format!("{}: {error}", eval.expr))?
    else {
        return Ok(());
    };
    let checked = check_remarks(eval, &answer).and_then(|()| check_value(eval, &answer.value));
    checked.map_err(|error| format!("{}: {error}", eval.expr))
}

/// At the time that the file says; then with every selector pinned to it, which has to give the same answer at any time; and
/// each of these once more in the middle of a range.
fn at_instant(eval: &Eval, source: &Source) -> Result<(), String> {
    let expr = parse(&eval.expr, &Options::ALL).map_err(|error| format!("{}: {error}", eval.expr))?;
    let time_ms = eval.end_ms;
    let mut pinned = expr;
    let is_timely = !pin(&mut pinned, time_ms, false);
    once(eval, source, &eval.expr, time_ms)?;
    if is_timely {
        return Ok(());
    }
    let text = print(&pinned);
    let other_times = match time_ms {
        0 => vec![-1000, 0, 1000],
        _ => vec![-10 * time_ms, 0, time_ms / 5, time_ms, 10 * time_ms],
    };
    other_times.into_iter().try_for_each(|time_ms| once(eval, source, &text, time_ms))
}

fn once(eval: &Eval, source: &Source, text: &str, time_ms: i64) -> Result<(), String> {
    let at = |error: String| format!("{text} at {time_ms} ms: {error}");
    let expr = parse(text, &Options::ALL).map_err(|error| at(error.to_string()))?;
    let Some(answer) =
        answered(eval, ask(Query::instant(expr.clone(), text, time_ms), source)).map_err(at)?
    else {
        return Ok(());
    };
    check_remarks(eval, &answer).and_then(|()| check_value(eval, &answer.value)).map_err(at)?;
    let of_query = ["start()", "end()", "range()", "step()"];
    if eval.instant_only || of_query.iter().any(|call| text.contains(call)) {
        return Ok(());
    }
    let at = |error: String| format!("{text} at {time_ms} ms, in a range: {error}");
    let range = Query::range(expr, text, time_ms - MINUTE_MS, time_ms + MINUTE_MS, MINUTE_MS);
    let ranged = ask(range, source).map_err(|error| at(error.to_string()))?;
    if eval.ordered {
        return Ok(());
    }
    let Value::Matrix(matrix) = &ranged.value else { return Err(at("no matrix".to_owned())) };
    check_order(matrix).map_err(at)?;
    let mut middle = matrix.iter().filter_map(|series| {
        let place = series.points.times.binary_search(&time_ms).ok()?;
        let value = match series.points.histogram(place) {
            Some(histogram) => Cell::Histogram(histogram.clone()),
            None => Cell::Float(series.points.values[place]),
        };
        Some(Sample { labels: series.labels.clone(), value })
    });
    let value = match answer.value {
        Value::Scalar(_) => match middle.next() {
            Some(Sample { value: Cell::Float(value), .. }) => Value::Scalar(value),
            other => return Err(at(format!("no scalar, but {other:?}"))),
        },
        _ => Value::Vector(middle.collect()),
    };
    check_value(eval, &value).map_err(at)
}

fn ask(mut query: Query, source: &Source) -> Result<Answer, EvalError> {
    query.options.delayed_name_removal = matches!(source.names, Names::AtTheEnd);
    query.options.start_timestamps = true;
    let scope = Scope::new(Tenant::default(), Limits::default());
    evaluate(&query, &source.series, &NoExternal, &scope)
}

/// The answer, or `None` where the query failed as it had to.
fn answered(eval: &Eval, answer: Result<Answer, EvalError>) -> Result<Option<Answer>, String> {
    match (answer, &eval.fail) {
        (Ok(answer), None) => Ok(Some(answer)),
        (Ok(_), Some(expected)) => Err(format!("answered, expected to fail with {expected}")),
        (Err(error), Some(expected)) if expected.fits(&error.to_string()) => Ok(None),
        (Err(error), Some(expected)) => {
            Err(format!("failed with {:?}, expected {expected}", error.to_string()))
        }
        (Err(error), None) => Err(format!("failed: {error}")),
    }
}

/// Gives every selector and subquery a time, unless it has one or stands in a subquery that has. Answers whether all is said
/// with it: `false` where a function asks for the time itself.
fn pin(expr: &mut Expr, time_ms: i64, within_pinned: bool) -> bool {
    let at = match expr {
        Expr::Vector(selector) => Some(&mut selector.at),
        Expr::Matrix(matrix) => Some(&mut matrix.selector.at),
        Expr::Subquery(subquery) => Some(&mut subquery.at),
        _ => None,
    };
    let mut within_pinned = within_pinned;
    if let Some(at) = at.filter(|_| !within_pinned) {
        // `start()` and `end()` are the time itself here, but would move with it.
        if !matches!(at, Some(At::Time(_))) {
            *at = Some(At::Time(time_ms));
        }
        within_pinned = true;
    }
    let timeless = !matches!(expr, Expr::Call(call) if TIMELY.contains(&call.function.name));
    expr.children_mut().fold(timeless, |timeless, child| pin(child, time_ms, within_pinned) && timeless)
}
