//! A flipped bit anywhere takes away the block that it is in: queries answer the rest and say what they are without, and
//! merges keep what is whole, and the part as it was.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use support::*;
use weir_signal::{
    LogSelect, LogSource, Scope, SeriesSelect, SeriesSource, SpanCondition, SpanField, SpanSelect, SpanTest,
    Tenant, TraceId, TraceSource, Value,
};
use weir_store::{Disk, EntryKind, RealDisk, Recovery, Signal, SimDisk, Store};

const ROUND_MS: i64 = 100_000;
const ROUNDS: i64 = 3;

/// Rounds of metrics, logs and spans, each in parts but the last, which is in the log.
fn fill(store: &Store) {
    let tenant = Tenant::default();
    for round in 0..ROUNDS {
        let from_ms = NOW_MS - 1_000_000 + round * ROUND_MS;
        let samples: Vec<_> = (0..15)
            .flat_map(|host| {
                (0..10).map(move |at| (labels("up", host), from_ms + at * 5000, at as f64 * 1.37))
            })
            .collect();
        write(store, &tenant, None, &samples).unwrap().1.wait().unwrap();
        let line = |at: i64| format!("request {at} of {round} took {} ms", at * 7 % 93);
        let lines: Vec<_> =
            (0..60).map(|at| (labels("app", at as u32 % 5), (from_ms + at) * 1_000_000, line(at))).collect();
        write_logs(store, &tenant, None, &lines).unwrap().1.wait().unwrap();
        let spans: Vec<_> = (0..60)
            .map(|at| span(at as u32 % 5, (round * 1000 + at / 3) as u128 + 1, from_ms + at, "GET /orders"))
            .collect();
        write_spans(store, &tenant, None, &spans).unwrap().1.wait().unwrap();
        if round + 1 < ROUNDS {
            store.flush().unwrap();
        }
    }
}

/// What was asked, and all that was answered, by its time in milliseconds.
type Answers = Vec<(&'static str, BTreeSet<(i64, String)>)>;

/// Asks in every way. Damage is no error to any.
fn ask(store: &Store, scope: &Scope) -> Answers {
    let mut answers = Answers::new();
    let samples = read_all(store, scope);
    let samples = samples.iter().flat_map(|(labels, samples)| {
        samples.iter().map(move |(&time, value)| (time, format!("{labels:?} {value}")))
    });
    answers.push(("samples", samples.collect()));
    let select = SeriesSelect { from_ms: i64::MIN, to_ms: i64::MAX, ..SeriesSelect::default() };
    let all = |texts: Vec<String>| texts.into_iter().map(|text| (0, text)).collect();
    answers.push(("label names", all(store.label_names(scope, &select).unwrap())));
    answers.push(("label values", all(store.label_values(scope, &select, "host").unwrap())));
    let series = store.series(scope, &select).unwrap();
    answers.push(("series", series.iter().map(|labels| (0, format!("{labels:?}"))).collect()));
    store.exemplars(scope, &select).unwrap();

    let log = |select: &LogSelect| {
        let mut stream = LogSource::select(store, scope, select).unwrap();
        let mut found = BTreeSet::new();
        while let Some(row) = stream.next().unwrap() {
            found.insert((row.time_ns / 1_000_000, format!("{:?} {}", row.stream, row.line)));
        }
        found
    };
    let select = LogSelect { from_ns: i64::MIN, to_ns: i64::MAX, ..LogSelect::default() };
    answers.push(("lines", log(&select)));
    answers.push((
        "lines with a text",
        log(&LogSelect { contains: vec!["request 7 of".into()], ..select.clone() }),
    ));
    let streams = store.streams(scope, &select).unwrap();
    answers.push(("streams", streams.iter().map(|labels| (0, format!("{labels:?}"))).collect()));
    let half = LogSelect { from_ns: (NOW_MS - 1_000_000 + 70) * 1_000_000, ..select };
    store.volume(scope, &half).unwrap();

    let spans = |traces: Vec<weir_signal::Trace>| -> BTreeSet<(i64, String)> {
        let spans = traces.into_iter().flat_map(|trace| trace.spans);
        spans.map(|span| (span.start_ns / 1_000_000, format!("{span:?}"))).collect()
    };
    let select = SpanSelect { from_ns: i64::MIN, to_ns: i64::MAX, ..SpanSelect::default() };
    answers.push(("spans", spans(search(store, scope, &select))));
    let field = SpanField::Name;
    let condition = SpanCondition { field, test: SpanTest::Equal(Value::String("GET /orders".into())) };
    let named = SpanSelect { conditions: vec![condition], ..select.clone() };
    answers.push(("spans of a name", spans(search(store, scope, &named))));
    let ids = [3_u128, 1003, 2003].map(|id| TraceId(id.to_be_bytes()));
    let traces = ids.iter().filter_map(|&id| store.trace(scope, id, None).unwrap());
    answers.push(("traces", spans(traces.collect())));
    let ever = (i64::MIN, i64::MAX);
    store.attribute_names(scope, ever).unwrap();
    store.operations(scope, ever, "orders").unwrap();
    let values = store.values(scope, ever, &SpanField::Name, 9).unwrap();
    answers.push(("names of spans", values.iter().map(|value| (0, value.to_string())).collect()));
    answers
}

fn read_only(disk: &Arc<dyn Disk>, time: &Time) -> (Store, Recovery) {
    Store::open_read_only(Arc::clone(disk), settings(), time.clock()).unwrap()
}

fn size(disk: &dyn Disk, path: &str) -> u64 {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let entries = disk.list(folder).unwrap();
    match entries.into_iter().find(|entry| entry.name == name).unwrap().kind {
        EntryKind::File { bytes } => bytes,
        EntryKind::Folder => 0,
    }
}

/// Flips bits, so many in each file, and asks after each. Gives how many made an answer smaller.
fn flip_everywhere(
    disk: &Arc<dyn Disk>,
    files: &[String],
    flips: u64,
    flip: &dyn Fn(&str, u64, u8),
) -> usize {
    let time = Time::new();
    let (store, recovery) = read_only(disk, &time);
    assert!(recovery.is_clean());
    let clean = scope();
    let whole = ask(&store, &clean);
    assert!(clean.left_out.is_empty());
    let parts = store.parts();
    drop(store);
    let mut less = 0;
    for path in files {
        let bytes = size(&**disk, path);
        let step = (bytes / flips).max(1) as usize;
        // The ends of files are kinds of their own: heads and tails.
        for at in (0..bytes).step_by(step).chain(bytes.saturating_sub(20)..bytes) {
            let bit = (at % 8) as u8;
            flip(path, at, bit);
            let (store, recovery) = read_only(disk, &time);
            let scope = scope();
            let found = ask(&store, &scope);
            let warned = scope.left_out.errors().iter().any(|error| error.file() == Some(path));
            let told = !recovery.is_clean() || recovery.torn_bytes > 0;
            for ((what, found), (_, whole)) in found.iter().zip(&whole) {
                assert!(found.is_subset(whole), "{path} byte {at}: {what} that never were");
                if found == whole {
                    continue;
                }
                less += 1;
                assert!(warned || (path.starts_with("wal/") && told), "{path} byte {at}: {what}");
                // What is missing is of the damaged part, or in the log, and all the rest is there.
                let part = parts.iter().find(|part| path.contains(&part.name));
                let within = |time_ms: i64| match part {
                    Some(part) => {
                        let units = if part.signal == Signal::Metrics { 1 } else { 1_000_000 };
                        (part.from / units..=part.to / units).contains(&time_ms)
                    }
                    None => time_ms >= NOW_MS - 1_000_000 + (ROUNDS - 1) * ROUND_MS,
                };
                for (time_ms, row) in whole.difference(found) {
                    assert!(within(*time_ms), "{path} byte {at}: {what} {row}");
                }
            }
            if path.ends_with("/filter") {
                assert_eq!(found, whole, "{path} byte {at}: nothing but time is lost with a filter");
            }
            if !scope.left_out.is_empty() {
                let damage = store.stats().damage;
                assert!(damage.left_out > 0 && damage.known.iter().any(|error| error.file() == Some(path)));
            }
            flip(path, at, bit);
        }
    }
    less
}

#[test]
fn every_query_answers_the_rest_and_names_the_file() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    fill(&open(&disk, &time).0);
    disk.crash(weir_store::Crash::Killed);
    let files: Vec<_> = disk.files().into_iter().filter(|path| path != "lock").collect();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let less = flip_everywhere(&shared, &files, 8, &|path, at, bit| disk.flip(path, at, bit).unwrap());
    assert!(less > 50, "{less}");
}

fn files_of(root: &Path, folder: &str, found: &mut Vec<String>) {
    let disk = RealDisk::existing(root).unwrap();
    for entry in disk.list(folder).unwrap() {
        let path = if folder.is_empty() { entry.name } else { format!("{folder}/{}", entry.name) };
        match entry.kind {
            EntryKind::Folder => files_of(root, &path, found),
            EntryKind::File { .. } if path != "lock" => found.push(path),
            EntryKind::File { .. } => {}
        }
    }
}

#[test]
fn so_it_is_in_a_real_folder() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(folder.path()).unwrap());
    let (store, _) = Store::open(Arc::clone(&disk), settings(), Time::new().clock()).unwrap();
    fill(&store);
    drop(store);
    let mut files = Vec::new();
    files_of(folder.path(), "", &mut files);
    let flip = |path: &str, at: u64, bit: u8| {
        let file = std::fs::File::options().read(true).write(true).open(folder.path().join(path)).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        byte[0] ^= 1 << bit;
        file.write_all_at(&byte, at).unwrap();
    };
    assert!(flip_everywhere(&disk, &files, 2, &flip) > 10);
}

#[test]
fn a_merge_keeps_what_is_whole_and_the_part_as_it_was() {
    for signal in Signal::ALL {
        let (disk, time) = (SimDisk::new(1), Time::new());
        fill(&open(&disk, &time).0);
        disk.crash(weir_store::Crash::Killed);
        let (store, _) = open(&disk, &time);
        let part = store.parts().into_iter().find(|part| part.signal == signal).unwrap();
        let path = format!("tenants/@default/{signal}/{}/data", part.name);
        let bytes = size(&disk, &path);
        // Behind the head, within the first block.
        disk.flip(&path, 20, 3).unwrap();
        let before = ask(&store, &scope());
        assert!(store.news_of_damage()[0].starts_with(&format!("{path} is damaged at byte ")));

        store.merge().unwrap();
        let after = scope();
        assert_eq!(ask(&store, &after), before, "{signal}");
        assert!(after.left_out.is_empty(), "{signal}");
        let aside = vec![format!("aside/@default/{signal}/{}", part.name)];
        let damage = store.stats().damage;
        assert_eq!((&damage.aside, &damage.known), (&aside, &Vec::new()), "{signal}");
        assert!(store.news_of_damage()[0].contains(&aside[0]), "{signal}");
        assert_eq!(size(&disk, &format!("{}/data", aside[0])), bytes);
        assert!(!store.parts().iter().any(|left| left.name == part.name));
        assert_eq!(store.verify(), []);

        // It stays, and is told, after a start.
        drop(store);
        disk.crash(weir_store::Crash::PowerLost);
        let (store, recovery) = open(&disk, &time);
        assert!(recovery.is_clean());
        assert_eq!(store.stats().damage.aside, aside);
        assert_eq!(ask(&store, &scope()), before, "{signal}");
    }
}

#[test]
fn a_part_that_cannot_be_opened_is_named_at_the_start_and_keeps_no_other_from_merging() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let (store, _) = open(&disk, &time);
    fill(&store);
    store.flush().unwrap();
    drop(store);
    disk.crash(weir_store::Crash::Killed);
    let files = disk.files();
    let path = files.iter().find(|path| path.contains("logs") && path.ends_with("index")).unwrap();
    disk.flip(path, size(&disk, path) - 1, 0).unwrap();
    let (store, recovery) = open(&disk, &time);
    assert!(matches!(&recovery.damages[..], [error] if error.file() == Some(path)), "{recovery:?}");
    assert_eq!(store.stats().damage.known, recovery.damages);
    let before = ask(&store, &scope());
    store.merge().unwrap_err();
    let of_logs = |store: &Store| store.parts().iter().filter(|part| part.signal == Signal::Logs).count();
    assert_eq!(of_logs(&store), 2, "the two that are whole became one, the damaged one is there");
    assert_eq!(ask(&store, &scope()), before);
    // Mended, it is there again.
    disk.flip(path, size(&disk, path) - 1, 0).unwrap();
    assert_eq!(ask(&store, &scope())[4].1.len(), 60 * ROUNDS as usize);
}
