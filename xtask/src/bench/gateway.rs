//! `cargo xtask bench gateway`: Weir and its rivals with equal work, in interleaved rounds.
//!
//! ```text
//!   core 0                                core 1
//!   load generator ──► proxy's socket ──► one proxy at a time, the others stopped (SIGSTOP)
//!   origin         ◄── ─────────────────┘
//! ```
//!
//! What is compared is the CPU time that a proxy itself spent per answered request, as the scheduler counted it: it
//! hardly moves when the machine is busy, which wall-clock figures do. Each round measures every contestant once, and
//! ratios are taken within a round.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::case::{CASES, Case, Metric, TEN_ROUTES, Work};
use super::load::{Load, Pace, Plan};
use super::origin::Origin;
use super::proxy::{Kind, Proxy, Setup, weir_binary};
use super::report::{Outcome, Report};
use super::{handshakes, routes, wrk};
use crate::process::Cost;
use crate::workspace;

/// The core of load and origin.
pub(crate) const LOAD_CORE: usize = 0;
/// The core of the proxy.
pub(crate) const PROXY_CORE: usize = 1;

/// How a run is made.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Fewer and shorter rounds: under two minutes
    #[arg(long)]
    pub quick: bool,
    /// Write every figure to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Only these cases
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = clap::builder::PossibleValuesParser::new(CASES.iter().map(|c| c.name)))]
    pub case: Vec<String>,
    /// Only these contestants
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub peers: Vec<Kind>,
    /// Rounds, where not the usual number
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Keep the results in bench/results
    #[arg(long)]
    pub record: bool,
}

/// How long things take.
#[derive(Debug, Clone, Copy)]
struct Times {
    rounds: usize,
    warm_up: Duration,
    window: Duration,
    open_window: Duration,
    idle_connections: usize,
}

/// Requests per second of the open loop: what the slowest of the contestants can still answer with room to spare, so
/// that the latencies are those of a proxy that is not overrun.
const OFFERED: f64 = 12_000.0;
const CONNECTIONS: usize = 64;

struct Contestant {
    name: &'static str,
    proxy: Proxy,
    requests: Arc<Vec<Vec<u8>>>,
}

/// Runs the cases asked for. An error when a contestant could not be measured or a request failed; a bar that was not
/// reached is only reported, since a noisy machine must not look like broken code.
pub fn run(options: &Options) -> Result<()> {
    let times = if options.quick {
        Times {
            rounds: 3,
            warm_up: Duration::from_millis(100),
            window: Duration::from_millis(450),
            open_window: Duration::from_millis(350),
            idle_connections: 1_000,
        }
    } else {
        Times {
            rounds: 7,
            warm_up: Duration::from_millis(300),
            window: Duration::from_millis(2500),
            open_window: Duration::from_millis(2500),
            idle_connections: 10_000,
        }
    };
    let times = Times { rounds: options.rounds.unwrap_or(times.rounds), ..times };
    let kinds = if options.peers.is_empty() { Kind::ALL.to_vec() } else { options.peers.clone() };
    let narrow = options.quick && options.peers.is_empty();
    let weir = weir_binary(&kinds)?;
    crate::sys::pin_current(LOAD_CORE)?;
    crate::sys::raise_open_files()?;
    let dir = super::Scratch::new("gateway")?;
    let origin = Origin::start(LOAD_CORE)?;
    let mut report = Report::begin("gateway", options.quick, times.rounds);
    let mut problems = Vec::new();
    for case in CASES.iter().filter(|c| options.case.is_empty() || options.case.iter().any(|n| n == c.name)) {
        // In two minutes a rival is measured only where a bar names it.
        let kinds: Vec<_> = kinds.iter().copied().filter(|kind| !narrow || case.names(*kind)).collect();
        let outcome = one_case(
            case,
            &kinds,
            &times,
            &Setup::plain(origin.address, case.routes, dir.path(), &weir),
            &mut problems,
        );
        report.add(case, &outcome);
    }
    report.finish(options.json.as_deref(), options.record)?;
    if !problems.is_empty() {
        bail!("not everything was measured:\n  {}", problems.join("\n  "));
    }
    Ok(())
}

fn one_case(
    case: &Case,
    kinds: &[Kind],
    times: &Times,
    plain: &Setup,
    problems: &mut Vec<String>,
) -> Outcome {
    eprintln!("bench: {}: {}", case.name, case.question);
    let mut outcome = Outcome::default();
    let dir = &plain.dir;
    let setup = |routes| Setup { routes, tls: case.tls, logs: case.logs, ..plain.clone() };
    let mut wanted: Vec<_> = kinds.iter().map(|&kind| (kind.name(), kind, case.routes)).collect();
    let large = matches!(case.routes, routes::Table::Hosts | routes::Table::OneHost);
    if large && kinds.contains(&Kind::Weir) {
        wanted.insert(1, (TEN_ROUTES, Kind::Weir, routes::Table::Ten));
    }
    let mut contestants = Vec::new();
    for (name, kind, table) in wanted {
        match contestant(name, kind, &setup(table), case.work, &mut outcome) {
            Ok(contestant) => {
                contestant.proxy.running.pause();
                contestants.push(contestant);
            }
            Err(error) => {
                eprintln!("bench: {name} is left out: {error:#}");
                problems.push(format!("{}: {name}: {error:#}", case.name));
            }
        }
    }
    let rounds = if matches!(case.work, Work::Idle | Work::Start) { 1 } else { times.rounds };
    for round in 0..rounds {
        for contestant in &contestants {
            contestant.proxy.running.resume();
            let measured = measure(case.work, contestant, times, dir, &mut outcome);
            contestant.proxy.running.pause();
            empty_logs(dir);
            if let Err(error) = measured {
                eprintln!("bench: {} failed: {error:#}", contestant.name);
                problems.push(format!("{}: {}: {error:#}", case.name, contestant.name));
            }
        }
        eprintln!("bench: {}: round {} of {rounds}", case.name, round + 1);
    }
    outcome
}

fn contestant(
    name: &'static str,
    kind: Kind,
    setup: &Setup,
    work: Work,
    outcome: &mut Outcome,
) -> Result<Contestant> {
    let table = setup.routes.routes();
    let proxy = setup.start(kind, &table)?;
    let requests = match work {
        Work::Download(size) => routes::requests(&table, size),
        Work::Upload => {
            let head =
                "PUT /r0/upload HTTP/1.1\r\nHost: bench.example.com\r\nContent-Length: 1048576\r\n\r\n";
            vec![[head.as_bytes(), &vec![b'u'; 1 << 20]].concat()]
        }
        _ => routes::requests(&table, ""),
    };
    if work == Work::Start {
        outcome.add(name, Metric::Start, proxy.start.as_secs_f64() * 1e3);
    }
    Ok(Contestant { name, proxy, requests: Arc::new(requests) })
}

fn measure(
    work: Work,
    contestant: &Contestant,
    times: &Times,
    dir: &Path,
    outcome: &mut Outcome,
) -> Result<()> {
    match work {
        Work::Get => {
            closed_loop(contestant, times, CONNECTIONS, outcome)?;
            open_loop(contestant, times, outcome)
        }
        Work::Download(_) | Work::Upload => closed_loop(contestant, times, 16, outcome),
        Work::TlsKeepAlive | Work::TlsHandshake => {
            let (name, proxy) = (contestant.name, &contestant.proxy);
            let duration = times.window + times.warm_up;
            let before = proxy.running.cost();
            let (answers, per_second) = if work == Work::TlsHandshake {
                handshakes::run(proxy.address, duration, dir)?
            } else {
                let load = wrk::Wrk { address: proxy.address, connections: CONNECTIONS, tls: true };
                let summary = load.run(duration, dir)?;
                (summary.answers, summary.per_second)
            };
            costs(name, before, proxy.running.cost(), answers, outcome);
            outcome.add(name, Metric::Rate, per_second);
            Ok(())
        }
        Work::Idle => idle(contestant, times.idle_connections, dir, outcome),
        Work::Start => {
            let count = Pace::Count(contestant.requests.len() as u64);
            Load::start(plan(contestant, CONNECTIONS, count)).wait(Duration::from_secs(20))?;
            outcome.add(contestant.name, Metric::Resident, contestant.proxy.running.cost().resident / 1e6);
            Ok(())
        }
    }
}

fn plan(contestant: &Contestant, connections: usize, pace: Pace) -> Plan {
    Plan {
        address: contestant.proxy.address,
        connections,
        requests: contestant.requests.clone(),
        pace,
        core: LOAD_CORE,
    }
}

fn closed_loop(
    contestant: &Contestant,
    times: &Times,
    connections: usize,
    outcome: &mut Outcome,
) -> Result<()> {
    let running = &contestant.proxy.running;
    let load = Load::start(plan(contestant, connections, Pace::Closed));
    std::thread::sleep(times.warm_up);
    let (before, first, begin) = (running.cost(), load.answers(), Instant::now());
    std::thread::sleep(times.window);
    let (after, last, window) = (running.cost(), load.answers(), begin.elapsed());
    let seen = load.finish()?;
    if seen.failures > 0 {
        bail!("{} of {} requests failed", seen.failures, seen.answers);
    }
    costs(contestant.name, before, after, last - first, outcome);
    outcome.add(contestant.name, Metric::Rate, (last - first) as f64 / window.as_secs_f64());
    outcome.add(contestant.name, Metric::Resident, after.resident / 1e6);
    Ok(())
}

fn open_loop(contestant: &Contestant, times: &Times, outcome: &mut Outcome) -> Result<()> {
    let load = Load::start(plan(contestant, CONNECTIONS, Pace::Open { per_second: OFFERED }));
    std::thread::sleep(times.warm_up);
    load.begin_window();
    std::thread::sleep(times.open_window);
    let seen = load.finish()?;
    if seen.failures > 0 {
        bail!("{} of {} requests failed", seen.failures, seen.answers);
    }
    outcome.add(contestant.name, Metric::P50, seen.p50_us);
    outcome.add(contestant.name, Metric::P99, seen.p99_us);
    Ok(())
}

fn costs(name: &'static str, before: Cost, after: Cost, answers: u64, outcome: &mut Outcome) {
    let (all, user, system) = after.since(before);
    let answers = answers.max(1) as f64;
    outcome.add(name, Metric::Cpu, all / answers);
    outcome.add(name, Metric::User, user / answers);
    outcome.add(name, Metric::System, system / answers);
}

/// Connections that have shaken hands and had one answer, and then do nothing.
fn idle(contestant: &Contestant, connections: usize, dir: &Path, outcome: &mut Outcome) -> Result<()> {
    let proxy = &contestant.proxy;
    // What the first connections need once is not the price of a further one.
    wrk::Wrk { address: proxy.address, connections: CONNECTIONS, tls: true }
        .run(Duration::from_secs(1), dir)?;
    let before = proxy.running.cost().resident;
    let sleepers = wrk::sleepers(proxy.address, connections, dir)?;
    let begin = Instant::now();
    let mut answered = false;
    let mut last = proxy.running.cost();
    let mut still = 0;
    // The clients hold their first request back until all are connected, so the proxy comes to rest twice.
    while still < 3 {
        if begin.elapsed() > Duration::from_secs(90) {
            bail!("no rest after 90 s with {connections} connections:\n{}", sleepers.running.said());
        }
        std::thread::sleep(Duration::from_millis(400));
        answered |= begin.elapsed() > sleepers.first_request + Duration::from_secs(1);
        let now = proxy.running.cost();
        let busy = now.since(last).0 > 8_000.0;
        still = if busy || !answered { 0 } else { still + 1 };
        last = now;
    }
    let open = established(proxy.address.port())?;
    if open < connections {
        bail!("only {open} of {connections} connections are open");
    }
    outcome.add(contestant.name, Metric::PerConnection, (last.resident - before) / 1e3 / connections as f64);
    outcome.add(contestant.name, Metric::Resident, last.resident / 1e6);
    Ok(())
}

/// Established connections whose local port is `port`, as the kernel lists them.
fn established(port: u16) -> Result<usize> {
    let text = std::fs::read_to_string("/proc/net/tcp").context("cannot list sockets")?;
    let local = format!(":{port:04X}");
    let open = |line: &&str| {
        let mut fields = line.split_whitespace();
        fields.nth(1).is_some_and(|address| address.ends_with(&local)) && fields.nth(1) == Some("01")
    };
    Ok(text.lines().filter(open).count())
}

/// Access logs are appended to, so that they can be emptied between rounds instead of filling the disk.
fn empty_logs(dir: &Path) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".access.log") || name == "haproxy" {
            let file = std::fs::File::options().write(true).open(entry.path());
            let _ = file.and_then(|file| file.set_len(0));
        }
    }
}

/// The machine, for the record.
pub(crate) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = workspace::output(Command::new("uname").arg("-r")).unwrap_or_default();
    format!("{model}, {cores} cores, kernel {}", kernel.trim())
}
