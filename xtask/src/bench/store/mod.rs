//! `cargo xtask bench store`: Weir's store and its rivals, fed the same and asked the same.
//!
//! ```text
//!   recording, TrainTicket, generators ──► bodies of requests, made once
//!                                              │ the same bytes, one connection
//!                                              ▼
//!                    one store at a time on core 1: CPU time, disk, memory, answers
//! ```
//!
//! CPU time is what a store's own process spent, as the kernel counted it; it hardly moves when the machine is busy.
//! Each round measures every contestant once, in another order, and ratios are taken within a round.

mod bodies;
mod capture;
mod duckdb;
mod exposition;
mod figures;
mod gateway;
mod http;
mod logs;
mod loki;
mod lookups;
mod memory;
mod metrics;
mod otlp;
mod protobuf;
mod query;
mod random;
pub mod record;
mod recording;
mod remote_write;
mod replay;
mod restored;
mod server;
mod templates;
mod traces;
mod train_ticket;

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use self::server::Kind;
use super::Scratch;
use super::report::Report;

/// How a run is made.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only these parts
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    only: Vec<Part>,
    /// Only these contestants
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    peers: Vec<Kind>,
    /// One round with a part of the data, to see that everything works
    #[arg(long)]
    short: bool,
    /// Rounds, where not the usual number
    #[arg(long)]
    rounds: Option<usize>,
    /// Keep the results in bench/results, a file for each part
    #[arg(long)]
    record: bool,
    /// Where data is laid meanwhile; otherwise the system's folder for such
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Command {
    /// Record twenty exporters under load into a file that the bench replays
    Record(record::Options),
}

/// A question with its own data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The recording by remote write: CPU and disk per sample
    Metrics,
    /// A hundred thousand series: memory
    Memory,
    /// Range queries over a day, and those of dashboards over the recording
    Query,
    /// TrainTicket's logs: speed and size
    Logs,
    /// TrainTicket's spans: speed and size
    Traces,
    /// Ids and rare words in 10 GB of logs
    LookupsLogs,
    /// Ids and attributes in ten million spans
    LookupsTraces,
    /// The gateway with the store in its process: CPU of its workers and of all
    Gateway,
}

const PARTS: [Part; 8] = [
    Part::Metrics,
    Part::Memory,
    Part::Query,
    Part::Logs,
    Part::Traces,
    Part::LookupsLogs,
    Part::LookupsTraces,
    Part::Gateway,
];

impl Part {
    /// The name of its report, and those it is measured against.
    fn report(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Metrics => ("store-metrics", &["victoria-metrics", "prometheus", "duckdb"]),
            Self::Memory => ("store-memory", &["victoria-metrics", "prometheus"]),
            Self::Query => ("store-query", &["prometheus", "victoria-metrics"]),
            Self::Logs => ("store-logs", &["victoria-logs"]),
            Self::Traces => ("store-traces", &["jaeger", "opentelemetry"]),
            Self::LookupsLogs => ("store-lookups-logs", &["victoria-logs"]),
            Self::LookupsTraces => ("store-lookups-traces", &["jaeger"]),
            Self::Gateway => ("store-gateway", &[]),
        }
    }

    fn measure(self, bench: &mut Bench) -> Result<()> {
        match self {
            Self::Metrics => metrics::run(bench),
            Self::Memory => memory::run(bench),
            Self::Query => query::run(bench),
            Self::Logs => logs::run(bench),
            Self::Traces => traces::run(bench),
            Self::LookupsLogs => lookups::in_logs(bench),
            Self::LookupsTraces => lookups::in_traces(bench),
            Self::Gateway => gateway::run(bench),
        }
    }
}

/// What the parts share.
struct Bench {
    short: bool,
    rounds: usize,
    peers: Vec<Kind>,
    report: Report,
    scratch: Scratch,
    /// When the run began, for data that should look recent.
    now_ms: i64,
}

impl Bench {
    /// A file of the run's.
    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// An empty folder for a store; what it held before is removed.
    fn fresh(&self, kind: Kind) -> Result<PathBuf> {
        let dir = self.scratch.path().join(kind.name());
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// Those of `kinds` that are measured, in an order that differs from round to round.
    fn order(&self, kinds: &[Kind], round: usize) -> Vec<Kind> {
        let mut kinds: Vec<_> =
            kinds.iter().copied().filter(|kind| self.peers.is_empty() || self.peers.contains(kind)).collect();
        let places = kinds.len().max(1);
        kinds.rotate_left(round % places);
        kinds
    }
}

/// Runs what was asked for.
pub fn run(options: &Options) -> Result<()> {
    if let Some(Command::Record(options)) = &options.command {
        return record::run(options);
    }
    let rounds = options.rounds.unwrap_or(if options.short { 1 } else { 3 });
    for part in PARTS.into_iter().filter(|part| options.only.is_empty() || options.only.contains(part)) {
        // A report each, so that a part that is recorded anew leaves the others' records as they are.
        let (name, peers) = part.report();
        let mut bench = Bench {
            short: options.short,
            rounds,
            peers: options.peers.clone(),
            report: Report::begin_against(name, peers, options.short, rounds),
            scratch: match &options.dir {
                Some(dir) => Scratch::within(dir, "store")?,
                None => Scratch::new("store")?,
            },
            now_ms: SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64,
        };
        part.measure(&mut bench)?;
        bench.report.finish(None, options.record)?;
    }
    Ok(())
}
