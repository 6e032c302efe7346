//! `cargo xtask COMMAND`.

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{bench, dist, fuzz, peers, per_request, test, tidy};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The project's chores",
    disable_version_flag = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install the programs that tests and benches run against
    Peers(peers::Options),
    /// Check what the compiler does not: rings, barred calls, links, examples
    Tidy,
    /// Run every test, the short forms of the gates, and say what ran against what
    Test(test::Options),
    /// Feed the parsers with what nobody would write
    Fuzz(fuzz::Options),
    /// Build what is handed to users: static binary, OCI image, SBOM
    Dist(dist::Options),
    /// Count the instructions of a request and compare them with the committed count
    Callgrind(per_request::Options),
    /// Count the system calls of a request
    Syscalls(per_request::Options),
    /// Measure Weir side by side with its peers
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Subcommand)]
enum Bench {
    /// CPU per request, rates, latencies and memory, against nginx, HAProxy and Envoy
    Gateway(bench::gateway::Options),
    /// Requests per second without a pool, with one, and with TLS ended at the edge
    EdgeTls(bench::edge_tls::Options),
    /// A thousand changes under load: failed requests, dropped tunnels, time until they are live
    Live(bench::live::Options),
    /// Metrics, logs and traces: disk, CPU, memory and queries, against VictoriaMetrics, Prometheus and others
    Store(bench::store::Options),
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Task::Peers(options) => {
            peers::print(&peers::ensure(options)?);
            Ok(())
        }
        Task::Tidy => tidy::run(),
        Task::Test(options) => test::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Dist(options) => dist::run(&options),
        Task::Callgrind(options) => per_request::callgrind(&options),
        Task::Syscalls(options) => per_request::syscalls(&options),
        Task::Bench(Bench::Gateway(options)) => bench::gateway::run(&options),
        Task::Bench(Bench::EdgeTls(options)) => bench::edge_tls::run(&options),
        Task::Bench(Bench::Live(options)) => bench::live::run(&options),
        Task::Bench(Bench::Store(options)) => bench::store::run(&options),
    }
}
