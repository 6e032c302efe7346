//! `cargo xtask bench edge-tls`: what a pool and ending TLS at the edge are worth.
//!
//! A known experiment, published as 8,240, then 14,690, then 22,310 requests/s with p99 of 142, 87 and 41 ms; its
//! machine is not ours, so the shape is what can be repeated. Clients keep their 500 TLS connections in all three steps;
//! what changes is the way to the origin.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::Scratch;
use super::gateway::LOAD_CORE;
use super::proxy::{Kind, Setup, weir_binary};
use super::report::{Report, figure};
use super::routes::Table as Routes;
use super::wrk::Wrk;
use crate::process::{Running, free_address};
use crate::table::Table;
use crate::{peers, sys};

const CONNECTIONS: usize = 500;
const POOL: u32 = 200;

/// How a run is made.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Eight seconds a step instead of 30
    #[arg(long)]
    pub quick: bool,
    /// Write every figure to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Which proxies
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "weir")]
    pub peers: Vec<Kind>,
    /// Keep the results in bench/results
    #[arg(long)]
    pub record: bool,
}

struct Step {
    name: &'static str,
    pool: Option<u32>,
    upstream_tls: bool,
    published_rate: f64,
    published_p99_ms: f64,
}

const STEPS: [Step; 3] = [
    Step {
        name: "no pool, TLS on both sides",
        pool: None,
        upstream_tls: true,
        published_rate: 8_240.0,
        published_p99_ms: 142.0,
    },
    Step {
        name: "pool of 200, TLS on both sides",
        pool: Some(POOL),
        upstream_tls: true,
        published_rate: 14_690.0,
        published_p99_ms: 87.0,
    },
    Step {
        name: "pool of 200, TLS ended at the edge",
        pool: Some(POOL),
        upstream_tls: false,
        published_rate: 22_310.0,
        published_p99_ms: 41.0,
    },
];

/// Runs the three steps with each proxy.
pub fn run(options: &Options) -> Result<()> {
    let weir = weir_binary(&options.peers)?;
    sys::pin_current(LOAD_CORE)?;
    sys::raise_open_files()?;
    let duration = Duration::from_secs(if options.quick { 8 } else { 30 });
    let mut report = Report::begin("edge-tls", options.quick, 1);
    for &kind in &options.peers {
        let mut table =
            Table::new(&["step", "requests/s", "p99, ms", "× first", "published", "p99, ms", "× first"]);
        let mut values = Vec::new();
        let mut rates = Vec::new();
        for step in &STEPS {
            eprintln!("bench: {}: {}", kind.name(), step.name);
            let summary = one_step(kind, step, duration, &weir)?;
            rates.push(summary.0);
            let (ratio, published) = (summary.0 / rates[0], step.published_rate / STEPS[0].published_rate);
            table.row([
                step.name,
                &format!("{:.0}", summary.0),
                &figure(summary.1),
                &format!("{ratio:.2}"),
                &format!("{:.0}", step.published_rate),
                &format!("{:.0}", step.published_p99_ms),
                &format!("{published:.2}"),
            ]);
            for (what, value, unit) in [("rate", summary.0, "1/s"), ("p99", summary.1, "ms")] {
                values.push(json!({
                    "name": format!("{}: {what}", step.name), "value": value, "unit": unit, "peer": kind.name(),
                    "ratio": (what == "rate").then_some(ratio),
                }));
            }
        }
        let faster = rates.windows(2).all(|pair| pair[1] > pair[0]);
        let shape =
            rates.iter().map(|rate| format!("{:.2}", rate / rates[0])).collect::<Vec<_>>().join(" → ");
        let verdict = if faster { "reached" } else { "MISSED" };
        let bar = format!(
            "bar: edge-tls: {}: each step faster than the one before: {shape} {verdict}",
            kind.name()
        );
        report.section(
            &format!("{}, {CONNECTIONS} connections", kind.name()),
            &table.markdown(),
            &[bar],
            values,
        );
    }
    report.finish(options.json.as_deref(), options.record)
}

/// Requests per second and p99 in milliseconds.
fn one_step(kind: Kind, step: &Step, duration: Duration, weir: &Path) -> Result<(f64, f64)> {
    let dir = Scratch::new("edge-tls")?;
    let origin = free_address()?;
    let setup = Setup {
        tls: true,
        pool: step.pool,
        upstream_tls: step.upstream_tls,
        ..Setup::plain(origin, Routes::Ten, dir.path(), weir)
    };
    let _origin = start_origin(&setup)?;
    let proxy = setup.start(kind, &setup.routes.routes())?;
    let load = Wrk { address: proxy.address, connections: CONNECTIONS, tls: true };
    let summary = load.run(duration, dir.path())?;
    Ok((summary.per_second, summary.p99_ms))
}

fn start_origin(setup: &Setup) -> Result<Running> {
    let nginx = peers::locate("nginx").context("nginx is not installed; run `cargo xtask peers`")?;
    let (cert, key) = Setup::certificate(&setup.dir)?;
    let values = [
        ("listen", setup.origin.to_string()),
        ("dir", setup.dir.display().to_string()),
        ("cert", cert.display().to_string()),
        ("key", key.display().to_string()),
    ];
    let file = setup.dir.join("origin.conf");
    std::fs::write(&file, setup.fill("origin.conf", &values)?)?;
    let mut command = std::process::Command::new(nginx);
    command.args(["-e", "stderr", "-c"]).arg(&file);
    let mut running = Running::start("origin", &mut command, Some(LOAD_CORE), &setup.dir.join("origin"))?;
    running.wait_for(setup.origin, Duration::from_secs(10))?;
    Ok(running)
}
