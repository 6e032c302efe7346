//! What one request costs, counted rather than timed: instructions under callgrind, system calls under strace.
//!
//! Two runs that differ only in how many requests they serve are subtracted, so that start and end cancel out. The
//! counts hardly depend on what else the machine does, which makes them fit for a gate in CI.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::bench::gateway::LOAD_CORE;
use crate::bench::load::{Load, Pace, Plan};
use crate::bench::origin::Origin;
use crate::bench::proxy::{Kind, Setup, weir_binary};
use crate::bench::{Scratch, routes};
use crate::{peers, sys, workspace};

/// By how much a committed count may be exceeded.
const ALLOWED: f64 = 1.02;
/// System calls that a request may cost in the steady state.
const SYSTEM_CALLS: f64 = 5.0;

/// How counts are made.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Write the measured count as the one to compare with
    #[arg(long)]
    pub bless: bool,
    /// Whom to count
    #[arg(long, value_enum, default_value = "weir")]
    pub of: Kind,
}

/// Instructions per keep-alive request, held against `bench/callgrind.json`.
pub fn callgrind(options: &Options) -> Result<()> {
    // One connection: how requests of several interleave depends on the moment. Many requests: two starts differ by a
    // million instructions or so, which must not show in what one request costs.
    let (few, many) = (1_000, 41_000);
    let count = |requests| {
        let said = serve(options.of, 1, requests, |dir| {
            let valgrind = program("valgrind")?;
            let mut out = OsString::from("--callgrind-out-file=");
            out.push(dir.join("callgrind.out"));
            Ok(vec![valgrind.into(), "--tool=callgrind".into(), out])
        })?;
        let collected = said.output.lines().filter_map(|line| line.split("Collected :").nth(1));
        let counts = collected.filter_map(|count| count.trim().parse::<f64>().ok());
        counts.reduce(f64::max).with_context(|| format!("callgrind told no count:\n{}", said.output))
    };
    let per_request = (count(many)? - count(few)?) / f64::from(many - few);
    println!("{}: {per_request:.0} instructions per keep-alive request", options.of.name());
    if options.of != Kind::Weir {
        return Ok(());
    }
    let file = workspace::root().join("bench/callgrind.json");
    if options.bless {
        let text = json!({ "instructions_per_request": per_request.round(), "allowed": ALLOWED });
        fs::write(&file, serde_json::to_string_pretty(&text)? + "\n")?;
        println!("written to bench/callgrind.json");
        return Ok(());
    }
    let text = fs::read_to_string(&file)
        .context("no committed count; make one with `cargo xtask callgrind --bless`")?;
    let committed: Value = serde_json::from_str(&text)?;
    let committed =
        committed["instructions_per_request"].as_f64().context("bench/callgrind.json holds no count")?;
    let ratio = per_request / committed;
    let verdict = if ratio <= ALLOWED { "reached" } else { "MISSED" };
    println!("bar: instructions per request ≤ {ALLOWED} × {committed:.0}: {ratio:.3} {verdict}");
    if ratio > ALLOWED {
        bail!(
            "a request costs more than before; find out why, or accept it with `cargo xtask callgrind --bless`"
        );
    }
    if ratio < 2.0 - ALLOWED {
        println!("a request costs less than before; keep that with `cargo xtask callgrind --bless`");
    }
    Ok(())
}

/// System calls per keep-alive request with 64 connections, as in the bench.
pub fn syscalls(options: &Options) -> Result<()> {
    let (few, many) = (4_000, 24_000);
    let count = |requests| {
        let served = serve(options.of, 64, requests, |dir| {
            let strace = program("strace")?;
            Ok(vec![strace.into(), "-f".into(), "-c".into(), "-o".into(), dir.join("strace.out").into()])
        })?;
        strace_counts(&served.dir.path().join("strace.out"))
    };
    let (first, second) = (count(few)?, count(many)?);
    let requests = f64::from(many - few);
    let mut table = crate::table::Table::new(&["system call", "per request"]);
    let mut total = 0.0;
    for (name, calls) in &second {
        let before = first.iter().find(|(n, _)| n == name).map_or(0.0, |(_, calls)| *calls);
        let per_request = (calls - before) / requests;
        total += per_request;
        if per_request >= 0.005 {
            table.row([name.as_str(), &format!("{per_request:.2}")]);
        }
    }
    table.print();
    let verdict = if total <= SYSTEM_CALLS { "reached" } else { "MISSED" };
    println!(
        "bar: {}: system calls per keep-alive request ≤ {SYSTEM_CALLS}: {total:.2} {verdict}",
        options.of.name()
    );
    if options.of == Kind::Weir && total > SYSTEM_CALLS {
        bail!("a request costs more than {SYSTEM_CALLS} system calls");
    }
    Ok(())
}

struct Served {
    output: String,
    dir: Scratch,
}

/// Serves `requests` from a proxy that runs under another program, and lets both end in order.
fn serve(
    kind: Kind,
    connections: usize,
    requests: u32,
    under: impl Fn(&Path) -> Result<Vec<OsString>>,
) -> Result<Served> {
    let weir = weir_binary(&[kind])?;
    sys::pin_current(LOAD_CORE)?;
    let dir = Scratch::new("count")?;
    let origin = Origin::start(LOAD_CORE)?;
    let table = routes::Table::Ten;
    let setup = Setup { under: under(dir.path())?, ..Setup::plain(origin.address, table, dir.path(), &weir) };
    let routes = table.routes();
    let proxy = setup.start(kind, &routes)?;
    let plan = Plan {
        address: proxy.address,
        connections,
        requests: Arc::new(routes::requests(&routes, "")),
        pace: Pace::Count(u64::from(requests)),
        core: LOAD_CORE,
    };
    let seen = Load::start(plan).wait(Duration::from_mins(2))?;
    if seen.failures > 0 {
        bail!("{} of {requests} requests failed", seen.failures);
    }
    let output = proxy.running.end(Duration::from_mins(1))?;
    Ok(Served { output, dir })
}

fn program(name: &str) -> Result<PathBuf> {
    peers::locate(name).with_context(|| format!("{name} is not installed; run `cargo xtask peers`"))
}

/// Calls by name, from strace's summary: `% time, seconds, usecs/call, calls, [errors,] name`.
fn strace_counts(file: &Path) -> Result<Vec<(String, f64)>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let row = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let calls = fields.get(3)?.parse::<f64>().ok()?;
        let name = *fields.last()?;
        (name != "total" && fields[0].parse::<f64>().is_ok()).then(|| (name.to_owned(), calls))
    };
    let counts: Vec<_> = text.lines().filter_map(row).collect();
    if counts.is_empty() {
        bail!("strace counted nothing:\n{text}");
    }
    Ok(counts)
}
