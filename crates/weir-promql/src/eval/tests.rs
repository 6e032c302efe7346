use std::sync::Arc;

use proptest::prelude::*;
use weir_signal::{
    BucketRun, Buckets, Histogram, Labels, Limits, ReadError, Scope, Tenant, is_stale, stale_nan,
};

use super::*;
use crate::ast::{Aggregate, AggregateOp, Expr, Span};
use crate::memory::MemorySeries;
use crate::{Options as ParserOptions, parse};

const STEP_MS: i64 = 30_000;

fn labels(text: &str) -> Labels {
    crate::parse_labels(text).unwrap()
}

fn scope(limits: Limits) -> Scope {
    Scope::new(Tenant::default(), limits)
}

fn query(text: &str) -> Query {
    Query::instant(parse(text, &ParserOptions::ALL).unwrap(), text, 0)
}

fn ask(query: &Query, series: &MemorySeries) -> Result<Answer, EvalError> {
    evaluate(query, series, &NoExternal, &scope(Limits::default()))
}

fn at(text: &str, time_ms: i64, series: &MemorySeries) -> Result<Answer, EvalError> {
    ask(&Query { from_ms: time_ms, to_ms: time_ms, ..query(text) }, series)
}

fn over(text: &str, to_ms: i64, series: &MemorySeries) -> Result<Answer, EvalError> {
    ask(&Query { from_ms: 0, to_ms, step_ms: STEP_MS, ..query(text) }, series)
}

/// Three counters and a histogram of four minutes, one of the counters with a gap and an end.
fn some_series() -> MemorySeries {
    let mut series = MemorySeries::new();
    for at in 0..8_i64 {
        let time_ms = at * STEP_MS;
        series.push(&labels(r#"a_total{job="x"}"#), time_ms, at as f64 * 10.0, 0);
        series.push(&labels(r#"a_total{job="y"}"#), time_ms, at as f64 * 20.0, 0);
        let (name, value) = match at {
            ..4 => ("b_total", 1.0),
            4 => ("b_total", stale_nan()),
            _ => ("c_total", 2.0),
        };
        series.push(&labels(&format!(r#"{name}{{job="x"}}"#)), time_ms, value, 0);
        series.push_histogram(&labels(r#"h{job="x"}"#), time_ms, Arc::new(histogram(at as f64)), 0);
    }
    series
}

fn histogram(count: f64) -> Histogram {
    Histogram {
        count: 2.0 * count,
        sum: 3.0 * count,
        positive: Buckets { runs: vec![BucketRun { offset: 0, length: 2 }], counts: vec![count, count] },
        ..Histogram::default()
    }
}

fn show(value: &Value) -> String {
    let cell = |cell: &Cell| match cell {
        Cell::Float(value) => value.to_string(),
        Cell::Histogram(histogram) => histogram.to_string(),
    };
    match value {
        Value::Scalar(value) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Vector(samples) => {
            let sample = |sample: &Sample| format!("{} {}", sample.labels, cell(&sample.value));
            samples.iter().map(sample).collect::<Vec<_>>().join("; ")
        }
        Value::Matrix(series) => {
            let points = |series: &Series| {
                let points = &series.points;
                let values = points.times.iter().zip(&points.values);
                let values: Vec<_> = values.map(|(time, value)| format!("{value}@{}", time / 1000)).collect();
                format!("{} {}", series.labels, values.join(" "))
            };
            series.iter().map(points).collect::<Vec<_>>().join("; ")
        }
    }
}

#[test]
fn names_go_at_once_unless_that_is_delayed() {
    let series = some_series();
    let check = |text: &str, delayed: bool, expect: &str| {
        let mut query = Query { to_ms: 90_000, ..query(text) };
        query.options.delayed_name_removal = delayed;
        let found = ask(&query, &series).map_or_else(|error| error.to_string(), |found| show(&found.value));
        assert_eq!(found, expect, "{text}");
    };
    let same = "vector cannot contain metrics with the same labelset";
    check(r#"abs({__name__=~"a_total|b_total", job="x"})"#, false, same);
    check(r#"abs({__name__=~"a_total|b_total", job="x"})"#, true, same);
    check(r#"count(abs({__name__=~"a_total|b_total"}))"#, false, same);
    check(r#"count(abs({__name__=~"a_total|b_total"}))"#, true, "{} 3");
    check(r#"rate({__name__=~".+_total", job="x"}[1m])"#, false, same);
    check("count by (__name__) (rate(a_total[1m]))", false, "{} 2");
    check("max by (__name__) (-a_total)", true, "{} -30");
    check(r#"a_total{job="x"} * 2"#, false, r#"{job="x"} 60"#);
    check(r#"a_total{job="x"} > 2"#, false, r#"a_total{job="x"} 30"#);
}

#[test]
fn series_that_become_the_same_one_after_the_other_are_one() {
    // One ends before the other begins.
    let found = over(r#"abs({__name__=~"b_total|c_total"})"#, 210_000, &some_series()).unwrap();
    assert_eq!(show(&found.value), r#"{job="x"} 1@0 1@30 1@60 1@90 2@150 2@180 2@210"#);
}

#[test]
fn what_stands_still_is_asked_once_for_all_steps() {
    let series = some_series();
    let found = over(r#"a_total{job="x"} @ 60 + time() * 0"#, 60_000, &series).unwrap();
    assert_eq!(show(&found.value), r#"{job="x"} 20@0 20@30 20@60"#);
    let found = over(r#"sum_over_time(a_total{job="x"}[1m] @ 60)"#, 60_000, &series).unwrap();
    assert_eq!(show(&found.value), r#"{job="x"} 30@0 30@30 30@60"#);
    let found = over("end() - start() + step()", 60_000, &series).unwrap();
    assert_eq!(show(&found.value), "{} 90@0 90@30 90@60");
}

#[test]
fn limits_end_a_query() {
    let series = some_series();
    let limited = |text: &str, limits: Limits| {
        let query = Query { to_ms: 200_000, step_ms: STEP_MS, ..query(text) };
        evaluate(&query, &series, &NoExternal, &scope(limits)).map(|answer| show(&answer.value))
    };
    let two = Limits { series_max: 2, ..Limits::default() };
    assert_eq!(limited(r#"{job="x"}"#, two), Err(EvalError::Read(ReadError::Series(2))));
    assert!(limited(r#"sum({job="x", __name__=~"._total"})"#, two).is_ok());
    // Each step of a subquery would have to be held.
    assert_eq!(limited("sum_over_time(a_total[100y:1ms])", two), Err(EvalError::TooManySamples));
    let mut few = Query { to_ms: 200_000, step_ms: STEP_MS, ..query("a_total + a_total") };
    few.options.samples_max = 20;
    assert_eq!(ask(&few, &series), Err(EvalError::TooManySamples));
    let cancelled = scope(Limits::default());
    cancelled.budget.cancel();
    let stopped = evaluate(&query("sum(a_total)"), &series, &NoExternal, &cancelled);
    assert_eq!(stopped, Err(EvalError::Read(ReadError::Cancelled)));
}

#[test]
fn any_time_can_be_asked_for() {
    let mut series = some_series();
    for time_ms in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
        series.push(&labels(r#"m_total{job="x"}"#), time_ms, 1.0, 0);
    }
    for text in SHAPES.iter().copied().chain(["a_total @ 9e15", "m_total offset 200y", "hour() + year()"]) {
        for time_ms in [i64::MIN, -1, 0, i64::MAX] {
            // Errors are answers, too; overflow is none.
            let _ = at(text, time_ms, &series);
            let wide = Query { from_ms: i64::MIN, to_ms: i64::MAX, step_ms: i64::MAX / 3, ..query(text) };
            let _ = ask(&wide, &series);
        }
    }
}

#[test]
fn ranges_and_texts_have_no_value_over_a_range() {
    for (text, kind) in [("a_total[1m]", "range vector"), (r#""a""#, "string")] {
        let found = over(text, 60_000, &some_series()).unwrap_err().to_string();
        let expect =
            format!("invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector");
        assert_eq!(found, expect);
    }
}

/// Two series that are nobody's: at each step its number, and twice that where it is even.
struct Numbers;

impl External for Numbers {
    fn columns(&self, number: usize, grid: Grid) -> Result<Box<dyn ColumnStream + '_>, EvalError> {
        let column = |name: &str, even: bool| {
            let mut column =
                Column { labels: labels(&format!(r#"{{stream="{name}"}}"#)), ..Column::default() };
            column.reset(grid.len());
            for step in (0..grid.len()).filter(|step| !even || step % 2 == 0) {
                column.set(step, (number + step * if even { 2 } else { 1 }) as f64);
            }
            column
        };
        Ok(Box::new(Columns::new(vec![column("all", false), column("even", true)])))
    }
}

#[test]
fn vectors_from_elsewhere_are_calculated_with() {
    let Expr::Binary(mut binary) = parse("a > 2", &ParserOptions::ALL).unwrap() else { unreachable!() };
    binary.lhs = Expr::Aggregate(Box::new(Aggregate {
        op: AggregateOp::Sum,
        expr: Expr::External(1),
        param: None,
        without: false,
        grouping: Vec::new(),
        span: Span::default(),
    }));
    let query = Query::range(Expr::Binary(binary), "", 0, 3000, 1000);
    let answer = evaluate(&query, &MemorySeries::new(), &Numbers, &scope(Limits::default())).unwrap();
    assert_eq!(show(&answer.value), "{} 8@2 4@3");
    assert_eq!(answer.warnings, Vec::<String>::new());
}

#[test]
fn remarks_name_their_place() {
    let series = some_series();
    let found = at("sum(\n  rate(h[2m])) + max(h)", 120_000, &series).unwrap();
    assert_eq!(found.infos, ["PromQL info: ignored histogram in max aggregation (2:22)"]);
    let quiet = Query { text: String::new(), to_ms: 120_000, ..query("max(h)") };
    assert_eq!(ask(&quiet, &series).unwrap().infos, ["PromQL info: ignored histogram in max aggregation"]);
}

/// What a series has every 15 seconds.
fn any_series() -> impl Strategy<Value = MemorySeries> {
    let sample = prop_oneof![
        6 => (0..50_i32).prop_map(|value| Some(Ok(f64::from(value)))),
        1 => Just(Some(Ok(f64::NAN))),
        1 => Just(Some(Ok(stale_nan()))),
        1 => Just(None),
        2 => (1..9_u32).prop_map(|count| Some(Err(f64::from(count)))),
    ];
    prop::collection::vec(prop::collection::vec(sample, 24), 1..5).prop_map(|all| {
        let mut series = MemorySeries::new();
        for (number, samples) in all.iter().enumerate() {
            let (job, name) = (["x", "y"][number % 2], ["m_total", "n_total"][number / 2]);
            let labels = labels(&format!(r#"{name}{{job="{job}"}}"#));
            // Histograms are rare: mostly there are floats only.
            let floats_only = number != 3;
            for (at, sample) in samples.iter().enumerate() {
                let time_ms = at as i64 * 15_000 + number as i64 * 100;
                match sample {
                    Some(Ok(value)) => series.push(&labels, time_ms, *value, 0),
                    Some(Err(count)) if floats_only => series.push(&labels, time_ms, *count, 0),
                    Some(Err(count)) => {
                        series.push_histogram(&labels, time_ms, Arc::new(histogram(*count)), 0);
                    }
                    None => {}
                }
            }
        }
        series
    })
}

const SHAPES: &[&str] = &[
    "m_total",
    "n_total offset 1m",
    "rate(m_total[1m])",
    "increase(n_total[2m])",
    "delta(n_total[90s] offset -30s)",
    "irate(n_total[1m])",
    "sum_over_time(n_total[1m])",
    "avg_over_time(n_total[2m])",
    "max_over_time(m_total[1m])",
    "stddev_over_time(n_total[1m])",
    "quantile_over_time(0.3, m_total[2m])",
    "predict_linear(m_total[2m], 60)",
    "changes(n_total[2m])",
    "resets(n_total[2m])",
    "last_over_time(n_total[1m])",
    "rate(m_total[1m] anchored)",
    "increase(n_total[1m] smoothed)",
    "m_total smoothed",
    "sum by (job) ({__name__=~\"m_total|n_total\"})",
    "avg(n_total)",
    "min without (job) (m_total)",
    "stddev(m_total)",
    "count_values(\"v\", m_total)",
    "quantile(0.7, m_total)",
    "m_total / on (job) n_total",
    "m_total > bool ignoring (x) n_total",
    "m_total and n_total > 3",
    "m_total or on () n_total",
    "m_total unless on (job) n_total",
    "m_total + on (job) fill (1) n_total",
    "sum_over_time(rate(m_total[1m])[2m:30s])",
    "max_over_time(n_total[2m:15s] offset 30s)",
    "histogram_quantile(0.5, n_total)",
    "histogram_count(rate(n_total[2m]))",
    "label_replace(m_total, \"a\", \"$1\", \"job\", \"(.)\")",
    "absent(m_total{job=\"x\"})",
    "absent_over_time(m_total{job=\"x\"}[30s])",
    "scalar(m_total) + time()",
    "timestamp(m_total)",
    "clamp_max(m_total, scalar(n_total))",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// All steps at once give what each gives by itself.
    #[test]
    fn a_range_is_its_instants(series in any_series(), delayed in any::<bool>()) {
        for text in SHAPES {
            let mut whole = Query { to_ms: 390_000, step_ms: 15_000, ..query(text) };
            whole.options.delayed_name_removal = delayed;
            let Ok(Answer { value: Value::Matrix(matrix), .. }) = ask(&whole, &series) else {
                panic!("{text} has no matrix");
            };
            for time_ms in (0..=390_000).step_by(15_000) {
                let mut instant = Query { from_ms: time_ms, to_ms: time_ms, ..query(text) };
                instant.options.delayed_name_removal = delayed;
                let answer = ask(&instant, &series).unwrap();
                let mut expect: Vec<(String, String)> = match &answer.value {
                    Value::Scalar(value) => vec![("{}".to_owned(), format!("{value:?}"))],
                    Value::Vector(samples) => {
                        samples.iter().map(|s| (s.labels.to_string(), format!("{:?}", s.value))).collect()
                    }
                    other => panic!("{other:?}"),
                };
                expect.sort();
                let mut found: Vec<(String, String)> = Vec::new();
                for Series { labels, points } in &matrix {
                    prop_assert!(points.times.is_sorted() && !points.values.iter().any(|&v| is_stale(v)));
                    let Ok(at) = points.times.binary_search(&time_ms) else { continue };
                    let value = match (points.histogram(at), &answer.value) {
                        (None, Value::Scalar(_)) => format!("{:?}", points.values[at]),
                        (None, _) => format!("{:?}", Cell::Float(points.values[at])),
                        (Some(histogram), _) => format!("{:?}", Cell::Histogram(histogram.clone())),
                    };
                    found.push((labels.to_string(), value));
                }
                found.sort();
                prop_assert_eq!(found, expect, "{} at {}", text, time_ms);
            }
        }
    }
}
