//! `cargo xtask COMMAND`.

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{bench, peers, per_request, tidy};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The project's chores", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install the programs that tests and benches run against
    Peers,
    /// Check what the compiler does not: rings, barred calls, links, examples
    Tidy,
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
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Task::Peers => {
            peers::print(&peers::ensure()?);
            Ok(())
        }
        Task::Tidy => tidy::run(),
        Task::Callgrind(options) => per_request::callgrind(&options),
        Task::Syscalls(options) => per_request::syscalls(&options),
        Task::Bench(Bench::Gateway(options)) => bench::gateway::run(&options),
    }
}
