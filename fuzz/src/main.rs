//! Feeds parsers of untrusted bytes with what nobody would write.
//!
//! It runs on the stable toolchain, without coverage from the compiler: each target reports the outcome of an input as
//! a number (which error, which shape), and an input with a new outcome joins the pool that further inputs are bred
//! from. A run is told by its seed, so that it can be repeated.
//!
//! `weir-fuzz TARGET [SECONDS] [SEED]` runs a target; `weir-fuzz TARGET FILE` runs one input. Committed seeds lie in
//! `fuzz/corpus/TARGET`; an input that fails is written to `fuzz/crashes`, and becomes a seed once it is fixed.
#![allow(clippy::print_stdout, reason = "what it prints is its result")]

mod breed;
mod chunk;
mod config;
mod evm_transaction;
mod exposition;
mod head;
mod jsonrpc;
mod log_segment;
mod logql;
mod loki_push;
mod otlp;
mod promql;
mod remote_write;
mod router;
mod series_segment;
mod span_segment;
mod traceql;
mod values;
mod wasm_module;

use std::collections::HashSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use breed::Breeder;

/// A parser under test.
struct Target {
    name: &'static str,
    /// Words that the language is made of.
    words: &'static [&'static str],
    /// Panics where a promise does not hold; otherwise tells which way the input went.
    run: fn(&[u8]) -> u64,
}

const TARGETS: &[Target] = &[
    head::TARGET,
    chunk::TARGET,
    config::TARGET,
    log_segment::TARGET,
    logql::TARGET,
    jsonrpc::TARGET,
    evm_transaction::TARGET,
    promql::TARGET,
    traceql::TARGET,
    router::TARGET,
    exposition::TARGET,
    remote_write::TARGET,
    loki_push::TARGET,
    otlp::TARGET,
    series_segment::TARGET,
    span_segment::TARGET,
    values::TARGET,
    wasm_module::TARGET,
];
/// An input of at most [`INPUT_BYTES_MAX`] that takes longer is a failure.
const INPUT_TIME_MAX: Duration = Duration::from_secs(1);
const INPUT_BYTES_MAX: usize = 8 * 1024;
const POOL_MAX: usize = 4096;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let name = arguments.first().map(String::as_str).unwrap_or_default();
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.with_context(|| format!("no target {name:?}; there are {}", names.join(", ")))?;
    let second = arguments.get(1).map_or("60", String::as_str);
    let Ok(seconds) = second.parse() else {
        let input = fs::read(second).with_context(|| format!("{second} is neither seconds nor a file"))?;
        println!("{}: outcome {:016x}", target.name, (target.run)(&input));
        return Ok(());
    };
    let seed = arguments.get(2).map_or(Ok(1), |seed| seed.parse()).context("the seed is no number")?;
    fuzz(target, Duration::from_secs(seconds), seed)
}

fn fuzz(target: &Target, time: Duration, seed: u64) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pool = seeds(&folder.join("corpus").join(target.name))?;
    let mut outcomes = HashSet::new();
    for input in &pool {
        outcomes.insert(attempt(target, input, folder, seed)?);
    }
    let committed = pool.len();
    let mut breeder = Breeder::new(seed, target.words, INPUT_BYTES_MAX);
    let begin = Instant::now();
    let mut inputs = 0_u64;
    while begin.elapsed() < time {
        // The clock costs more than many an input.
        for _ in 0..64 {
            let input = breeder.breed(&pool);
            if outcomes.insert(attempt(target, &input, folder, seed)?) && pool.len() < POOL_MAX {
                pool.push(input);
            }
            inputs += 1;
        }
    }
    println!(
        "{}: {inputs} inputs in {:.0} s from {committed} seeds (seed {seed}), {} outcomes, no failure",
        target.name,
        begin.elapsed().as_secs_f64(),
        outcomes.len()
    );
    Ok(())
}

fn seeds(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let entries = fs::read_dir(folder).with_context(|| format!("no seeds in {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    paths.iter().map(|path| Ok(fs::read(path)?)).collect()
}

/// What a message says at its end, without the places and names in it, which are not outcomes of their own.
fn kind(message: &str) -> String {
    let words = message.rsplit('`').next().unwrap_or_default();
    words.chars().filter(|character| !character.is_ascii_digit()).collect()
}

fn attempt(target: &Target, input: &[u8], folder: &Path, seed: u64) -> Result<u64> {
    let begin = Instant::now();
    let outcome = catch_unwind(|| (target.run)(input));
    let (outcome, why) = match outcome {
        Ok(outcome) if begin.elapsed() <= INPUT_TIME_MAX => return Ok(outcome),
        Ok(outcome) => (outcome, "takes too long"),
        Err(_) => (breed::hash(input), "breaks a promise"),
    };
    let crashes = folder.join("crashes");
    fs::create_dir_all(&crashes)?;
    let file = crashes.join(format!("{}-{outcome:016x}", target.name));
    fs::write(&file, input)?;
    bail!("{}: an input {why} (seed {seed}): {}", target.name, file.display())
}
