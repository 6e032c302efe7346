//! What a query over a day at 15 s costs per sample: `cargo run --release -p weir-promql --example rate_bench [QUERY]`.
//!
//! 1,000 counters in 20 groups, scraped every 15 s, from memory: what reading them from a disk costs comes on top.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use std::time::Instant;

use weir_promql::eval::{NoExternal, Query, evaluate};
use weir_promql::{Options, parse};
use weir_signal::{
    Exemplar, Labels, Limits, Metadata, Points, ReadError, Scope, SeriesSelect, SeriesSource, SeriesStream,
    Tenant,
};

const SERIES: usize = 1_000;
const STEP_MS: i64 = 15_000;
const DAY_MS: i64 = 24 * 3_600_000;

/// Counters that are copied into the reader's columns.
struct Counters(Vec<(Labels, Points)>);

impl Counters {
    fn new() -> Self {
        let mut seed = 1_u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let mut series: Vec<(Labels, Points)> = (0..SERIES)
            .map(|at| {
                let (job, instance) =
                    (format!("job-{:02}", at % 20), format!("10.0.{}.{}:9100", at / 250, at % 250));
                let labels = Labels::from_pairs([
                    ("__name__", "http_requests_total"),
                    ("instance", instance.as_str()),
                    ("job", job.as_str()),
                    ("method", "GET"),
                ]);
                let mut points = Points::default();
                let mut value = 0.0;
                for step in -40..=DAY_MS / STEP_MS {
                    value += (random() % 1_000) as f64;
                    if random() % 2_000 == 0 {
                        value = 0.0;
                    }
                    points.push(step * STEP_MS + (random() % 7) as i64, value, 0);
                }
                (labels.unwrap_or_default(), points)
            })
            .collect();
        series.sort_by(|a, b| a.0.cmp(&b.0));
        Self(series)
    }
}

impl SeriesSource for Counters {
    fn select<'a>(
        &'a self,
        _: &Scope,
        select: &SeriesSelect,
    ) -> Result<Box<dyn SeriesStream + 'a>, ReadError> {
        Ok(Box::new(Copied { series: self.0.iter(), from_ms: select.from_ms, to_ms: select.to_ms }))
    }

    fn series(&self, _: &Scope, _: &SeriesSelect) -> Result<Vec<Labels>, ReadError> {
        Ok(Vec::new())
    }

    fn label_names(&self, _: &Scope, _: &SeriesSelect) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &Scope, _: &SeriesSelect, _: &str) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn exemplars(&self, _: &Scope, _: &SeriesSelect) -> Result<Vec<(Labels, Vec<Exemplar>)>, ReadError> {
        Ok(Vec::new())
    }

    fn metadata(&self, _: &Scope, _: Option<&str>) -> Result<Vec<(String, Metadata)>, ReadError> {
        Ok(Vec::new())
    }
}

struct Copied<'a> {
    series: std::slice::Iter<'a, (Labels, Points)>,
    from_ms: i64,
    to_ms: i64,
}

impl SeriesStream for Copied<'_> {
    fn next(&mut self, points: &mut Points) -> Result<Option<Labels>, ReadError> {
        let Some((labels, from)) = self.series.next() else { return Ok(None) };
        let first = from.times.partition_point(|&time| time < self.from_ms);
        let last = from.times.partition_point(|&time| time <= self.to_ms);
        points.clear();
        points.times.extend_from_slice(&from.times[first..last]);
        points.values.extend_from_slice(&from.values[first..last]);
        Ok(Some(labels.clone()))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let queries: Vec<String> = std::env::args().skip(1).collect();
    let default = [
        "sum by (job) (rate(http_requests_total[5m]))",
        "sum by (job) (http_requests_total)",
        "max by (job) (max_over_time(http_requests_total[5m]))",
        "avg(avg_over_time(http_requests_total[5m]))",
        "topk(5, rate(http_requests_total[5m]))",
        "rate(http_requests_total[5m]) / on (instance, job) http_requests_total",
        "quantile by (job) (0.9, http_requests_total)",
        "stddev by (job) (http_requests_total)",
        "sum(rate(http_requests_total[5m]) > 10)",
    ]
    .map(str::to_owned);
    let queries = if queries.is_empty() { default.to_vec() } else { queries };
    let source = Counters::new();
    for text in queries {
        let expr = parse(&text, &Options::ALL)?;
        let mut times: Vec<f64> = Vec::new();
        for _ in 0..5 {
            let query = Query::range(expr.clone(), &text, 0, DAY_MS, STEP_MS);
            let scope = Scope::new(Tenant::default(), Limits::default());
            let begin = Instant::now();
            let answer = evaluate(&query, &source, &NoExternal, &scope)?;
            times.push(begin.elapsed().as_secs_f64());
            std::hint::black_box(answer);
        }
        times.sort_by(f64::total_cmp);
        let cells = SERIES as f64 * (DAY_MS / STEP_MS + 1) as f64;
        println!("{:>8.1} ms  {:>6.2} ns/step  {text}", times[2] * 1e3, times[2] * 1e9 / cells);
    }
    Ok(())
}
