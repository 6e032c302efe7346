//! Scripts of lines, queries and answers, each file a table.
//!
//! ```text
//! clear
//! load
//!   {app="a"} "took=2s" @ 10s [repeat every 10s for 6] [metadata level="info"]
//! eval instant at 60s count_over_time({app="a"}[1m])
//!   {app="a", level="info"} 6
//! eval range from 0s to 60s step 30s rate({app="a"}[30s])
//!   {app="a", level="info"} _ 0.1 0.1
//! eval logs from 0s to 25s {app="a"} | logfmt
//!   {app="a", level="info", took="2s"} @ 10s "took=2s"
//!   {app="a", level="info", took="2s"} @ 20s "took=2s"
//! eval instant at 0s rate({app="a"})
//!   expect fail msg: unexpected )
//! ```
//!
//! `load trainticket` loads a minute of real logs. Times are those since 1970. A line in double quotes has escapes, one in backticks has none. `_` is a step without a
//! value, `2x3` is `2 2 2 2`. Lines are answered oldest first. The form is that of Loki's own scripts, which a folder in
//! `WEIR_LOGQLTEST` may hold.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod run;
mod script;
mod trainticket;

use std::path::Path;

use script::Script;

/// Runs every script in a folder; gives what failed.
fn run_all(folder: &Path, ending: &str) -> (usize, Vec<String>) {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == ending));
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {}", folder.display());
    let (mut count, mut failures) = (0, Vec::new());
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let script = Script::read(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (ran, failed) = run::run(&script);
        count += ran;
        failures.extend(failed.into_iter().map(|failure| format!("{name}:{failure}")));
    }
    (count, failures)
}

#[test]
fn our_scripts() {
    let (count, failures) = run_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts"), "test");
    assert!(failures.is_empty(), "{} of {count} failed:\n{}", failures.len(), failures.join("\n"));
}

/// What Loki's scripts have otherwise, by what the query contains.
const KNOWN: &[(&str, &str)] = &[
    ("group_left sum by (app,pool)", "the same error in PromQL's words"),
    ("group_right sum by (app,machine)", "the same error in PromQL's words"),
    (">= bool ignoring (machine)", "the same error in PromQL's words"),
    ("count_over_time({app=\"m\"} | name", "a label with an empty value is one that is not there"),
    ("(?P<x>.)(?P<x>.)", "the same error in the words of the `regex` crate"),
];

#[test]
#[ignore = "needs a folder of Loki's scripts, named by WEIR_LOGQLTEST; their licence keeps them out of this tree"]
fn scripts_of_loki() {
    let folder = std::env::var_os("WEIR_LOGQLTEST").expect("WEIR_LOGQLTEST names a folder of Loki's scripts");
    let (count, mut failures) = run_all(Path::new(&folder), "logqltest");
    println!("{} of {count} pass", count - failures.len());
    failures.retain(|failure| !KNOWN.iter().any(|(text, _)| failure.lines().next().unwrap().contains(text)));
    assert!(failures.is_empty(), "{} of {count} failed:\n{}", failures.len(), failures.join("\n"));
}
