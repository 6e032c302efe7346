//! `cargo xtask test`: everything that tells whether the tree works, and what it was tried against.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::table::Table;
use crate::workspace::{self, cargo};
use crate::{fuzz, peers, per_request, tidy};

/// Which crates.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Only the tests of these crates, and nothing else
    pub crates: Vec<String>,
    /// Seconds of fuzzing for each target
    #[arg(long, default_value_t = 10)]
    pub fuzz_seconds: u64,
}

/// Tests that passed, failed and were skipped.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Where the end-to-end tests note what they ran against: a line of JSON each, `{"suite", "peer", "version"}`.
const USED: &str = "peers-used.jsonl";

/// Runs all. An error when anything failed or, where `CI` is set, when a peer is missing.
pub fn run(options: &Options) -> Result<()> {
    let in_ci = std::env::var_os("CI").is_some();
    let mut count = Count::default();
    let found = match peers::ensure(peers::Options::default()) {
        Ok(found) => found,
        Err(error) if !in_ci => {
            println!("{error:#}\nTests that need them are skipped; where CI is set they fail.");
            peers::present()
        }
        Err(error) => return Err(error),
    };
    peers::print(&found);
    let used = workspace::target().join(USED);
    let _ = fs::remove_file(&used);
    // Only the end-to-end tests meet the binary.
    let needs_binary = options.crates.is_empty() || options.crates.iter().any(|name| name == "weir-tests");
    let release = needs_binary
        .then(|| step("build the release binary", &mut count, workspace::release_binary))
        .flatten();

    let mut command = cargo();
    command.args(["test", "--no-fail-fast"]);
    if options.crates.is_empty() {
        command.arg("--workspace");
    }
    for name in &options.crates {
        command.args(["--package", name]);
    }
    if let Some(binary) = release {
        command.env("WEIR_BINARY", binary);
    }
    for peer in &found {
        command.env(format!("WEIR_PEER_{}", peer.name.to_uppercase()), &peer.path);
    }
    cargo_test(command.env("WEIR_PEERS_USED", &used), &mut count)?;

    if options.crates.is_empty() {
        // Beside the test of the same name, so that what it says is seen also when it is content.
        step("tidy", &mut count, tidy::run);
        let short = fuzz::Options { seconds: options.fuzz_seconds, seed: 1, target: None };
        step("fuzz", &mut count, || fuzz::run(&short));
        let gate = per_request::Options { bless: false, of: crate::bench::proxy::Kind::Weir };
        step("instructions per request", &mut count, || per_request::callgrind(&gate));
        step("system calls per request", &mut count, || per_request::syscalls(&gate));
    }
    print_used(&fs::read_to_string(&used).unwrap_or_default(), &found, options.crates.is_empty());
    println!("{} passed, {} failed, {} skipped", count.passed, count.failed, count.skipped);
    if count.failed > 0 {
        bail!("{} failed", count.failed);
    }
    Ok(())
}

fn step<T>(name: &str, count: &mut Count, run: impl FnOnce() -> Result<T>) -> Option<T> {
    println!("── {name}");
    let begin = Instant::now();
    let result = run();
    let seconds = begin.elapsed().as_secs_f64();
    match result {
        Ok(value) => {
            count.passed += 1;
            println!("── {name}: ok in {seconds:.1} s");
            Some(value)
        }
        Err(error) => {
            count.failed += 1;
            println!("── {name}: FAILED after {seconds:.1} s: {error:#}");
            None
        }
    }
}

/// Shows cargo's output as it comes and adds up its closing lines.
fn cargo_test(command: &mut std::process::Command, count: &mut Count) -> Result<()> {
    let before = *count;
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        if let Some(closing) = Count::read(&line) {
            count.passed += closing.passed;
            count.failed += closing.failed;
            count.skipped += closing.skipped;
        }
    }
    // A crate that does not compile runs no test, and so counts as one that failed.
    if !child.wait()?.success() && count.failed == before.failed {
        count.failed += 1;
    }
    Ok(())
}

impl Count {
    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn read(line: &str) -> Option<Self> {
        let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let number = |word: &str| {
            let part = numbers.split("; ").find_map(|part| part.strip_suffix(word))?;
            part.trim().parse().ok()
        };
        Some(Self { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? })
    }
}

/// What ran against what.
fn print_used(notes: &str, found: &[peers::Found], gates_ran: bool) {
    let mut used: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for peer in found {
        used.entry(peer.name.to_owned()).or_default().0.clone_from(&peer.version);
    }
    for note in notes.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let text = |key: &str| note[key].as_str().unwrap_or_default().to_owned();
        let entry = used.entry(text("peer")).or_default();
        if !text("version").is_empty() {
            entry.0 = text("version");
        }
        entry.1.insert(text("suite"));
    }
    let gates = [("valgrind", "instructions per request"), ("strace", "system calls per request")];
    for (peer, suite) in gates.into_iter().filter(|_| gates_ran) {
        if let Some((_, suites)) = used.get_mut(peer) {
            suites.insert(suite.to_owned());
        }
    }
    let mut table = Table::new(&["peer", "version", "suites that ran against it"]);
    for (peer, (version, suites)) in &used {
        let suites: Vec<_> = suites.iter().map(String::as_str).collect();
        let suites = if suites.is_empty() { "none in this run".to_owned() } else { suites.join(", ") };
        table.row([peer.as_str(), version, &suites]);
    }
    table.print();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_closing_lines() {
        let line = "test result: FAILED. 12 passed; 3 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(Count::read(line), Some(Count { passed: 12, failed: 3, skipped: 2 }));
        assert_eq!(Count::read("running 3 tests"), None);
    }
}
