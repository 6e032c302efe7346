//! A flipped bit in every kind of file is named, with its place, and takes away no more than that.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use support::*;
use weir_signal::{Points, ReadError, SeriesSelect, SeriesSource, Tenant, Trace};
use weir_store::{Concern, Crash, Disk, EntryKind, Signal, SimDisk, Store};

/// A store with parts of metrics and logs, and a log.
fn filled(disk: &SimDisk, time: &Time) {
    let (store, _) = open(disk, time);
    let tenant = Tenant::default();
    for round in 0..3_i64 {
        let samples: Vec<_> = (0..50)
            .flat_map(|host| {
                (0..20).map(move |at| {
                    let time_ms = NOW_MS - 1_000_000 + round * 100_000 + at * 5000;
                    (labels("up", host), time_ms, f64::from(host) * 1.37 + at as f64)
                })
            })
            .collect();
        write(&store, &tenant, None, &samples).unwrap().1.wait().unwrap();
        let lines: Vec<_> = (0..500_i64)
            .map(|at| {
                let time_ns = (NOW_MS - 1_000_000 + round * 100_000 + at) * 1_000_000;
                (labels("app", at as u32 % 5), time_ns, format!("request {at} took {} ms", at * 7 % 93))
            })
            .collect();
        write_logs(&store, &tenant, None, &lines).unwrap().1.wait().unwrap();
        let spans: Vec<_> = (0..300_i64)
            .map(|at| {
                let time_ms = NOW_MS - 1_000_000 + round * 100_000 + at;
                span(at as u32 % 5, (round * 1000 + at / 3) as u128 + 1, time_ms, "GET /orders")
            })
            .collect();
        write_spans(&store, &tenant, None, &spans).unwrap().1.wait().unwrap();
        if round < 2 {
            store.flush().unwrap();
        }
    }
    disk.crash(Crash::Killed);
}

fn size(disk: &SimDisk, path: &str) -> u64 {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let entries = disk.list(folder).unwrap();
    match entries.into_iter().find(|entry| entry.name == name).unwrap().kind {
        EntryKind::File { bytes } => bytes,
        EntryKind::Folder => 0,
    }
}

/// How many samples can be read, asked for series by series and round by round.
fn readable(store: &Store) -> usize {
    let mut count = 0;
    for (host, round) in (0..50).flat_map(|host| (0..3).map(move |round| (host, round))) {
        let matchers = vec![weir_signal::Matcher::equal("host", &host.to_string())];
        let from_ms = NOW_MS - 1_000_000 + round * 100_000;
        let select = SeriesSelect { matchers, from_ms, to_ms: from_ms + 99_999, ..SeriesSelect::default() };
        let mut points = Points::default();
        if let Ok(mut stream) = SeriesSource::select(store, &scope(), &select) {
            while let Ok(Some(_)) = stream.next(&mut points) {
                count += points.len();
            }
        }
    }
    count
}

#[test]
fn every_flipped_bit_is_named_or_harmless() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    filled(&disk, &time);
    let (store, recovery) = open(&disk, &time);
    assert!(recovery.is_clean());
    assert_eq!(store.verify(), []);
    let whole = find_all(&store);
    disk.crash(Crash::Killed);
    let mut chance = Chance(7);
    let mut kinds = std::collections::BTreeSet::new();
    for path in disk.files() {
        if path == "lock" {
            continue;
        }
        let bytes = size(&disk, &path);
        for _ in 0..12 {
            let (at, bit) = (chance.below(bytes), chance.below(8) as u8);
            if bytes == 0 {
                continue;
            }
            let signal = Signal::ALL.into_iter().find(|signal| path.contains(signal.as_str()));
            kinds.insert((signal, path.rsplit('/').next().unwrap().trim_start_matches('0').to_owned()));
            disk.flip(&path, at, bit).unwrap();
            // Opened for reading, so that nothing is mended.
            let opened = Store::open_read_only(Arc::new(disk.clone()), settings(), time.clock());
            let (store, recovery) = opened.unwrap();
            let findings = store.verify();
            let named = findings.iter().any(|finding| match &finding.error {
                ReadError::Damaged { file, offset, .. } => *file == path && *offset <= at,
                _ => false,
            });
            // The last record of the log, damaged, is as one that was never written to its end.
            let torn = path.starts_with("wal/") && recovery.torn_bytes > 0;
            assert!(named || torn, "{path} byte {at} bit {bit}: {findings:?} {recovery:?}");
            if let Some(Concern::Block(part)) = findings.first().map(|finding| &finding.concerns) {
                assert!(path.contains(&part.name));
            }
            // Two of three rounds are in parts, one in the log: no single bit takes more than one of them.
            assert!(readable(&store) >= 2 * 50 * 20, "{path} byte {at}");
            disk.flip(&path, at, bit).unwrap();
        }
    }
    // Three files of each signal (metrics have two), two manifests, the log.
    assert!(kinds.len() > 8 + 2, "{kinds:?}");
    let (store, _) = open(&disk, &time);
    assert_eq!(find_all(&store), whole);
}

fn find_all(store: &Store) -> (Series, Lines, Vec<Trace>) {
    let lines = read_logs(store, &scope(), Vec::new(), i64::MIN, i64::MAX);
    (read_all(store, &scope()), lines, read_spans(store, &scope()))
}

#[test]
fn a_damaged_record_of_the_log_takes_no_other_with_it() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    let (store, _) = open(&disk, &time);
    let tenant = Tenant::default();
    for at in 0..20 {
        let samples = [(labels("up", 1), NOW_MS + at, 1.5)];
        write(&store, &tenant, Some(7 + at as u128), &samples).unwrap().1.wait().unwrap();
    }
    disk.crash(Crash::Killed);
    let path = "wal/00000000000000000001";
    disk.flip(path, size(&disk, path) / 2, 1).unwrap();
    let (store, recovery) = open(&disk, &time);
    assert_eq!(recovery.log_damages.len(), 1);
    assert_eq!(recovery.log_damages[0].file, path);
    assert!(!recovery.is_clean() && recovery.orphans == 0);
    assert_eq!(read_all(&store, &scope())[&labels("up", 1)].len(), 19);
}

#[test]
fn a_missing_part_is_named_and_the_rest_is_there() {
    let (disk, time) = (SimDisk::new(1), Time::new());
    filled(&disk, &time);
    let gone =
        disk.files().into_iter().find(|path| path.contains("metrics") && path.ends_with("data")).unwrap();
    disk.remove(&gone).unwrap();
    let (store, recovery) = open(&disk, &time);
    assert!(matches!(&recovery.damages[..], [ReadError::Io { file, .. }] if *file == gone), "{recovery:?}");
    let select = SeriesSelect { from_ms: NOW_MS - 850_000, to_ms: i64::MAX, ..SeriesSelect::default() };
    assert_eq!(store.series(&scope(), &select).unwrap().len(), 50);
    // The rest is answered, and the answer says what it is without.
    let all = scope();
    let select = SeriesSelect { from_ms: i64::MIN, ..select };
    assert_eq!(store.series(&all, &select).unwrap().len(), 50);
    assert!(all.left_out.warnings()[0].contains(&gone), "{:?}", all.left_out);
}
