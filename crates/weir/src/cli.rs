//! What may be written on the command line, as it is written. What is meant by it is settled in [`crate::settings`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Parser, Subcommand, ValueEnum};
use weir_emit::logging::Filter;

use crate::commands::{
    chain, check, completions, gateway, init, logs, man, query, routes, store, trace, traces, up, version,
};
use crate::stages;

const ABOUT: &str =
    "A gateway: decides what passes, takes every change while running, says why it did what it did.";

const EXAMPLES: &str = "\
Examples:
  weir up                              run a gateway with something to try, no file needed
  weir up http://localhost:3000        put a gateway in front of what runs there
  weir init                            write a configuration to start from
  weir check weir.yaml                 say all that is wrong with it, and where
  weir gateway -c weir.yaml            serve it; changes of the file go live by themselves
  weir routes weir.yaml --request 'GET https://api.example.com/orders/7'
                                       say which route that takes, and why not another one
  weir query 'rate(weir_requests_total[5m])' --from -1h
                                       metrics; also `weir logs`, `weir trace`, `weir traces`

The configuration is the first of: --config, $WEIR_CONFIG, ./weir.yaml (not as root),
$XDG_CONFIG_HOME/weir/weir.yaml, $HOME/.weir.yaml, /etc/weir/weir.yaml.
`weir COMMAND --help` says more about a command.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "weir",
    version,
    about = ABOUT,
    after_help = EXAMPLES,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// The configuration file; without it, see the order of places in `weir --help`
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// What is logged to standard error: a level, and levels for parts: `info,weir_http=debug`
    #[arg(long, value_name = "FILTER", env = "WEIR_LOG", hide_env_values = true, global = true)]
    pub(crate) log: Option<Filter>,
    /// How it is logged; `auto` is text on a terminal and JSON elsewhere
    #[arg(long, value_name = "FORMAT", default_value = "auto", hide_possible_values = false, global = true)]
    pub(crate) log_format: LogFormatArg,
    /// How results are written to standard output: for people or for programs
    #[arg(long, value_name = "FORMAT", default_value = "text", global = true)]
    pub(crate) output: Output,
    /// When to use colour; `auto` is on a terminal without NO_COLOR
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(crate) color: ColorArg,
    /// Worker threads of the gateway, in place of the file's; otherwise one per core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024), global = true)]
    pub(crate) workers: Option<u32>,
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormatArg {
    Auto,
    Json,
    Text,
}

/// `--output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorArg {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Gateway(gateway::Gateway),
    Check(check::Check),
    Init(init::Init),
    Routes(routes::Routes),
    Query(query::Query),
    Logs(logs::Logs),
    Trace(trace::Trace),
    Traces(traces::Traces),
    Store(store::Store),
    Chain(chain::Chain),
    Version(version::Version),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Reads the command line and runs the command. `started` is when the process began.
pub(crate) fn run(started: Instant) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Where even this can't be written there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let Cli { global, command } = cli;
    match command {
        Command::Up(command) => stages::run(command, &global, started),
        Command::Gateway(command) => stages::run(command, &global, started),
        Command::Check(command) => stages::run(command, &global, started),
        Command::Init(command) => stages::run(command, &global, started),
        Command::Routes(command) => stages::run(command, &global, started),
        Command::Query(command) => stages::run(command, &global, started),
        Command::Logs(command) => stages::run(command, &global, started),
        Command::Trace(command) => stages::run(command, &global, started),
        Command::Traces(command) => stages::run(command, &global, started),
        Command::Store(store) => match store.command {
            store::StoreCommand::Serve(command) => stages::run(command, &global, started),
            store::StoreCommand::Stats(command) => stages::run(command, &global, started),
            store::StoreCommand::Verify(command) => stages::run(command, &global, started),
            store::StoreCommand::Snapshot(command) => stages::run(command, &global, started),
            store::StoreCommand::Restore(command) => stages::run(command, &global, started),
        },
        Command::Chain(chain) => match chain.command {
            chain::ChainCommand::List(command) => stages::run(command, &global, started),
            chain::ChainCommand::Health(command) => stages::run(command, &global, started),
            chain::ChainCommand::Block(command) => stages::run(command, &global, started),
            chain::ChainCommand::Submit(command) => stages::run(command, &global, started),
            chain::ChainCommand::Watch(command) => stages::run(command, &global, started),
        },
        Command::Version(command) => stages::run(command, &global, started),
        Command::Completions(command) => stages::run(command, &global, started),
        Command::Man(command) => stages::run(command, &global, started),
    }
}
