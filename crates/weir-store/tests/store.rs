//! What a store promises beside keeping what it was given.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use support::*;
use weir_signal::{
    Exemplar, HistogramSample, IntBuckets, IntHistogram, Labels, LogSink, Matcher, Metadata, MetricKind,
    MetricSink, Points, ReadError, Reason, Scope, SeriesSelect, SeriesSource, Tenant,
};
use weir_store::{
    Crash, Disk, Faults, OpenError, RealDisk, Retention, Settings, Signal, SimDisk, Store, TenantSettings,
    Work, restore,
};

const ALL: (i64, i64) = (i64::MIN, i64::MAX);

fn select(matchers: Vec<Matcher>) -> SeriesSelect {
    SeriesSelect { matchers, from_ms: ALL.0, to_ms: ALL.1, ..SeriesSelect::default() }
}

fn store(disk: &SimDisk, time: &Time, settings: Settings) -> Store {
    Store::open(Arc::new(disk.clone()), settings, time.clock()).unwrap().0
}

#[test]
fn limits_refuse_with_reason_and_remedy() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let tenant = TenantSettings { series_max: 2, streams_max: 1, ..TenantSettings::default() };
    let store = store(&disk, &time, Settings { tenant, labels_max: 3, label_bytes_max: 100, ..settings() });
    let mut appender = store.metrics(&Tenant::default());
    let first = appender.series(None, &labels("up", 1)).unwrap();
    appender.series(None, &labels("up", 2)).unwrap();
    appender.series(None, &labels("up", 2)).unwrap();
    let refused = appender.series(None, &labels("up", 3)).unwrap_err();
    assert_eq!(refused.reason, Reason::Cardinality);
    assert!(refused.message.contains("limit `series`"), "{refused}");
    appender.refused().note("a series", refused, 5).unwrap();
    let long = Labels::from_pairs([("a", "x".repeat(101))]).unwrap();
    assert_eq!(appender.series(None, &long).unwrap_err().reason, Reason::TooLarge);
    let many = Labels::from_pairs([("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]).unwrap();
    assert_eq!(appender.series(None, &many).unwrap_err().reason, Reason::TooLarge);
    let late = NOW_MS - 31 * 86_400_000;
    assert_eq!(appender.sample(first, late, 1.0, 0).unwrap_err().reason, Reason::TooOld);
    assert_eq!(appender.sample(first, NOW_MS + 601_000, 1.0, 0).unwrap_err().reason, Reason::TooNew);
    appender.sample(first, NOW_MS + 599_000, 1.0, 0).unwrap();
    appender.sample(first, NOW_MS + 599_000, 1.0, 0).unwrap();
    appender.sample(first, NOW_MS + 599_000, 2.0, 0).unwrap();
    let (outcome, ticket) = appender.commit(None).unwrap();
    ticket.wait().unwrap();
    assert_eq!((outcome.accepted, outcome.refused.total()), (2, 6));
    assert_eq!(refused_for(&store, Signal::Metrics, Reason::Duplicate), 1);
    assert_eq!(refused_for(&store, Signal::Metrics, Reason::Cardinality), 5);
    assert!(outcome.refused.first().unwrap().starts_with("a series: 2 series are active"));

    let mut appender = store.logs(&Tenant::default());
    let stream = appender.stream(&labels("app", 1)).unwrap();
    assert_eq!(appender.stream(&labels("app", 2)).unwrap_err().reason, Reason::Cardinality);
    let line = "x".repeat(2 << 20);
    let refused = appender.entry(stream, NOW_MS * 1_000_000, &line, &Labels::empty()).unwrap_err();
    assert_eq!(refused.reason, Reason::TooLarge);
    assert_eq!(store.stats().tenants[0].active_series, 1);
}

fn refused_for(store: &Store, signal: Signal, reason: Reason) -> u64 {
    let counters = store.stats().counters.into_iter().find(|counts| counts.signal == signal).unwrap();
    counters.refused.into_iter().find(|&(found, _)| found == reason).unwrap().1
}

#[test]
fn series_that_rest_make_room_for_others() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let tenant = TenantSettings { series_max: 10, ..TenantSettings::default() };
    let store = store(&disk, &time, Settings { tenant, ..settings() });
    let mut expect = 0;
    for round in 0..5 {
        let samples: Vec<_> =
            (0..10).map(|host| (labels("up", round * 10 + host), NOW_MS + i64::from(round), 1.0)).collect();
        let (outcome, ticket) = write(&store, &Tenant::default(), None, &samples).unwrap();
        ticket.wait().unwrap();
        assert_eq!(outcome.accepted, 10, "{round}");
        expect += 10;
        assert_eq!(store.stats().tenants[0].active_series, 10);
        assert_eq!(
            store.metrics(&Tenant::default()).series(None, &labels("up", 1000)).unwrap_err().reason,
            Reason::Cardinality
        );
        time.pass(31 * 60_000);
        store.flush().unwrap();
        assert_eq!(read_all(&store, &scope()).len(), expect);
    }
}

#[test]
fn an_appender_that_outlives_two_flushes_is_refused() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let (store, _) = open(&disk, &time);
    let tenant = Tenant::default();
    write(&store, &tenant, None, &[(labels("up", 1), NOW_MS, 1.0)]).unwrap().1.wait().unwrap();
    let mut appenders: Vec<_> = (0..2).map(|_| store.metrics(&tenant)).collect();
    for appender in &mut appenders {
        let series = appender.series(None, &labels("up", 1)).unwrap();
        appender.sample(series, NOW_MS + 1, 1.0, 0).unwrap();
    }
    time.pass(31 * 60_000);
    store.flush().unwrap();
    // Its series was retired meanwhile.
    let (outcome, ticket) = appenders.pop().unwrap().commit(None).unwrap();
    ticket.wait().unwrap();
    assert_eq!(outcome.accepted, 1);
    store.flush().unwrap();
    assert_eq!(appenders.pop().unwrap().commit(None).map(|_| ()).unwrap_err().reason, Reason::Overloaded);
    assert_eq!(read_all(&store, &scope())[&labels("up", 1)].len(), 2);
}

#[test]
fn histograms_exemplars_and_families_come_back() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let (mut store, _) = open(&disk, &time);
    let tenant = Tenant::default();
    let histogram = |count: u64| {
        HistogramSample::Int(IntHistogram {
            count,
            sum: count as f64,
            positive: IntBuckets {
                runs: vec![weir_signal::BucketRun { offset: 1, length: 1 }],
                counts: vec![count],
            },
            ..IntHistogram::default()
        })
    };
    let exemplar = |at: i64| Exemplar {
        labels: Labels::from_pairs([("trace_id", "abc")]).unwrap(),
        value: 0.25,
        time_ms: NOW_MS + at,
    };
    let metadata = Metadata { kind: MetricKind::Histogram, unit: "s".into(), help: "How long.".into() };
    for at in 0..4 {
        let mut appender = store.metrics(&tenant);
        let series = appender.series(None, &labels("took", 1)).unwrap();
        appender.histogram(series, NOW_MS + at, histogram(at as u64 + 1), NOW_MS - 5).unwrap();
        // The same exemplar is shown until there is another.
        appender.exemplar(series, exemplar(at / 2)).unwrap();
        appender.metadata("took", metadata.clone());
        appender.commit(None).unwrap().1.wait().unwrap();
        // Again, in the same payload as another value: taken once, refused once.
        let mut appender = store.metrics(&tenant);
        let series = appender.series(None, &labels("took", 1)).unwrap();
        appender.histogram(series, NOW_MS + at, histogram(at as u64 + 1), NOW_MS - 5).unwrap();
        appender.histogram(series, NOW_MS + at, histogram(77), NOW_MS - 5).unwrap();
        let (outcome, ticket) = appender.commit(None).unwrap();
        ticket.wait().unwrap();
        assert_eq!((outcome.accepted, refused(&outcome, Reason::Duplicate)), (1, 1));
        match at {
            0 => store.flush().unwrap(),
            1 => {
                disk.crash(Crash::PowerLost);
                store = open(&disk, &time).0;
            }
            2 => {
                store.flush().unwrap();
                store.merge().unwrap();
            }
            _ => {}
        }
    }
    let mut points = Points::default();
    let select = select(vec![Matcher::equal("__name__", "took")]);
    let mut stream = SeriesSource::select(&store, &scope(), &select).unwrap();
    assert_eq!(stream.next(&mut points).unwrap(), Some(labels("took", 1)));
    assert_eq!(points.times, (0..4).map(|at| NOW_MS + at).collect::<Vec<_>>());
    assert_eq!(points.starts, [NOW_MS - 5; 4]);
    let counts: Vec<f64> = points.histograms.iter().map(|(_, histogram)| histogram.count).collect();
    assert_eq!(counts, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(
        store.exemplars(&scope(), &select).unwrap(),
        [(labels("took", 1), vec![exemplar(0), exemplar(1)])]
    );
    store.close().unwrap();
    let (store, _) = open(&disk, &time);
    assert_eq!(store.metadata(&scope(), Some("took")).unwrap(), [("took".to_owned(), metadata)]);
    assert_eq!(store.metadata(&scope(), Some("other")).unwrap(), []);
}

#[test]
fn names_and_values_of_labels_are_those_of_what_matches() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let (store, _) = open(&disk, &time);
    let tenant = Tenant::default();
    let with = |name: &str, pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().copied().chain([("__name__", name)]);
        Labels::from_pairs(pairs).unwrap()
    };
    let samples = [
        (with("up", &[("job", "a"), ("zone", "1")]), NOW_MS, 1.0),
        (with("up", &[("job", "b")]), NOW_MS, 1.0),
    ];
    write(&store, &tenant, None, &samples).unwrap().1.wait().unwrap();
    store.flush().unwrap();
    write(&store, &tenant, None, &[(with("down", &[("job", "c")]), NOW_MS, 1.0)]).unwrap().1.wait().unwrap();
    let all = select(Vec::new());
    let up = select(vec![Matcher::equal("__name__", "up")]);
    assert_eq!(store.label_names(&scope(), &all).unwrap(), ["__name__", "job", "zone"]);
    assert_eq!(store.label_values(&scope(), &all, "job").unwrap(), ["a", "b", "c"]);
    assert_eq!(store.label_values(&scope(), &up, "job").unwrap(), ["a", "b"]);
    // What a scope does not let see is not there, whatever is asked.
    let narrow = Scope { matchers: Arc::from([Matcher::equal("job", "b")]), ..scope() };
    assert_eq!(store.label_values(&narrow, &all, "job").unwrap(), ["b"]);
    assert_eq!(store.label_names(&narrow, &all).unwrap(), ["__name__", "job"]);
    assert_eq!(store.series(&narrow, &all).unwrap(), [with("up", &[("job", "b")])]);
    // A delete is seen at once, in names and values as well.
    store.delete(&scope(), Signal::Metrics, &[Matcher::equal("zone", "1")], ALL.0, ALL.1).unwrap();
    assert_eq!(store.label_names(&scope(), &all).unwrap(), ["__name__", "job"]);
    assert_eq!(store.label_values(&scope(), &up, "job").unwrap(), ["b"]);
    assert_eq!(store.stats().tombstones, 1);
    store.merge().unwrap();
    assert_eq!(store.stats().tombstones, 0);
    assert_eq!(store.label_values(&scope(), &up, "job").unwrap(), ["b"]);
}

#[test]
fn tenants_do_not_see_each_other() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let (store, _) = open(&disk, &time);
    let [a, b] = ["a", "b"].map(|name| Tenant::new(name).unwrap());
    for (tenant, value) in [(&a, 1.0), (&b, 2.0)] {
        let batch = Some(9);
        let (outcome, ticket) = write(&store, tenant, batch, &[(labels("up", 1), NOW_MS, value)]).unwrap();
        ticket.wait().unwrap();
        assert!(!outcome.already_there);
    }
    let of = |tenant: &Tenant| Scope { tenant: tenant.clone(), ..scope() };
    for _ in 0..2 {
        assert_eq!(read_all(&store, &of(&a))[&labels("up", 1)][&NOW_MS], 1.0_f64.to_bits());
        assert_eq!(read_all(&store, &of(&b))[&labels("up", 1)][&NOW_MS], 2.0_f64.to_bits());
        assert_eq!(read_all(&store, &scope()).len(), 0);
        store.flush().unwrap();
    }
    store.delete(&of(&a), Signal::Metrics, &[], ALL.0, ALL.1).unwrap();
    assert_eq!((read_all(&store, &of(&a)).len(), read_all(&store, &of(&b)).len()), (0, 1));
}

#[test]
fn what_is_too_old_or_too_much_goes() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let day = 86_400_000;
    let metrics = Retention { time_ms: 3 * day, bytes_max: None };
    let tenant = TenantSettings { metrics, ..TenantSettings::default() };
    let opened = store(&disk, &time, Settings { tenant, ..settings() });
    for back in [0, 1, 2] {
        let samples = [(labels("up", 1), NOW_MS - back * day, 1.0)];
        write(&opened, &Tenant::default(), None, &samples).unwrap().1.wait().unwrap();
    }
    opened.flush().unwrap();
    opened.merge().unwrap();
    assert_eq!(opened.parts().len(), 3);
    time.pass(2 * day);
    // Not answered any more, removed or not.
    assert_eq!(read_all(&opened, &scope())[&labels("up", 1)].len(), 2);
    opened.merge().unwrap();
    assert_eq!(opened.parts().len(), 2);
    let stats = opened.stats();
    assert_eq!((stats.doomed, stats.counters[0].removed_parts), (0, 1));
    assert!(stats.counters[0].removed_bytes > 0);
    assert_eq!((stats.done.flushes, stats.done.merges_failed), (1, 0));
    assert_eq!(stats.levels.iter().map(|level| level.parts).sum::<u64>(), 2);
    assert_eq!(disk.files().iter().filter(|path| path.ends_with("/data")).count(), 2);
    opened.close().unwrap();
    let bytes_max = opened.parts()[0].bytes() + 10;
    let metrics = Retention { time_ms: 300 * day, bytes_max: Some(bytes_max) };
    let tenant = TenantSettings { metrics, ..TenantSettings::default() };
    let opened = store(&disk, &time, Settings { tenant, ..settings() });
    opened.merge().unwrap();
    assert_eq!(read_all(&opened, &scope())[&labels("up", 1)].keys().copied().collect::<Vec<_>>(), [NOW_MS]);
}

#[test]
fn limits_and_retention_change_while_it_is_open() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let (opened, _) = open(&disk, &time);
    let day = 86_400_000;
    for (host, back) in [(1, 2), (2, 0)] {
        let samples = [(labels("up", host), NOW_MS - back * day, 1.0)];
        write(&opened, &Tenant::default(), None, &samples).unwrap().1.wait().unwrap();
    }
    opened.flush().unwrap();
    let mut before = opened.metrics(&Tenant::default());
    let metrics = Retention { time_ms: day, bytes_max: None };
    let tenant = TenantSettings { metrics, series_max: 1, ..TenantSettings::default() };
    opened.change_settings(Settings { tenant, ..settings() });
    // A payload goes on as it began.
    let old = before.series(None, &labels("up", 3)).unwrap();
    before.sample(old, NOW_MS - 2 * day, 1.0, 0).unwrap();
    before.commit(None).unwrap().1.wait().unwrap();
    assert_eq!(read_all(&opened, &scope()).keys().cloned().collect::<Vec<_>>(), [labels("up", 2)]);
    let mut after = opened.metrics(&Tenant::default());
    assert_eq!(after.series(None, &labels("up", 4)).unwrap_err().reason, Reason::Cardinality);
    let known = after.series(None, &labels("up", 2)).unwrap();
    assert_eq!(after.sample(known, NOW_MS - 2 * day, 1.0, 0).unwrap_err().reason, Reason::TooOld);
    drop(after);
    opened.merge().unwrap();
    assert_eq!(opened.stats().counters[0].removed_parts, 1);
}

#[test]
fn a_query_stops_at_its_budget() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let (store, _) = open(&disk, &time);
    let samples: Vec<_> = (0..100).map(|host| (labels("up", host), NOW_MS, 1.0)).collect();
    write(&store, &Tenant::default(), None, &samples).unwrap().1.wait().unwrap();
    let limits = |rows_max, series_max| weir_signal::Limits { rows_max, series_max, ..Default::default() };
    for (limits, expect) in
        [(limits(50, 1000), ReadError::Rows(50)), (limits(1000, 50), ReadError::Series(50))]
    {
        let scope = Scope::new(Tenant::default(), limits);
        let mut stream = SeriesSource::select(&store, &scope, &select(Vec::new())).unwrap();
        let mut points = Points::default();
        let ended = loop {
            match stream.next(&mut points) {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it should not come to its end"),
                Err(error) => break error,
            }
        };
        assert_eq!(ended, expect);
        store.flush().unwrap();
    }
}

#[test]
fn a_failing_disk_is_told_and_what_was_read_can_be_read() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let (store, _) = open(&disk, &time);
    let tenant = Tenant::default();
    write(&store, &tenant, None, &[(labels("up", 1), NOW_MS, 1.0)]).unwrap().1.wait().unwrap();
    disk.set_faults(Faults { sync_fails: u16::MAX, ..Faults::default() });
    let (_, ticket) = write(&store, &tenant, None, &[(labels("up", 1), NOW_MS + 1, 1.0)]).unwrap();
    assert_eq!(ticket.wait().unwrap_err().reason, Reason::Unavailable);
    disk.set_faults(Faults::default());
    let refused =
        write(&store, &tenant, None, &[(labels("up", 1), NOW_MS + 2, 1.0)]).map(|_| ()).unwrap_err();
    assert!(refused.message.contains("wal/"), "{refused}");
    assert!(store.stats().wal.failure.is_some());
    assert!(store.flush().is_err());
    assert!(read_all(&store, &scope())[&labels("up", 1)].contains_key(&NOW_MS));
    assert_eq!(refused_for(&store, Signal::Metrics, Reason::Unavailable), 1);
}

#[test]
fn a_disk_that_is_nearly_full_takes_nothing_until_there_is_room() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let store = store(&disk, &time, Settings { free_bytes_min: 1 << 20, ..settings() });
    let sample = [(labels("up", 1), NOW_MS, 1.0)];
    disk.set_faults(Faults { full_at_bytes: 1 << 20, ..Faults::default() });
    let refused = write(&store, &Tenant::default(), None, &sample).map(|_| ()).unwrap_err();
    assert_eq!(refused.reason, Reason::Overloaded);
    disk.set_faults(Faults::default());
    time.pass(1000);
    write(&store, &Tenant::default(), None, &sample).unwrap().1.wait().unwrap();
}

#[test]
fn a_store_is_opened_once_and_read_beside() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let missing = Store::open_read_only(Arc::clone(&shared), settings(), time.clock());
    assert!(matches!(missing.map(|_| ()), Err(OpenError::Missing)));
    let (store, _) = open(&disk, &time);
    assert!(matches!(
        Store::open(Arc::clone(&shared), settings(), time.clock()).map(|_| ()),
        Err(OpenError::InUse)
    ));
    let tenant = Tenant::default();
    write(&store, &tenant, None, &[(labels("up", 1), NOW_MS, 1.0)]).unwrap().1.wait().unwrap();
    store.flush().unwrap();
    write(&store, &tenant, None, &[(labels("up", 1), NOW_MS + 1, 1.0)]).unwrap().1.wait().unwrap();
    let (reader, _) = Store::open_read_only(Arc::clone(&shared), settings(), time.clock()).unwrap();
    assert_eq!(read_all(&reader, &scope()), read_all(&store, &scope()));
    let refused = write(&reader, &tenant, None, &[(labels("up", 1), NOW_MS, 1.0)]).map(|_| ()).unwrap_err();
    assert_eq!(refused.reason, Reason::Unavailable);
    assert!(reader.flush().is_err());
    // The reader keeps what it saw while the store goes on.
    let before = read_all(&reader, &scope());
    store.flush().unwrap();
    store.merge().unwrap();
    assert_eq!(read_all(&reader, &scope()), before);
    store.close().unwrap();
    open(&disk, &time);
}

#[test]
fn a_snapshot_is_a_store_of_its_own() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let (store, _) = open(&disk, &time);
    let tenant = Tenant::default();
    let samples: Vec<_> = (0..20).map(|host| (labels("up", host), NOW_MS, 1.0)).collect();
    write(&store, &tenant, None, &samples).unwrap().1.wait().unwrap();
    let lines = [(labels("app", 1), NOW_MS * 1_000_000, "hello".to_owned())];
    write_logs(&store, &tenant, None, &lines).unwrap().1.wait().unwrap();
    let (series, logs) = (read_all(&store, &scope()), read_logs(&store, &scope(), vec![], ALL.0, ALL.1));
    let folder = store.snapshot("monday").unwrap();
    assert!(store.snapshot("monday").is_err() && store.snapshot("../x").is_err());
    // The store goes on.
    store.delete(&scope(), Signal::Metrics, &[], ALL.0, ALL.1).unwrap();
    store.merge().unwrap();
    assert_eq!(read_all(&store, &scope()).len(), 0);
    disk.crash(Crash::PowerLost);
    let (store, _) = open(&disk, &time);
    assert_eq!(store.snapshots(), ["monday"]);
    // Copied to another disk, it is what it was.
    let (from, to) = (Below { disk: disk.clone(), folder }, SimDisk::new(2));
    let copied = restore(&from, &to).unwrap();
    assert_eq!(copied.parts, 2);
    assert!(restore(&from, &to).is_err(), "there is a store");
    to.crash(Crash::PowerLost);
    let (restored, recovery) = open(&to, &time);
    assert!(recovery.is_clean() && restored.verify().is_empty());
    assert_eq!(read_all(&restored, &scope()), series);
    assert_eq!(read_logs(&restored, &scope(), vec![], ALL.0, ALL.1), logs);
    // What is damaged is not passed on as whole.
    let data = disk
        .files()
        .into_iter()
        .find(|path| path.starts_with("snapshots") && path.ends_with("data"))
        .unwrap();
    disk.flip(&data, 20, 1).unwrap();
    let other = SimDisk::new(3);
    let error = restore(&from, &other).unwrap_err().to_string();
    assert!(error.contains("/data") && error.contains("damaged"), "{error}");
    assert!(Store::open_read_only(Arc::new(other), settings(), time.clock()).is_err());
    store.remove_snapshot("monday").unwrap();
    assert!(store.snapshots().is_empty());
}

/// A folder of a simulated disk.
struct Below {
    disk: SimDisk,
    folder: String,
}

impl Below {
    fn path(&self, path: &str) -> String {
        if path.is_empty() { self.folder.clone() } else { format!("{}/{path}", self.folder) }
    }
}

impl Disk for Below {
    fn create(&self, path: &str) -> std::io::Result<Box<dyn weir_store::WriteFile>> {
        self.disk.create(&self.path(path))
    }
    fn open(&self, path: &str) -> std::io::Result<Arc<dyn weir_store::ReadFile>> {
        self.disk.open(&self.path(path))
    }
    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.disk.rename(&self.path(from), &self.path(to))
    }
    fn link(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.disk.link(&self.path(from), &self.path(to))
    }
    fn remove(&self, path: &str) -> std::io::Result<()> {
        self.disk.remove(&self.path(path))
    }
    fn create_dir(&self, path: &str) -> std::io::Result<()> {
        self.disk.create_dir(&self.path(path))
    }
    fn remove_dir(&self, path: &str) -> std::io::Result<()> {
        self.disk.remove_dir(&self.path(path))
    }
    fn list(&self, path: &str) -> std::io::Result<Vec<weir_store::Entry>> {
        self.disk.list(&self.path(path))
    }
    fn sync_dir(&self, path: &str) -> std::io::Result<()> {
        self.disk.sync_dir(&self.path(path))
    }
    fn space(&self) -> std::io::Result<weir_store::Space> {
        self.disk.space()
    }
    fn lock(&self, path: &str) -> std::io::Result<Box<dyn Send + Sync>> {
        self.disk.lock(&self.path(path))
    }
}

#[test]
fn threads_flush_and_merge_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(folder.path()).unwrap());
    let time = Time::new();
    let settings = Settings { work: Work::Threads, flush_ms: 50, free_bytes_min: 0, ..settings() };
    let (store, _) = Store::open(Arc::clone(&disk), settings.clone(), time.clock()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let store = store.clone();
            scope.spawn(move || {
                for at in 0..50 {
                    let samples: Vec<_> =
                        (0..10).map(|host| (labels("up", thread * 10 + host), NOW_MS + at, 1.0)).collect();
                    write(&store, &Tenant::default(), None, &samples).unwrap().1.wait().unwrap();
                }
            });
        }
    });
    let everything = |store: &Store| {
        let found = read_all(store, &scope());
        assert_eq!(found.len(), 40);
        assert!(found.values().all(|samples| samples.len() == 50));
    };
    everything(&store);
    let until = Instant::now() + Duration::from_secs(20);
    while store.stats().head_bytes > 0 || store.parts().is_empty() || store.stats().wal.bytes > 0 {
        assert!(Instant::now() < until, "{:?}", store.stats());
        std::thread::sleep(Duration::from_millis(5));
    }
    everything(&store);
    assert_eq!(store.verify(), []);
    let kept = store.clone();
    drop(store);
    kept.close().unwrap();
    let (again, recovery) = Store::open(disk, settings, time.clock()).unwrap();
    assert!(recovery.is_clean());
    everything(&again);
}
