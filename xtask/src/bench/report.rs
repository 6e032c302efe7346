//! What a bench prints and keeps.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::case::{BARS, Bar, Case, Metric};
use super::gateway::machine;
use super::stats::Median;
use crate::table::Table;
use crate::{peers, workspace};

/// The figures of one case: for each contestant and metric, one value a round.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    values: BTreeMap<(&'static str, Metric), Vec<f64>>,
    order: Vec<&'static str>,
}

impl Outcome {
    pub(crate) fn add(&mut self, contestant: &'static str, metric: Metric, value: f64) {
        if !self.order.contains(&contestant) {
            self.order.push(contestant);
        }
        self.values.entry((contestant, metric)).or_default().push(value);
    }

    fn median(&self, contestant: &'static str, metric: Metric) -> Option<Median> {
        self.values.get(&(contestant, metric)).map(|values| Median::of(values))
    }

    /// Ratios taken within rounds. `None` unless both were measured in every round.
    pub(crate) fn ratio(&self, of: &str, to: &str, metric: Metric) -> Option<Median> {
        let values =
            |name: &str| self.values.iter().find(|((n, m), _)| *n == name && *m == metric).map(|(_, v)| v);
        let (of, to) = (values(of)?, values(to)?);
        if of.len() != to.len() {
            return None;
        }
        Some(Median::of(&of.iter().zip(to).map(|(of, to)| of / to).collect::<Vec<_>>()))
    }

    /// Whom ratios are taken of: Weir, or the first where it was left out.
    fn base(&self) -> Option<&'static str> {
        self.order.iter().copied().find(|&name| name == "weir").or(self.order.first().copied())
    }

    fn table(&self) -> String {
        use Metric::{Cpu, P50, P99, PerConnection, Rate, Resident, Start, System, User};
        let shown: Vec<_> = [Cpu, User, System, Rate, P50, P99, Resident, PerConnection, Start]
            .into_iter()
            .filter(|metric| self.values.keys().any(|(_, m)| m == metric))
            .collect();
        let Some((base, &main)) = self.base().zip(shown.iter().find(|m| **m != Rate)) else {
            return "nothing was measured\n".to_owned();
        };
        let main = if shown.contains(&PerConnection) { PerConnection } else { main };
        let mut heading = vec!["contestant".to_owned()];
        heading.extend(shown.iter().map(|metric| format!("{}, {}", metric.name().0, metric.name().1)));
        heading.push(format!("{base} ÷ this ({})", main.name().0));
        let mut table = Table::new(&heading.iter().map(String::as_str).collect::<Vec<_>>());
        for &name in &self.order {
            let mut cells = vec![name.to_owned()];
            cells.extend(shown.iter().map(|&metric| {
                self.median(name, metric).map_or_else(String::new, |median| figure(median.value))
            }));
            cells.push(self.ratio(base, name, main).map_or_else(String::new, |ratio| ratio.to_string()));
            table.row(cells);
        }
        table.markdown()
    }

    fn json(&self, case: &str) -> Vec<Value> {
        let base = self.base();
        let value = |(name, metric): &(&'static str, Metric)| {
            let median = self.median(name, *metric)?;
            let (what, unit) = metric.name();
            let ratio = base.and_then(|base| self.ratio(base, name, *metric));
            Some(json!({
                "name": format!("{case}: {what}"), "case": case, "value": median.value, "low": median.low,
                "high": median.high, "unit": unit, "peer": name, "ratio": ratio.map(|r| r.value),
                "ratio_low": ratio.map(|r| r.low), "ratio_high": ratio.map(|r| r.high),
            }))
        };
        self.values.keys().filter_map(value).collect()
    }
}

/// Three significant digits, or whole where large.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

impl Bar {
    /// How it stands, in a line; `None` where Weir or its rival was not measured.
    fn check(&self, outcome: &Outcome) -> Option<String> {
        let (measured, scale) = match self.against {
            Some(rival) => {
                (outcome.ratio("weir", rival, self.metric)?, format!("{:.2} × {rival}", self.limit))
            }
            None => {
                (outcome.median("weir", self.metric)?, format!("{} {}", self.limit, self.metric.name().1))
            }
        };
        let verdict = if measured.value <= self.limit { "reached" } else { "MISSED" };
        Some(format!("bar: {}: {} ≤ {scale}: {measured} {verdict}", self.case, self.metric.name().0))
    }
}

/// A whole run.
pub(crate) struct Report {
    name: &'static str,
    text: String,
    values: Vec<Value>,
    bars: Vec<String>,
}

impl Report {
    pub(crate) fn begin(name: &'static str, quick: bool, rounds: usize) -> Self {
        Self::begin_against(name, &["nginx", "haproxy", "envoy", "wrk"], quick, rounds)
    }

    /// The same with other peers.
    pub(crate) fn begin_against(name: &'static str, against: &[&str], quick: bool, rounds: usize) -> Self {
        let command = asked().join(" ");
        let versions = peers::present();
        let versions: Vec<_> = versions
            .iter()
            .filter(|peer| against.contains(&peer.name))
            .map(|peer| format!("{} {}", peer.name, peer.version))
            .collect();
        let date = workspace::output(std::process::Command::new("date").args(["-u", "+%Y-%m-%d %H:%M"]));
        let text = format!(
            "# bench {name}\n\n* command: `cargo xtask {command}`\n* date: {} UTC\n* commit: {}\n* machine: {}\n\
             * peers: {}\n* {rounds} interleaved rounds{}; medians, ratios within a round with their 95 % interval\n",
            date.unwrap_or_default().trim(),
            workspace::commit(),
            machine(),
            versions.join(", "),
            if quick { ", quick" } else { "" },
        );
        println!("{text}");
        Self { name, text, values: Vec::new(), bars: Vec::new() }
    }

    pub(crate) fn add(&mut self, case: &Case, outcome: &Outcome) {
        let bars: Vec<_> =
            BARS.iter().filter(|bar| bar.case == case.name).filter_map(|b| b.check(outcome)).collect();
        let heading = format!("{}: {}", case.name, case.question);
        self.section(&heading, &outcome.table(), &bars, outcome.json(case.name));
    }

    pub(crate) fn section(&mut self, heading: &str, table: &str, bars: &[String], values: Vec<Value>) {
        self.values.extend(values);
        let mut text = format!("\n## {heading}\n\n{table}");
        for bar in bars {
            let _ = write!(text, "\n{bar}\n");
        }
        println!("{text}");
        self.text.push_str(&text);
        self.bars.extend_from_slice(bars);
    }

    pub(crate) fn finish(self, json: Option<&Path>, record: bool) -> Result<()> {
        if !self.bars.is_empty() {
            println!("{}", self.bars.join("\n"));
        }
        let all = json!({
            "bench": self.name, "machine": machine(), "commit": workspace::commit(),
            "command": asked(), "results": self.values, "bars": self.bars,
        });
        let all = serde_json::to_string_pretty(&all)? + "\n";
        if let Some(file) = json {
            fs::write(file, &all).with_context(|| format!("cannot write {}", file.display()))?;
        }
        if record {
            let dir = workspace::root().join("bench/results");
            fs::create_dir_all(&dir)?;
            let date = workspace::output(std::process::Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
            let dated = dir.join(format!("{}-{}.md", date.trim(), self.name));
            fs::write(&dated, &self.text)?;
            fs::write(dir.join(format!("{}-latest.json", self.name)), all)?;
            println!("kept in {}", dated.display());
            show_in_readme(&dir)?;
        }
        Ok(())
    }
}

/// Puts the bars of the newest recorded results between README's marks.
fn show_in_readme(results: &Path) -> Result<()> {
    const MARKS: [&str; 2] = ["<!-- bench:start -->", "<!-- bench:end -->"];
    let mut table = Table::new(&["bench", "bar", "result"]);
    let mut under = Vec::new();
    let mut files: Vec<_> = fs::read_dir(results)?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.to_string_lossy().ends_with("-latest.json")) {
        let newest: Value = serde_json::from_str(&fs::read_to_string(file)?)
            .with_context(|| format!("{} is not JSON", file.display()))?;
        let text = |key: &str| newest[key].as_str().unwrap_or_default().to_owned();
        for bar in newest["bars"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let bar = bar.strip_prefix("bar: ").unwrap_or(bar);
            let (what, result) = bar.rsplit_once(": ").unwrap_or((bar, ""));
            table.row([text("bench").as_str(), what, result]);
        }
        let commit: String = text("commit").chars().take(12).collect();
        under.push(format!("{} at {commit}, {}", text("bench"), text("machine")));
    }
    let readme = workspace::root().join("README.md");
    let old = fs::read_to_string(&readme)?;
    let (Some(start), Some(end)) = (old.find(MARKS[0]), old.find(MARKS[1])) else {
        bail!("README.md lacks {} and {}", MARKS[0], MARKS[1]);
    };
    let new = format!(
        "{}\n{}\n{}.\n{}",
        &old[..start + MARKS[0].len()],
        table.markdown(),
        under.join("; "),
        &old[end..]
    );
    fs::write(&readme, new)?;
    Ok(())
}

/// What the run was asked for, but for the folder of this machine that it used.
fn asked() -> Vec<String> {
    let mut words = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(word) = args.next() {
        if word == "--dir" {
            args.next();
        } else if !word.starts_with("--dir=") {
            words.push(word);
        }
    }
    words
}
