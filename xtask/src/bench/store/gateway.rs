//! The gateway under load with the store in its process: what remembering costs those who serve.
//!
//! The same proxy, with the same configuration but for `store`, in interleaved rounds on one core. Metrics are noted every
//! five seconds in all that have a store, so that a window of a round holds that too.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Bench;
use super::figures::{Figures, Quantity, Wanted};
use super::http::Client;
use crate::bench::gateway::{LOAD_CORE, PROXY_CORE};
use crate::bench::load::{Load, Pace, Plan};
use crate::bench::origin::Origin;
use crate::bench::proxy::{Kind, Proxy, Setup};
use crate::bench::routes::{self, Table};
use crate::process::free_address;
use crate::{sys, workspace};

const WORKERS: Quantity = ("workers' CPU per request", "µs");
const PROCESS: Quantity = ("CPU of all per request", "µs");
const RATE: Quantity = ("requests", "1/s");
const TAKEN: Quantity = ("records taken", "% of requests");
const DROPPED: Quantity = ("records dropped", "% of requests");
const RESIDENT: Quantity = ("resident", "MB");

/// The names of the gateway's threads that serve begin with this.
const WORKER: &str = "weir-worker";

const CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_millis(500);

/// Longer than a record waits in a worker's buffer, and than it takes to go through the queue.
const REST: Duration = Duration::from_secs(1);

const NO_STORE: &str = "weir, no store";
const ALL_KEPT: &str = "weir, all kept";

/// Each with what its `store.own` says; the first has no store.
const CONTESTANTS: [(&str, Option<&str>); 3] = [
    (NO_STORE, None),
    ("weir", Some("{ logs: false, spans: 1% }")),
    (ALL_KEPT, Some("{ logs: true, spans: 100% }")),
];

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let window = Duration::from_secs(if bench.short { 1 } else { 5 });
    let rounds = if bench.short { bench.rounds } else { bench.rounds.max(7) };
    let origin = Origin::start(LOAD_CORE)?;
    let weir = workspace::release_binary()?;
    let mut figures = Figures::new(
        "gateway",
        format!(
            "{CONNECTIONS} keep-alive connections, 10 routes, {rounds} rounds of {} s: spans of 1 % of requests and \
             metrics are kept, logs are not",
            window.as_secs()
        ),
    )
    .bar(WORKERS, Wanted::AtMost, 1.05, Some(NO_STORE))
    .bar(PROCESS, Wanted::AtMost, 1.10, Some(NO_STORE));
    let mut proxies = Vec::new();
    for (name, own) in CONTESTANTS {
        let dir = bench.file(&name.replace([',', ' '], ""));
        std::fs::create_dir_all(&dir)?;
        let setup = Setup {
            more: own.map_or(Ok(String::new()), |own| store(&dir, own))?,
            ..Setup::plain(origin.address, Table::Ten, &dir, &weir)
        };
        let mut proxy = setup.start(Kind::Weir, &Table::Ten.routes()).with_context(|| name)?;
        proxy.running.wait_for(proxy.admin, Duration::from_mins(1))?;
        proxy.running.pause();
        proxies.push((name, proxy));
    }
    for round in 0..rounds {
        let places = proxies.len();
        proxies.rotate_left(usize::from(round > 0) % places);
        for (name, proxy) in &proxies {
            proxy.running.resume();
            let measured = measure(name, proxy, window, &mut figures);
            proxy.running.pause();
            measured.with_context(|| *name)?;
        }
        eprintln!("bench: gateway: round {} of {rounds}", round + 1);
    }
    if let (Some(workers), Some(process)) =
        (figures.ratio(ALL_KEPT, NO_STORE, WORKERS), figures.ratio(ALL_KEPT, NO_STORE, PROCESS))
    {
        figures.note(format!(
            "With every request kept as a line and as a span: workers {workers} × {NO_STORE}, all {process} ×."
        ));
    }
    figures.note(format!(
        "Load and origin run on core {LOAD_CORE}, the proxy with all its threads on core {PROXY_CORE}; access records are \
         not written to a file. Where records come faster than one core can also keep them, they are dropped and counted."
    ));
    figures.report(&mut bench.report);
    Ok(())
}

/// The `store` of a contestant's file.
fn store(dir: &Path, own: &str) -> Result<String> {
    let (path, http, grpc) = (dir.join("store"), free_address()?, free_address()?);
    Ok(format!("store: {{ path: {}, http: [\"{http}\"], grpc: [\"{grpc}\"], own: {own} }}", path.display()))
}

fn measure(name: &'static str, proxy: &Proxy, window: Duration, figures: &mut Figures) -> Result<()> {
    let running = &proxy.running;
    let records_before = Records::of(proxy)?;
    let load = Load::start(Plan {
        address: proxy.address,
        connections: CONNECTIONS,
        requests: Arc::new(routes::requests(&Table::Ten.routes(), "")),
        pace: Pace::Closed,
        core: LOAD_CORE,
    });
    std::thread::sleep(WARM_UP);
    // Of a whole process the ticks hold also those of threads that have ended.
    let spent = || {
        let cost = running.cost();
        (
            running.threads_ns(WORKER) / 1e3,
            (cost.user_ticks + cost.system_ticks) * 1e6 / sys::units().0 as f64,
        )
    };
    let (before, first) = (spent(), load.answers());
    std::thread::sleep(window);
    let (after, last) = (spent(), load.answers());
    let seen = load.finish()?;
    if seen.failures > 0 {
        bail!("{} of {} requests failed", seen.failures, seen.answers);
    }
    let answers = last - first;
    if answers == 0 || after.0 <= before.0 {
        bail!("{answers} answers, and {WORKER}… spent {} µs", after.0 - before.0);
    }
    let answers = answers as f64;
    figures.add(name, WORKERS, (after.0 - before.0) / answers);
    figures.add(name, PROCESS, (after.1 - before.1) / answers);
    figures.add(name, RATE, answers / window.as_secs_f64());
    if let Some(before) = records_before {
        std::thread::sleep(REST);
        let after = Records::of(proxy)?.context("no count of records any more")?;
        let share = |before: f64, after: f64| (after - before) / seen.answers as f64 * 100.0;
        figures.add(name, TAKEN, share(before.taken, after.taken));
        figures.add(name, DROPPED, share(before.dropped, after.dropped));
    }
    figures.add(name, RESIDENT, running.cost().resident / 1e6);
    Ok(())
}

/// Records that the store was given, and that it was not.
struct Records {
    taken: f64,
    dropped: f64,
}

impl Records {
    /// What the gateway has counted so far; `None` where it gives none.
    fn of(proxy: &Proxy) -> Result<Option<Self>> {
        let text = Client::new(proxy.admin, Duration::from_secs(10)).get("/metrics")?.success()?;
        Ok(Self::read(&String::from_utf8_lossy(&text)))
    }

    fn read(text: &str) -> Option<Self> {
        let count = |result: &str| {
            let name = format!("weir_own_telemetry_records_total{{result=\"{result}\"}}");
            text.lines().find_map(|line| line.strip_prefix(&name)?.trim().parse().ok())
        };
        Some(Self { taken: count("taken")?, dropped: count("dropped")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_where_there_are_any() {
        let text = "# HELP a b\nweir_own_telemetry_records_total{result=\"taken\"} 12\n\
                    weir_own_telemetry_records_total{result=\"dropped\"} 3\n";
        let records = Records::read(text).unwrap();
        assert!((records.taken - 12.0).abs() < f64::EPSILON && (records.dropped - 3.0).abs() < f64::EPSILON);
        assert!(Records::read("weir_requests_total 1\n").is_none());
    }
}
