//! What the tests share: a store on a simulated disk, and a naive one beside it.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![allow(clippy::needless_pass_by_value, reason = "tests read better with it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use weir_signal::{
    Attribute, Direction, Labels, Limits, LogSelect, LogSink, LogSource, Matcher, MetricSink, Points, Reason,
    Refusal, Resource, Scope, SeriesSelect, SeriesSource, Span, SpanId, SpanSelect, SpanSink, Tenant, Trace,
    TraceId, TraceSource, Value,
};
use weir_store::{Clock, MergeSettings, Outcome, Recovery, Settings, SimDisk, Store, Ticket, Work};

/// The middle of a day, so that a test's times lie in one unless it wants otherwise.
pub const NOW_MS: i64 = 1_700_049_600_000;

#[derive(Clone)]
pub struct Time(Arc<AtomicI64>);

impl Time {
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(NOW_MS)))
    }

    pub fn pass(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    pub fn clock(&self) -> Clock {
        let time = Arc::clone(&self.0);
        Arc::new(move || time.load(Ordering::Relaxed))
    }
}

pub fn settings() -> Settings {
    let merge = MergeSettings { parts: 2, ..MergeSettings::default() };
    Settings { work: Work::Caller, free_bytes_min: 0, merge, ..Settings::default() }
}

pub fn open(disk: &SimDisk, time: &Time) -> (Store, Recovery) {
    Store::open(Arc::new(disk.clone()), settings(), time.clock()).unwrap()
}

pub fn labels(name: &str, host: u32) -> Labels {
    Labels::from_pairs([("__name__", name), ("host", &host.to_string())]).unwrap()
}

pub fn scope() -> Scope {
    Scope::new(Tenant::default(), Limits::default())
}

/// Commits floats of one tenant.
pub fn write(
    store: &Store,
    tenant: &Tenant,
    batch: Option<u128>,
    samples: &[(Labels, i64, f64)],
) -> Result<(Outcome, Ticket), Refusal> {
    let mut appender = store.metrics(tenant);
    for (labels, time, value) in samples {
        let series = appender.series(Some(labels.id() ^ 7), labels)?;
        let _ = appender.sample(series, *time, *value, 0);
    }
    appender.commit(batch)
}

/// Commits lines of one tenant: stream, time, line, and the user in the metadata.
pub fn write_logs(
    store: &Store,
    tenant: &Tenant,
    batch: Option<u128>,
    lines: &[(Labels, i64, String)],
) -> Result<(Outcome, Ticket), Refusal> {
    let mut appender = store.logs(tenant);
    for (labels, time, line) in lines {
        let stream = appender.stream(labels)?;
        let metadata = Labels::from_pairs([("of", line)]).unwrap();
        let _ = appender.entry(stream, *time, line, &metadata);
    }
    appender.commit(batch)
}

/// Lines by time, then stream, then as they came.
pub type Lines = Vec<(i64, Labels, String)>;

/// Reads all lines that match, oldest first, in both directions.
pub fn read_logs(store: &Store, scope: &Scope, matchers: Vec<Matcher>, from_ns: i64, to_ns: i64) -> Lines {
    let mut found = Vec::new();
    for direction in [Direction::Forward, Direction::Backward] {
        let select =
            LogSelect { matchers: matchers.clone(), from_ns, to_ns, direction, ..LogSelect::default() };
        let mut stream = LogSource::select(store, scope, &select).unwrap();
        let mut lines = Lines::new();
        while let Some(row) = stream.next().unwrap() {
            assert_eq!(row.metadata.get("of").unwrap_or_default(), row.line);
            lines.push((row.time_ns, row.stream.clone(), row.line.to_owned()));
        }
        if direction == Direction::Backward {
            lines.reverse();
        }
        found.push(lines);
    }
    assert_eq!(found[0], found[1], "backward is forward reversed");
    found.remove(0)
}

/// A span of a host: its trace, a time in milliseconds, and what it says.
pub fn span(host: u32, trace: u128, time_ms: i64, says: &str) -> Span {
    let attributes = vec![Attribute::string("host", &host.to_string())];
    Span {
        trace: TraceId(trace.to_be_bytes()),
        id: SpanId((time_ms as u64 ^ u64::from(host) << 56).to_be_bytes()),
        name: says.into(),
        start_ns: time_ms * 1_000_000,
        end_ns: time_ms * 1_000_000 + i64::from(host) * 1000,
        attributes: vec![Attribute { key: "says".into(), value: Value::Int(says.len() as i64) }],
        resource: Arc::new(Resource { attributes, ..Resource::default() }),
        ..Span::default()
    }
}

pub fn write_spans(
    store: &Store,
    tenant: &Tenant,
    batch: Option<u128>,
    spans: &[Span],
) -> Result<(Outcome, Ticket), Refusal> {
    let mut appender = store.spans(tenant);
    for span in spans {
        appender.span(span.clone()).unwrap();
    }
    appender.commit(batch)
}

pub fn search(store: &Store, scope: &Scope, select: &SpanSelect) -> Vec<Trace> {
    let mut stream = store.search(scope, select).unwrap();
    let mut found = Vec::new();
    while let Some(trace) = stream.next().unwrap() {
        found.push(trace);
    }
    found
}

/// All traces, newest first, each compared with what is found by its id.
pub fn read_spans(store: &Store, scope: &Scope) -> Vec<Trace> {
    let select = SpanSelect { from_ns: i64::MIN, to_ns: i64::MAX, ..SpanSelect::default() };
    let found = search(store, scope, &select);
    for trace in &found {
        assert_eq!(store.trace(scope, trace.id, None).unwrap().as_ref(), Some(trace));
    }
    found
}

/// The traces of spans, newest first by the start of their first span in the range, then by id.
pub fn traces(spans: &[Span], from_ns: i64, to_ns: i64) -> Vec<Trace> {
    let mut traces: BTreeMap<TraceId, Vec<Span>> = BTreeMap::new();
    for span in spans {
        traces.entry(span.trace).or_default().push(span.clone());
    }
    let mut found = Vec::new();
    for (id, mut spans) in traces {
        spans.sort_by_key(|span| (span.start_ns, span.id));
        let within = spans.iter().map(|span| span.start_ns).find(|&start| start >= from_ns && start < to_ns);
        found.extend(within.map(|start| (start, Trace { id, spans })));
    }
    found.sort_by_key(|(start, trace)| (std::cmp::Reverse(*start), trace.id));
    found.into_iter().map(|(_, trace)| trace).collect()
}

pub type Series = BTreeMap<Labels, BTreeMap<i64, u64>>;

/// Reads everything that matches.
pub fn read(store: &Store, scope: &Scope, matchers: Vec<Matcher>, from_ms: i64, to_ms: i64) -> Series {
    let select = SeriesSelect { matchers, from_ms, to_ms, ..SeriesSelect::default() };
    let mut stream = SeriesSource::select(store, scope, &select).unwrap();
    let mut points = Points::default();
    let mut found = Series::new();
    let mut last: Option<Labels> = None;
    while let Some(labels) = stream.next(&mut points).unwrap() {
        assert!(last.as_ref().is_none_or(|last| *last < labels), "series have to ascend");
        assert!(points.times.is_sorted_by(|a, b| a < b), "times have to ascend");
        assert_eq!(points.times.len(), points.values.len());
        let samples = points.times.iter().copied().zip(points.values.iter().map(|value| value.to_bits()));
        found.insert(labels.clone(), samples.collect());
        last = Some(labels);
    }
    found
}

pub fn read_all(store: &Store, scope: &Scope) -> Series {
    read(store, scope, Vec::new(), i64::MIN, i64::MAX)
}

/// What a store should do, done naively.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    pub series: Series,
    /// The newest sample of each series that was seen since the last start, or that the log had then.
    last: BTreeMap<Labels, (i64, u64)>,
    /// What the log has.
    unflushed: Vec<(Labels, i64, u64)>,
}

impl Model {
    /// Gives how many samples are refused as duplicates.
    pub fn write(&mut self, samples: &[(Labels, i64, f64)]) -> u64 {
        let mut refused = 0;
        for (labels, time, value) in samples {
            let bits = value.to_bits();
            if let Some((last, before)) = self.last.get(labels)
                && last == time
                && *before != bits
            {
                refused += 1;
                continue;
            }
            self.see(labels, *time, bits);
            self.unflushed.push((labels.clone(), *time, bits));
            self.series.entry(labels.clone()).or_default().insert(*time, bits);
        }
        refused
    }

    pub fn delete(&mut self, matchers: &[Matcher], from: i64, to: i64) {
        for (labels, samples) in &mut self.series {
            if matchers.iter().all(|matcher| matcher.selects(labels)) {
                samples.retain(|&time, _| time < from || time > to);
            }
        }
        self.series.retain(|_, samples| !samples.is_empty());
        self.last.retain(|labels, _| !matchers.iter().all(|matcher| matcher.selects(labels)));
        self.flush();
    }

    fn see(&mut self, labels: &Labels, time: i64, bits: u64) {
        let newest = self.last.entry(labels.clone()).or_insert((time, bits));
        if time >= newest.0 {
            *newest = (time, bits);
        }
    }

    pub fn flush(&mut self) {
        self.unflushed.clear();
    }

    pub fn restart(&mut self) {
        self.last.clear();
        for (labels, time, bits) in self.unflushed.clone() {
            self.see(&labels, time, bits);
        }
    }
}

pub fn refused(outcome: &Outcome, reason: Reason) -> u64 {
    outcome.refused.counts().find(|&(found, _)| found == reason).map_or(0, |(_, count)| count)
}

/// A small generator of numbers.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}
