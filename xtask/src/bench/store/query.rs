//! Range queries: how long they take against Prometheus, which has to give the same answers.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::figures::{Figures, Quantity, Wanted};
use super::http::{Client, escape};
use super::memory::Made;
use super::remote_write::Samples;
use super::server::{Kind, REMOTE_WRITE, Server};
use super::{Bench, memory, record, replay};
use crate::bench::report::figure;
use crate::bench::stats::Median;
use crate::table::Table;
use crate::workspace;

const KINDS: [Kind; 3] = [Kind::Weir, Kind::Prometheus, Kind::VictoriaMetrics];
const TIME: Quantity = ("median time", "ms");

/// How far values may lie apart, relative to the larger: sums are not taken in the same order.
const TOLERANCE: f64 = 1e-9;

/// A query as it is asked.
struct Asked {
    source: String,
    query: String,
    start_s: i64,
    end_s: i64,
    step_s: i64,
}

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    synthetic(bench)?;
    recorded(bench)
}

/// A day of a thousand series.
fn synthetic(bench: &mut Bench) -> Result<()> {
    let (series, hours) = if bench.short { (200, 2) } else { (1000, 24) };
    let all = (0..series).map(|target| Made::new(0, target)).collect();
    let end_ms = bench.now_ms / 15_000 * 15_000;
    let samples = memory::generate(&bench.file("day"), all, hours * 240, end_ms)?;
    let mut servers = start_all(bench, &samples)?;
    let mut figures = Figures::new(
        "query-day",
        format!("{hours} hours at 15 s of {series} series (synthetic): sum by (handler) (rate(http_requests_total[5m]))"),
    )
    .bar(TIME, Wanted::AtMost, 0.5, Some("prometheus"));
    let asked = Asked {
        source: String::new(),
        query: "sum by (handler) (rate(http_requests_total[5m]))".to_owned(),
        start_s: samples.first_ms / 1000,
        end_s: samples.last_ms / 1000,
        step_s: 15,
    };
    for (kind, times) in ask_all(bench, &mut servers, &asked, &mut figures)? {
        for time in times {
            figures.add(kind.name(), TIME, time);
        }
    }
    figures.report(&mut bench.report);
    stop_all(servers)
}

/// What dashboards ask, over the recording.
fn recorded(bench: &mut Bench) -> Result<()> {
    let minutes = bench.short.then_some(10);
    let samples = replay::pack(&record::default_file()?, minutes, &bench.file("recorded"))?;
    let mut servers = start_all(bench, &samples)?;
    let file = workspace::root().join("bench/store/queries.json");
    let list: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    let mut figures = Figures::new(
        "query-dashboards",
        "twenty queries of public dashboards over the recording",
    )
    .bar(TIME, Wanted::AtMost, 0.5, Some("prometheus"));
    let mut heading = vec!["query", "prometheus, ms"];
    heading.extend(servers.iter().filter(|s| s.kind != Kind::Prometheus).map(|server| server.kind.name()));
    let mut table = Table::new(&heading);
    let mut values = Vec::new();
    for entry in list.as_array().context("queries.json is not a list")? {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let asked = Asked {
            source: text("source"),
            query: text("query"),
            start_s: samples.first_ms / 1000 + 300,
            end_s: samples.last_ms / 1000,
            step_s: 15,
        };
        let times = ask_all(bench, &mut servers, &asked, &mut figures)?;
        let mut row = vec![asked.source.clone(), String::new()];
        for (kind, times) in times {
            let median = Median::of(&times).value;
            // One value a query, so that the ratio is the median over the queries.
            figures.add(kind.name(), TIME, median);
            values.push(json!({ "case": "query-dashboards", "name": asked.source, "peer": kind.name(), "value": median, "unit": "ms" }));
            if kind == Kind::Prometheus { row[1] = figure(median) } else { row.push(figure(median)) }
        }
        table.row(row);
    }
    bench.report.section("query-dashboards, one by one: medians in ms", &table.markdown(), &[], values);
    figures.report(&mut bench.report);
    stop_all(servers)
}

fn start_all(bench: &Bench, samples: &Samples) -> Result<Vec<Server>> {
    let mut servers = Vec::new();
    for kind in bench.order(&KINDS, 0) {
        let mut server = Server::start(kind, &bench.fresh(kind)?)?;
        samples.bodies.send(&mut server.client(), REMOTE_WRITE).with_context(|| kind.name())?;
        server.settle()?;
        servers.push(server);
    }
    Ok(servers)
}

fn stop_all(servers: Vec<Server>) -> Result<()> {
    servers.into_iter().try_for_each(|server| server.stop().map(drop))
}

/// Asks everybody in turn, several times, and compares the answers with Prometheus'. VictoriaMetrics is not held to them:
/// its `rate` does not extrapolate.
fn ask_all(
    bench: &Bench,
    servers: &mut [Server],
    asked: &Asked,
    figures: &mut Figures,
) -> Result<Vec<(Kind, Vec<f64>)>> {
    let path = format!(
        "/api/v1/query_range?query={}&start={}&end={}&step={}",
        escape(&asked.query),
        asked.start_s,
        asked.end_s,
        asked.step_s
    );
    let mut times: Vec<(Kind, Vec<f64>)> = servers.iter().map(|server| (server.kind, Vec::new())).collect();
    let mut answers: BTreeMap<Kind, Vec<u8>> = BTreeMap::new();
    let mut clients: Vec<Client> = servers.iter().map(Server::client).collect();
    let repeats = if bench.short { 3 } else { 9 };
    // The first is not counted: it fills caches, which everybody has.
    for repeat in 0..=repeats {
        for (index, client) in clients.iter_mut().enumerate() {
            let begin = Instant::now();
            let answer = client.get(&with_cache_off(servers[index].kind, &path))?;
            let took = begin.elapsed().as_secs_f64() * 1e3;
            let answer = answer
                .success()
                .with_context(|| format!("{} on {}", servers[index].kind.name(), asked.query))?;
            if repeat > 0 {
                times[index].1.push(took);
            }
            answers.insert(servers[index].kind, answer);
        }
    }
    if let (Some(weir), Some(theirs)) = (answers.get(&Kind::Weir), answers.get(&Kind::Prometheus)) {
        let compared = matrix(theirs).and_then(|theirs| same(&matrix(weir)?, &theirs));
        if let Err(error) = compared {
            figures.note(format!("NOT THE SAME ANSWER: `{}`: {error:#}", asked.query));
        }
    }
    if let Some(theirs) = answers.get(&Kind::Prometheus)
        && matrix(theirs)?.is_empty()
    {
        figures.note(format!("No series: `{}`", asked.query));
    }
    Ok(times)
}

/// VictoriaMetrics would answer from what it answered before.
fn with_cache_off(kind: Kind, path: &str) -> String {
    if kind == Kind::VictoriaMetrics { format!("{path}&nocache=1") } else { path.to_owned() }
}

/// Labels of a series and its points.
type Matrix = BTreeMap<String, Vec<(f64, f64)>>;

fn matrix(answer: &[u8]) -> Result<Matrix> {
    let answer: Value = serde_json::from_slice(answer)?;
    let mut matrix = Matrix::new();
    for series in answer["data"]["result"].as_array().context("no result in the answer")? {
        // serde_json keeps an object's keys in order.
        let labels = series["metric"].to_string();
        let points = series["values"].as_array().context("not a matrix")?;
        let points = points.iter().map(|point| {
            let time = point[0].as_f64().context("no time")?;
            let value = match point[1].as_str().context("no value")? {
                "NaN" => f64::NAN,
                "+Inf" => f64::INFINITY,
                "-Inf" => f64::NEG_INFINITY,
                number => number.parse()?,
            };
            Ok((time, value))
        });
        matrix.insert(labels, points.collect::<Result<_>>()?);
    }
    Ok(matrix)
}

fn same(ours: &Matrix, theirs: &Matrix) -> Result<()> {
    if let Some(missing) = theirs.keys().find(|labels| !ours.contains_key(*labels)) {
        bail!("{missing} is missing ({} series instead of {})", ours.len(), theirs.len());
    }
    if let Some(extra) = ours.keys().find(|labels| !theirs.contains_key(*labels)) {
        bail!("{extra} is not in Prometheus' answer");
    }
    for (labels, theirs) in theirs {
        let ours = &ours[labels];
        if ours.len() != theirs.len() {
            bail!("{labels} has {} points instead of {}", ours.len(), theirs.len());
        }
        for (ours, theirs) in ours.iter().zip(theirs) {
            let near = ours.1.to_bits() == theirs.1.to_bits()
                || (ours.1.is_nan() && theirs.1.is_nan())
                || (ours.1 - theirs.1).abs() <= TOLERANCE * ours.1.abs().max(theirs.1.abs());
            if (ours.0 - theirs.0).abs() > 1e-3 || !near {
                bail!("{labels} at {} is {} instead of {} at {}", ours.0, ours.1, theirs.1, theirs.0);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(values: &str) -> Matrix {
        let text = format!(r#"{{"data":{{"result":[{{"metric":{{"a":"b"}},"values":{values}}}]}}}}"#);
        matrix(text.as_bytes()).unwrap()
    }

    #[test]
    fn answers_are_compared_within_the_tolerance() {
        let theirs = answer(r#"[[1,"1"],[2,"NaN"],[3,"+Inf"]]"#);
        assert!(same(&answer(r#"[[1,"1.0000000001"],[2,"NaN"],[3,"+Inf"]]"#), &theirs).is_ok());
        assert!(same(&answer(r#"[[1,"1.00001"],[2,"NaN"],[3,"+Inf"]]"#), &theirs).is_err());
        assert!(same(&answer(r#"[[1,"1"],[2,"0"],[3,"+Inf"]]"#), &theirs).is_err());
        assert!(same(&answer(r#"[[1,"1"],[2,"NaN"]]"#), &theirs).is_err());
        assert!(same(&Matrix::new(), &theirs).is_err());
    }
}
