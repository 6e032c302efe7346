//! From a target's answer to the store: labels of the target and of the series put together, relabelled, remembered; what
//! the scrape says of itself; "it ended" for what is not there any more.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_intake::Limits;
use weir_intake::compress::Decompressor;
use weir_intake::exposition::{
    Conformance, Created, Description, Histograms, Options, Sample, Visitor, read,
};
use weir_model::ScrapeJob;
use weir_signal::{
    Exemplar, HistogramSample, Labels, LabelsBuilder, METRIC_NAME, Metadata, MetricSink, Reason, Refusal,
    Refused, SeriesRef, Tenant, stale_nan,
};
use weir_store::{MetricAppender, Store};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::failure::{Cause, Failure};
use super::fetch::Fetched;
use super::owners::{Owner, Owners};
use super::relabel::Rules;
use super::target::Spec;

/// Payloads are read as Prometheus reads them. Histograms are kept both ways: dashboards ask for buckets, and native ones
/// say more.
const OPTIONS: Options = Options {
    conformance: Conformance::Prometheus,
    created: Created::StartTimestamps,
    histograms: Histograms::Both,
};
/// Families of a target that are remembered.
const FAMILIES_MAX: usize = 20_000;
/// Memory of past payloads that is kept for the next.
const KEEP_BYTES: usize = 1 << 20;
/// In front of a label of the series that the target has too.
const EXPORTED: &str = "exported_";

/// What a scrape says of itself, in the order of [`Appender::report`].
const REPORTED: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// What all series of a target have in common.
pub(super) struct Common {
    pub(super) job: Arc<ScrapeJob>,
    pub(super) rules: Arc<Rules>,
    pub(super) labels: Labels,
    pub(super) owners: Arc<Owners>,
}

/// Writes what one target says.
pub(super) struct Appender {
    common: Common,
    owner: Owner,
    /// What keys of this target's series are mixed with.
    key: u128,
    /// By the hash of the bytes that name a series.
    entries: HashMap<u128, Entry, BuildHasherDefault<AsItIs>>,
    /// What was told of families, by name, as hashes.
    families: HashMap<Box<str>, u64>,
    reported: [Labels; 5],
    /// Whether the reported series are being written.
    reports: bool,
    /// The number of the scrape.
    scrape: u64,
    builder: LabelsBuilder,
    decompressor: Decompressor,
}

/// A series of the target.
struct Entry {
    /// `None` where relabelling drops it.
    labels: Option<Labels>,
    /// The scrape that brought it last.
    seen: u64,
    /// Whether the target leaves its time to the scrape. Of one with times of its own nobody can say when it ended.
    timed_here: bool,
    /// Whether it is this target's to say that it ended.
    owned: bool,
}

/// How a scrape went.
#[derive(Debug)]
pub(super) struct Taken {
    /// How long it took.
    pub(super) duration: Duration,
    /// Why it failed.
    pub(super) failure: Option<Failure>,
    /// Samples that the target exposed.
    pub(super) samples: u64,
    /// What the store refused of it; or all of it.
    pub(super) refused: Result<Refused, Refusal>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    scraped: u64,
    kept: u64,
    added: u64,
}

impl Appender {
    pub(super) fn new(common: Common, spec: &Spec, owner: Owner) -> Result<Self, Refusal> {
        let reported = |name: &str| {
            let labels = common.labels.with(METRIC_NAME, name);
            labels.map_err(|error| Refusal::new(Reason::Labels, error.to_string()))
        };
        let mut all = Vec::with_capacity(REPORTED.len());
        for name in REPORTED {
            all.push(reported(name)?);
        }
        let reported = all.try_into().expect("as many as there are names");
        // Keys lead to what relabelling made of a series: another job is another key.
        let mut key = Xxh3::new();
        key.update(format!("{:?}", common.job).as_bytes());
        key.update(&spec.id().to_le_bytes());
        Ok(Self {
            common,
            owner,
            key: key.digest128(),
            entries: HashMap::default(),
            families: HashMap::new(),
            reported,
            reports: false,
            scrape: 0,
            builder: LabelsBuilder::new(),
            decompressor: Decompressor::new(),
        })
    }

    /// Writes a scrape that began at `started` and bears the time `time_ms`: what was fetched, or that nothing was.
    pub(super) fn take(
        &mut self,
        store: &Store,
        limits: &Limits,
        fetched: Result<Fetched, Failure>,
        time_ms: i64,
        started: Instant,
    ) -> Taken {
        let mut sink = store.metrics(&Tenant::default());
        let mut counts = Counts::default();
        self.scrape += 1;
        let read = fetched.and_then(|fetched| self.read(&mut sink, limits, &fetched, time_ms, &mut counts));
        if read.is_err() {
            // Nothing is kept of what was not read to its end. What it brought was not seen.
            sink = store.metrics(&Tenant::default());
            self.scrape += 1;
            self.families.clear();
        }
        self.settle(&mut sink, time_ms, read.is_ok());
        let duration = started.elapsed();
        self.report(&mut sink, time_ms, read.is_ok(), duration, counts);
        let refused = sink.commit(None).map(|(outcome, _)| outcome.refused);
        if refused.is_err() {
            self.families.clear();
        }
        Taken { duration, failure: read.err(), samples: counts.scraped, refused }
    }

    /// Says of every series that it ended, at `time_ms`, but for those that somebody goes on with.
    pub(super) fn end(&mut self, store: &Store, time_ms: i64) {
        let mut sink = store.metrics(&Tenant::default());
        self.scrape += 1;
        self.settle(&mut sink, time_ms, false);
        if std::mem::take(&mut self.reports) {
            let mut owners = self.common.owners.lock();
            for labels in &self.reported {
                if owners.release(labels.id(), self.owner) {
                    ended(&mut sink, None, labels, time_ms);
                }
            }
        }
        if let Err(refusal) = sink.commit(None) {
            tracing::warn!(%refusal, "that series of a target ended was not written");
        }
    }

    fn read(
        &mut self,
        sink: &mut MetricAppender,
        limits: &Limits,
        fetched: &Fetched,
        time_ms: i64,
        counts: &mut Counts,
    ) -> Result<(), Failure> {
        let bytes_max = self.common.job.body_bytes_max as usize;
        let mut decompressor = std::mem::take(&mut self.decompressor);
        let read = decompressor
            .decompress(fetched.encoding, &fetched.body, bytes_max)
            .map_err(Refusal::from)
            .and_then(|body| {
                // An answer of no bytes is a target without series, in whatever format.
                if body.is_empty() {
                    return Ok(());
                }
                let mut visitor = Reading { appender: self, sink, limits, time_ms, counts };
                read(fetched.format, body, OPTIONS, limits, &mut visitor)
            });
        decompressor.shrink(KEEP_BYTES);
        self.decompressor = decompressor;
        read.map_err(|refusal| {
            let large = refusal.reason == Reason::TooLarge;
            Failure::new(if large { Cause::TooLarge } else { Cause::Malformed }, refusal.message)
        })?;
        match self.common.job.samples_max {
            Some(most) if counts.kept > u64::from(most) => {
                let kept = counts.kept;
                let says = format!(
                    "it exposes {kept} samples, more than {most}; raise `samples_max`, or drop some by `metric_relabel`"
                );
                Err(Failure::new(Cause::TooLarge, says))
            }
            _ => Ok(()),
        }
    }

    /// Takes what is new, and says what ended. After a scrape that was `whole`, what it did not bring is forgotten.
    fn settle(&mut self, sink: &mut MetricAppender, time_ms: i64, whole: bool) {
        let (owner, key, scrape) = (self.owner, self.key, self.scrape);
        let mut owners = self.common.owners.lock();
        self.entries.retain(|&hash, entry| {
            let Some(labels) = &entry.labels else { return !whole || entry.seen == scrape };
            let seen = entry.seen == scrape;
            let owned = seen && entry.timed_here;
            if owned && !entry.owned {
                owners.take(labels.id(), owner);
            }
            // One that has got times of its own goes on without us.
            if !owned && entry.owned && owners.release(labels.id(), owner) && !seen {
                ended(sink, Some(hash ^ key), labels, time_ms);
            }
            entry.owned = owned;
            !whole || seen
        });
    }

    fn report(
        &mut self,
        sink: &mut MetricAppender,
        time_ms: i64,
        up: bool,
        duration: Duration,
        counts: Counts,
    ) {
        let values = [
            f64::from(u8::from(up)),
            duration.as_secs_f64(),
            counts.scraped as f64,
            counts.kept as f64,
            counts.added as f64,
        ];
        for (at, value) in values.into_iter().enumerate() {
            let key = self.key ^ (at as u128 + 1);
            let labels = &self.reported[at];
            let taken = series(sink, key, labels).and_then(|series| sink.sample(series, time_ms, value, 0));
            noted(sink, labels, taken);
        }
        if !std::mem::replace(&mut self.reports, true) {
            let mut owners = self.common.owners.lock();
            for labels in &self.reported {
                owners.take(labels.id(), self.owner);
            }
        }
    }

    /// The labels under which a series is kept; `None` where relabelling drops it.
    fn labels_of(&mut self, sample: &Sample<'_>) -> Result<Option<Labels>, Refusal> {
        let Self { builder, common, .. } = self;
        sample.labels(builder)?;
        if common.job.honor_labels {
            for (name, value) in common.labels.iter() {
                // One that the series has, if only without a value, wins.
                if builder.get(name).is_none() {
                    builder.push(name, value);
                }
            }
        } else {
            set_labels(builder, &common.labels);
        }
        if !common.rules.keep(builder) {
            return Ok(None);
        }
        let labels = builder.build().map_err(|error| Refusal::new(Reason::Labels, error.to_string()))?;
        if labels.is_empty() {
            return Ok(None);
        }
        if labels.name().is_none() {
            let what = format!(
                "series {labels} has no name left; `metric_relabel` must not take `{METRIC_NAME}` away"
            );
            return Err(Refusal::new(Reason::Labels, what));
        }
        Ok(Some(labels))
    }
}

/// Sets the target's labels. Those of the series that they replace are kept under another name.
fn set_labels(builder: &mut LabelsBuilder, target: &Labels) {
    let mut replaced = Vec::new();
    for (name, value) in target.iter() {
        if let Some(before) = builder.get(name).filter(|before| !before.is_empty()) {
            replaced.push((name, before.to_owned()));
        }
        builder.set(name, value);
    }
    replaced.sort_by_key(|(name, _)| name.len());
    for (name, value) in replaced {
        let mut name = format!("{EXPORTED}{name}");
        while builder.get(&name).is_some_and(|taken| !taken.is_empty()) {
            name.insert_str(0, EXPORTED);
        }
        builder.set(&name, &value);
    }
}

fn series(sink: &mut MetricAppender, key: u128, labels: &Labels) -> Result<SeriesRef, Refusal> {
    match sink.known(key) {
        Some(series) => Ok(series),
        None => sink.series(Some(key), labels),
    }
}

fn ended(sink: &mut MetricAppender, key: Option<u128>, labels: &Labels, time_ms: i64) {
    let taken = sink.series(key, labels).and_then(|series| sink.sample(series, time_ms, stale_nan(), 0));
    noted(sink, labels, taken);
}

/// Notes what the store refused of a series; the others go on.
fn noted<T>(sink: &mut MetricAppender, series: impl fmt::Display, taken: Result<T, Refusal>) -> Option<T> {
    // Single samples are never refused for a reason that passes.
    taken.map_err(|refusal| drop(sink.refused().note(series, refusal, 1))).ok()
}

/// One payload on its way.
struct Reading<'a> {
    appender: &'a mut Appender,
    sink: &'a mut MetricAppender,
    limits: &'a Limits,
    time_ms: i64,
    counts: &'a mut Counts,
}

impl Reading<'_> {
    /// The series of a sample and its time; `None` where it is not kept.
    fn place(&mut self, sample: &Sample<'_>) -> Result<Option<(SeriesRef, i64)>, Refusal> {
        self.counts.scraped += 1;
        let appender = &mut *self.appender;
        let own_time = sample.time_ms.filter(|_| appender.common.job.honor_timestamps);
        let hash = xxh3_128(sample.raw());
        if !appender.entries.contains_key(&hash) {
            let labels = appender.labels_of(sample)?;
            self.counts.added += u64::from(labels.is_some());
            appender.entries.insert(hash, Entry { labels, seen: 0, timed_here: true, owned: false });
        }
        let Some(entry) = appender.entries.get_mut(&hash) else { return Ok(None) };
        entry.seen = appender.scrape;
        entry.timed_here = own_time.is_none();
        let Some(labels) = &entry.labels else { return Ok(None) };
        self.counts.kept += 1;
        if appender.common.job.samples_max.is_some_and(|most| self.counts.kept > u64::from(most)) {
            // Counted to the end, so that it can be said how many there are.
            return Ok(None);
        }
        let found = series(self.sink, hash ^ appender.key, labels);
        let found = noted(self.sink, labels, found);
        Ok(found.map(|series| (series, own_time.unwrap_or(self.time_ms))))
    }

    fn exemplars(&mut self, sample: &Sample<'_>, series: SeriesRef, time_ms: i64) {
        if !sample.has_exemplars() {
            return;
        }
        let sink = &mut *self.sink;
        // An exemplar that is none does not spoil its sample.
        let _ = sample.exemplars(time_ms, self.limits, &mut self.appender.builder, |exemplar: Exemplar| {
            let taken = sink.exemplar(series, exemplar);
            noted(sink, "an exemplar", taken);
            Ok(())
        });
    }
}

impl Visitor for Reading<'_> {
    fn metadata(&mut self, name: &str, description: Description<'_>) -> Result<(), Refusal> {
        let Description { kind, unit, help } = description;
        let mut hash = Xxh3::new();
        hash.update(&[kind as u8]);
        hash.update(unit.as_bytes());
        hash.update(&[0]);
        hash.update(help.as_bytes());
        let hash = hash.digest();
        let families = &mut self.appender.families;
        if families.get(name) != Some(&hash) {
            if families.len() >= FAMILIES_MAX {
                families.clear();
            }
            families.insert(name.into(), hash);
            self.sink.metadata(name, Metadata { kind, unit: unit.into(), help: help.into() });
        }
        Ok(())
    }

    fn sample(&mut self, sample: &Sample<'_>, value: f64) -> Result<(), Refusal> {
        if let Some((series, time_ms)) = self.place(sample)? {
            let taken = self.sink.sample(series, time_ms, value, sample.start_ms);
            noted(self.sink, format_args!("byte {}", sample.offset()), taken);
            self.exemplars(sample, series, time_ms);
        }
        Ok(())
    }

    fn histogram(&mut self, sample: &Sample<'_>, value: HistogramSample) -> Result<(), Refusal> {
        if let Some((series, time_ms)) = self.place(sample)? {
            let taken = self.sink.histogram(series, time_ms, value, sample.start_ms);
            noted(self.sink, format_args!("byte {}", sample.offset()), taken);
            self.exemplars(sample, series, time_ms);
        }
        Ok(())
    }
}

/// A hash of hashes, which are as random as can be.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_the_target_win_and_the_others_are_kept() {
        let check = |series: &[(&str, &str)], target: &[(&str, &str)], expect: &str| {
            let mut builder = LabelsBuilder::new();
            for (name, value) in series {
                builder.push(name, value);
            }
            set_labels(&mut builder, &Labels::from_pairs(target.iter().copied()).unwrap());
            assert_eq!(builder.build().unwrap().to_string(), expect);
        };
        check(&[("__name__", "m"), ("a", "1")], &[("job", "j")], r#"m{a="1", job="j"}"#);
        check(&[("job", "own")], &[("job", "j")], r#"{exported_job="own", job="j"}"#);
        check(&[("job", "")], &[("job", "j")], r#"{job="j"}"#);
        check(
            &[("job", "own"), ("exported_job", "older")],
            &[("job", "j")],
            r#"{exported_exported_job="own", exported_job="older", job="j"}"#,
        );
        check(
            &[("foo", "1"), ("exported_foo", "2")],
            &[("foo", "3"), ("exported_foo", "4")],
            r#"{exported_exported_exported_foo="2", exported_exported_foo="1", exported_foo="4", foo="3"}"#,
        );
    }
}
