//! A generator's hundred thousand series: what an active series costs in memory.

use std::path::Path;

use anyhow::{Context, Result};

use super::Bench;
use super::figures::{Figures, Quantity, Wanted};
use super::random::{Random, mix};
use super::remote_write::{Packer, Samples, encode_labels};
use super::server::{Kind, REMOTE_WRITE, Server};

const PER_SERIES: Quantity = ("resident at most, per active series", "KB");
const PEAK: Quantity = ("resident at most", "MB");
const IDLE: Quantity = ("resident at start", "MB");
const CPU: Quantity = ("CPU per million samples", "s");

const KINDS: [Kind; 3] = [Kind::Weir, Kind::VictoriaMetrics, Kind::Prometheus];

/// Names of families, each with as many series as the others.
const FAMILIES: [&str; 10] = [
    "http_requests_total",
    "http_request_duration_seconds_sum",
    "http_request_duration_seconds_count",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "rpc_client_requests_total",
    "queue_length",
    "cache_hits_total",
    "db_connections_open",
    "errors_total",
];

/// A series as the generator makes it.
pub(super) struct Made {
    labels: Vec<u8>,
    value: f64,
    step: f64,
    random: Random,
}

impl Made {
    /// A family of a target, with labels as a cluster's targets have them.
    pub(super) fn new(family: u64, target: u64) -> Self {
        let family_name = FAMILIES[(family % FAMILIES.len() as u64) as usize];
        let instance = format!("10.{}.{}.{}:8080", target >> 14 & 63, target >> 7 & 127, target & 127);
        let pod = format!("api-{:08x}-{:05x}", mix(target / 40) as u32, mix(target) & 0xf_ffff);
        let code = ["200", "404", "500"][(target % 3) as usize];
        let handler = format!("/v1/{}", ["orders", "users", "items", "search", "pay"][(target % 5) as usize]);
        let labels = [
            ("__name__", family_name),
            ("code", code),
            ("handler", handler.as_str()),
            ("instance", instance.as_str()),
            ("job", "api"),
            ("pod", pod.as_str()),
            ("region", ["eu-west-1", "us-east-2"][(target % 2) as usize]),
        ];
        let mut random = Random::new(target << 8 | family);
        Self {
            labels: encode_labels(labels),
            value: random.below(100_000) as f64,
            step: random.unit() * 40.0,
            random,
        }
    }

    /// The value of its next scrape: a counter that grows at a rate of its own, not evenly.
    fn next(&mut self) -> f64 {
        self.value += (self.step * self.random.unit() * 2.0).floor();
        self.value
    }
}

/// Packs so many scrapes of series, 15 s apart, the last of them at `end_ms`.
pub(super) fn generate(file: &Path, mut all: Vec<Made>, scrapes: u64, end_ms: i64) -> Result<Samples> {
    let series = all.len() as u64;
    let mut packer = Packer::create(file)?;
    for scrape in 0..scrapes {
        let time_ms = end_ms - ((scrapes - 1 - scrape) * 15_000).cast_signed();
        for one in &mut all {
            let value = one.next();
            packer.add(&one.labels, time_ms, value)?;
        }
    }
    packer.finish(series)
}

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let (series, scrapes) = (100_000, if bench.short { 5 } else { 120 });
    let all = (0..series).map(|index| Made::new(index % 10, index / 10)).collect();
    let samples = generate(&bench.file("synthetic"), all, scrapes, bench.now_ms)?;
    let mut figures = Figures::new(
        "memory",
        format!("{series} active series, {scrapes} scrapes of each, 15 s apart (synthetic)"),
    )
    .bar(PER_SERIES, Wanted::AtMost, 1.5, None)
    .bar(CPU, Wanted::AtMost, 0.5, Some("victoria-metrics"));
    for round in 0..bench.rounds {
        for kind in bench.order(&KINDS, round) {
            let server = Server::start(kind, &bench.fresh(kind)?)?;
            let name = kind.name();
            let (idle, begin) = (server.resident_bytes(), server.cpu_s());
            samples.bodies.send(&mut server.client(), REMOTE_WRITE).with_context(|| name)?;
            figures.add(name, CPU, (server.cpu_s() - begin) / (samples.count as f64 / 1e6));
            // Of the whole process, what it takes without any series included.
            let peak = server.resident_peak_bytes()?;
            figures.add(name, PER_SERIES, peak / 1e3 / series as f64);
            figures.add(name, PEAK, peak / 1e6);
            figures.add(name, IDLE, idle / 1e6);
            server.stop()?;
        }
    }
    figures.report(&mut bench.report);
    Ok(())
}
