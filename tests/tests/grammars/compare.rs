//! Two parsers, the same texts.

use std::collections::BTreeMap;
use std::fmt::Write;

use regex::Regex;
use weir_tests::peers::{peer, run_node};

/// Reads texts, one in JSON a line, and prints for each 1 where the grammar takes it as it stands, else 0.
const SCRIPT: &str = include_str!("accept.js");

/// A difference that is meant.
struct Reason<'a> {
    name: &'a str,
    side: Side,
    pattern: Regex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// We take a text that the editor does not; the pattern is found in the text.
    Ours,
    /// The editor takes a text that we do not; the pattern is found in the text, ` ! ` and our error.
    Theirs,
}

/// The lines of a table: `NAME`, then patterns, indented: `+ TEXT` for what only we take, `- ERROR` for what only the
/// editor takes.
fn reasons(table: &str) -> Vec<Reason<'_>> {
    let mut name = "";
    let mut all = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (side, pattern) = match line.strip_prefix("    ").and_then(|line| line.split_at_checked(2)) {
            Some(("+ ", pattern)) => (Side::Ours, pattern),
            Some(("- ", pattern)) => (Side::Theirs, pattern),
            Some(_) => panic!("neither `+` nor `-`: {line}"),
            None => {
                name = line;
                continue;
            }
        };
        all.push(Reason { name, side, pattern: Regex::new(pattern).unwrap() });
    }
    all
}

/// Compares our parser with the one of a package of npm's over texts.
pub(crate) fn compare(package: &str, texts: &[String], ours: impl Fn(&str) -> Option<String>, table: &str) {
    let Some(node) = peer("grammars", "lezer") else { return };
    let input: Vec<String> = texts.iter().map(|text| serde_json::to_string(text).unwrap()).collect();
    let script = format!("const PACKAGE = '{package}';\n{SCRIPT}");
    let (succeeded, said) = run_node(&node, &script, input.join("\n").as_bytes());
    assert!(succeeded, "{said}");
    let theirs: Vec<bool> = said.trim().bytes().map(|byte| byte == b'1').collect();
    assert_eq!(theirs.len(), texts.len(), "a verdict for each text");
    let reasons = reasons(table);
    let mut used = vec![0_usize; reasons.len()];
    let (mut both, mut neither, mut unnamed) = (0_usize, 0_usize, BTreeMap::new());
    for (text, theirs) in texts.iter().zip(theirs) {
        let error = ours(text);
        let (side, subject) = match (&error, theirs) {
            (None, true) => {
                both += 1;
                continue;
            }
            (Some(_), false) => {
                neither += 1;
                continue;
            }
            (None, false) => (Side::Ours, text.clone()),
            (Some(error), true) => (Side::Theirs, format!("{text} ! {error}")),
        };
        match reasons.iter().position(|reason| reason.side == side && reason.pattern.is_match(&subject)) {
            Some(at) => used[at] += 1,
            None => drop(unnamed.insert(text, (side, error))),
        }
    }
    println!("{package}: both take {both}, neither takes {neither}");
    let mut idle = Vec::new();
    for (reason, used) in reasons.iter().zip(used) {
        println!("  {used:6} {:?}: {} ({})", reason.side, reason.name, reason.pattern);
        if used == 0 {
            idle.push(format!("{}: {}", reason.name, reason.pattern));
        }
    }
    let mut said = String::new();
    for (text, (side, error)) in unnamed.iter().take(60) {
        let _ = writeln!(said, "{side:?} {text:?} {}", error.as_deref().unwrap_or_default());
    }
    assert!(unnamed.is_empty(), "{} differences without a name:\n{said}", unnamed.len());
    assert!(idle.is_empty(), "names that no text needs: {idle:#?}");
}
