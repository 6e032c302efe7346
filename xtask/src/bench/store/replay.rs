//! From a recording to the samples that a Prometheus would have sent on.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;

use super::exposition::{self, Line};
use super::recording::{Labels, Reader, Scrape};
use super::remote_write::{Families, Packer, STALE, Samples, encode_labels};

/// Scrapes this close to their time are given that time, as Prometheus does it.
const TOLERANCE_MS: u64 = 2;

/// What is remembered of a target between its scrapes.
struct Target {
    labels: Labels,
    series: HashMap<String, Series>,
    due_ms: Option<u64>,
    scrapes: u64,
}

struct Series {
    number: u32,
    labels: Vec<u8>,
    /// The scrape that had it last.
    seen: u64,
}

/// Takes the samples of a recording.
pub(crate) trait Sink {
    /// A series is new: its number, and its labels as they are written between braces.
    fn series(&mut self, number: u32, labels: &[(String, String)]) -> Result<()>;
    /// A sample of a known series, whose labels stand encoded beside its number.
    fn sample(&mut self, number: u32, labels: &[u8], time_ms: i64, value: f64) -> Result<()>;
}

impl Sink for Packer {
    fn series(&mut self, _: u32, _: &[(String, String)]) -> Result<()> {
        Ok(())
    }

    fn sample(&mut self, _: u32, labels: &[u8], time_ms: i64, value: f64) -> Result<()> {
        self.add(labels, time_ms, value)
    }
}

/// Packs a recording, or so many minutes of it: labels of the target, `up` and its like, and a marker where a series
/// ends.
pub(crate) fn pack(recording: &Path, minutes: Option<u64>, file: &Path) -> Result<Samples> {
    let mut packer = Packer::create(file)?;
    let mut families = Families::new();
    let series = read(recording, minutes, &mut packer, &mut families)?;
    packer.metadata(&families)?;
    packer.finish(series)
}

/// Gives all to `sink`, and what is known of families to `families`; returns how many series there are.
pub(crate) fn read(
    recording: &Path,
    minutes: Option<u64>,
    sink: &mut dyn Sink,
    families: &mut Families,
) -> Result<u64> {
    let reader = Reader::open(recording)?;
    let every_ms = reader.every_ms;
    let mut targets: Vec<_> = (reader.targets.iter().cloned())
        .map(|labels| Target { labels, series: HashMap::new(), due_ms: None, scrapes: 0 })
        .collect();
    let mut first_ms = None;
    let mut known = 0;
    for scrape in reader {
        let scrape = scrape?;
        let first_ms = *first_ms.get_or_insert(scrape.wall_ms);
        if minutes.is_some_and(|minutes| scrape.wall_ms > first_ms + minutes * 60_000) {
            break;
        }
        targets[usize::from(scrape.target)].add(&scrape, every_ms, &mut known, sink, families)?;
    }
    Ok(u64::from(known))
}

impl Target {
    fn add(
        &mut self,
        scrape: &Scrape,
        every_ms: u64,
        known: &mut u32,
        sink: &mut dyn Sink,
        families: &mut Families,
    ) -> Result<()> {
        self.scrapes += 1;
        let time_ms = self.aligned(scrape.wall_ms, every_ms).cast_signed();
        let mut count = 0;
        let text = scrape.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        for line in exposition::lines(&text) {
            match line? {
                Line::Type(name, kind) => {
                    kind.clone_into(&mut families.entry(name.to_owned()).or_default().0);
                }
                Line::Help(name, help) => {
                    help.clone_into(&mut families.entry(name.to_owned()).or_default().1);
                }
                Line::Sample { series, value, time_ms: own } => {
                    count += 1;
                    let series = self.series_of(series, known, sink)?;
                    sink.sample(series.number, &series.labels, own.unwrap_or(time_ms), value)?;
                }
            }
        }
        let own = [
            ("up", f64::from(u8::from(scrape.body.is_some()))),
            ("scrape_duration_seconds", f64::from(scrape.took_us) / 1e6),
            ("scrape_samples_scraped", f64::from(count)),
        ];
        for (name, value) in own {
            let series = self.series_of(name, known, sink)?;
            sink.sample(series.number, &series.labels, time_ms, value)?;
        }
        let now = self.scrapes;
        for series in self.series.values().filter(|series| series.seen + 1 == now) {
            sink.sample(series.number, &series.labels, time_ms, STALE)?;
        }
        Ok(())
    }

    /// The time of a scrape, moved to where it was due when it is almost there.
    fn aligned(&mut self, wall_ms: u64, every_ms: u64) -> u64 {
        let mut due = self.due_ms.unwrap_or(wall_ms);
        while due + every_ms <= wall_ms + TOLERANCE_MS {
            due += every_ms;
        }
        self.due_ms = Some(due);
        if wall_ms.abs_diff(due) <= TOLERANCE_MS { due } else { wall_ms }
    }

    fn series_of(&mut self, series: &str, known: &mut u32, sink: &mut dyn Sink) -> Result<&Series> {
        if !self.series.contains_key(series) {
            let mut labels = exposition::labels(series)?;
            for (name, _) in &mut labels {
                if name == "job" || name == "instance" {
                    *name = format!("exported_{name}");
                }
            }
            labels.push(("job".to_owned(), self.labels.job.clone()));
            labels.push(("instance".to_owned(), self.labels.instance.clone()));
            labels.sort();
            sink.series(*known, &labels)?;
            let labels = encode_labels(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            self.series.insert(series.to_owned(), Series { number: *known, labels, seen: 0 });
            *known += 1;
        }
        let series = self.series.get_mut(series).expect("it was put there above");
        series.seen = self.scrapes;
        Ok(series)
    }
}
