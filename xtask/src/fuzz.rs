//! `cargo xtask fuzz`: every fuzz target for a while.

use anyhow::{Result, bail};

use crate::workspace::{self, cargo};

/// One for each folder of seeds.
pub const TARGETS: &[&str] = &[
    "head",
    "chunk",
    "config",
    "router",
    "exposition",
    "remote_write",
    "loki_push",
    "otlp",
    "jsonrpc",
    "promql",
    "logql",
    "traceql",
    "values",
    "series_segment",
    "log_segment",
    "span_segment",
    "wasm_module",
];

/// How long, and which.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Where chance begins; the same seed repeats a run
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Only this target
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(TARGETS))]
    pub target: Option<String>,
}

/// Runs the targets one after the other. An error when an input failed; it names the file that holds the input.
pub fn run(options: &Options) -> Result<()> {
    workspace::run(cargo().args(["build", "--quiet", "--profile", "fuzz", "--package", "weir-fuzz"]))?;
    let program = workspace::target().join("fuzz/weir-fuzz");
    let wanted = |name: &&&str| options.target.as_deref().is_none_or(|target| target == **name);
    let mut failed = Vec::new();
    for target in TARGETS.iter().filter(wanted) {
        let mut command = std::process::Command::new(&program);
        command.arg(target).arg(options.seconds.to_string()).arg(options.seed.to_string());
        if let Err(error) = workspace::run(&mut command) {
            failed.push(format!("{target}: {error:#}"));
        }
    }
    if !failed.is_empty() {
        bail!("fuzzing failed:\n  {}", failed.join("\n  "));
    }
    Ok(())
}
