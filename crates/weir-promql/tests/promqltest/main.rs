//! Prometheus' own tests of PromQL (`promql/promqltest/testdata`), each file a test: 2,214 evaluations.
//!
//! The files are read from `../shared/data/promqltest`, or where `WEIR_SHARED` says; where they are missing nothing is tested,
//! which is an error where `CI` is set. What is known to fail is listed in [`KNOWN_FAILURES`]; a test fails if anything else
//! does, and if something listed does not.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]
#![allow(
    clippy::float_cmp,
    reason = "what may differ is compared with a tolerance, all else has to be the same"
)]

mod compare;
mod load;
mod run;
mod script;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use run::Names;
use script::{Command, Script};

/// Evaluations in all files: 2,213 that begin a line, and an indented one.
const EVALUATIONS: usize = 2_214;

/// Evaluations that do not pass: file, line, and why.
const KNOWN_FAILURES: &[(&str, usize, &str)] = &[];

/// One test for each file, and the list of all.
macro_rules! files {
    ($($test:ident = $file:literal),* $(,)?) => {
        const FILES: &[&str] = &[$($file),*];
        $(#[test]
        fn $test() {
            check($file);
        })*
    };
}

files! {
    aggregators = "aggregators.test",
    at_modifier = "at_modifier.test",
    collision = "collision.test",
    duration_expression = "duration_expression.test",
    extended_vectors = "extended_vectors.test",
    fill_modifier = "fill-modifier.test",
    functions = "functions.test",
    histograms = "histograms.test",
    info = "info.test",
    limit = "limit.test",
    literals = "literals.test",
    name_label_dropping = "name_label_dropping.test",
    native_histograms = "native_histograms.test",
    operators = "operators.test",
    range_queries = "range_queries.test",
    selectors = "selectors.test",
    staleness = "staleness.test",
    start_timestamps = "start_timestamps.test",
    subquery = "subquery.test",
    trig_functions = "trig_functions.test",
    type_and_unit = "type_and_unit.test",
}

/// Where the files are, if they are there.
fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("WEIR_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let folder = shared.join("data/promqltest");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", folder.display());
    eprintln!("not run: {} is missing", folder.display());
    None
}

/// Runs one file.
fn check(file: &str) {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let script = Script::parse(&text).unwrap_or_else(|error| panic!("{file}:{error}"));
    let failures: BTreeMap<usize, String> = run::run(&script, Names::AtTheEnd).into_iter().collect();
    let known: BTreeMap<usize, &str> =
        KNOWN_FAILURES.iter().filter(|known| known.0 == file).map(|&(_, line, why)| (line, why)).collect();
    let mut report = String::new();
    for (line, failure) in failures.iter().filter(|(line, _)| !known.contains_key(line)) {
        writeln!(report, "{file}:{line}: {failure}").unwrap();
    }
    for (line, why) in known.iter().filter(|(line, _)| !failures.contains_key(line)) {
        writeln!(report, "{file}:{line}: passes, take it off the list of known failures ({why})").unwrap();
    }
    assert!(report.is_empty(), "{} of {} evaluations fail\n{report}", failures.len(), script.evaluations());
}

#[test]
fn every_evaluation_is_run() {
    let Some(folder) = folder() else { return };
    let mut found: Vec<String> = std::fs::read_dir(folder.clone())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.strip_suffix(".test").is_some())
        .collect();
    found.sort();
    assert_eq!(found, FILES);
    let count = |file: &&str| {
        let script = Script::parse(&std::fs::read_to_string(folder.join(file)).unwrap());
        let script = script.unwrap_or_else(|error| panic!("{file}:{error}"));
        script.commands.iter().filter(|command| matches!(command, Command::Eval(_))).count()
    };
    assert_eq!(FILES.iter().map(count).sum::<usize>(), EVALUATIONS);
}

#[test]
fn what_prometheus_does_not_test() {
    let script = Script::parse(include_str!("own.test")).unwrap();
    for names in [Names::AtOnce, Names::AtTheEnd] {
        assert_eq!(run::run(&script, names), [], "names dropped {names:?}");
    }
}
