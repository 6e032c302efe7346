//! However many parts a store has, a bounded number of their files is open.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use support::*;
use weir_signal::{Points, SeriesSelect, SeriesSource, Tenant};
use weir_store::{RealDisk, Settings, Store};

const PARTS: i64 = 200;
const FILES_MAX: usize = 16;

/// Files below a folder that this process has open, those of the log and the lock not counted.
fn open_below(folder: &Path) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let paths = open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    paths.filter(|path| path.starts_with(folder.join("tenants"))).count()
}

#[test]
fn one_query_over_many_parts_needs_few_files() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::new(folder.path()).unwrap());
    let settings = Settings { files_open_max: FILES_MAX as u64, directory_bytes_max: 1 << 20, ..settings() };
    let (store, _) = Store::open(disk.clone(), settings.clone(), Time::new().clock()).unwrap();
    let tenant = Tenant::default();
    for part in 0..PARTS {
        let samples: Vec<_> =
            (0..10).map(|host| (labels("up", host), NOW_MS - 1_000_000 + part * 1000, part as f64)).collect();
        write(&store, &tenant, None, &samples).unwrap().1.wait().unwrap();
        store.flush().unwrap();
    }
    drop(store);
    let (store, recovery) = Store::open(disk, settings, Time::new().clock()).unwrap();
    assert!(recovery.is_clean());
    assert_eq!(store.parts().len() as i64, PARTS);
    let select = SeriesSelect { from_ms: i64::MIN, to_ms: i64::MAX, ..SeriesSelect::default() };
    let (scope, mut points) = (scope(), Points::default());
    let mut stream = SeriesSource::select(&store, &scope, &select).unwrap();
    let (mut series, mut most) = (0, 0);
    while stream.next(&mut points).unwrap().is_some() {
        assert_eq!(points.len() as i64, PARTS);
        series += 1;
        most = most.max(open_below(folder.path()));
    }
    assert_eq!(series, 10);
    assert!(scope.left_out.is_empty());
    println!("{PARTS} parts of {} files, one query over all of them: {most} files open", PARTS * 2);
    assert!((1..=FILES_MAX).contains(&most), "{most}");
    assert!(store.stats().files_open as usize <= FILES_MAX);

    drop(stream);
    // What a query reads stays on the disk until it is through, though its parts were merged.
    let mut stream = SeriesSource::select(&store, &scope, &select).unwrap();
    store.merge().unwrap();
    assert!(store.stats().doomed > 0);
    while stream.next(&mut points).unwrap().is_some() {
        assert_eq!(points.len() as i64, PARTS);
    }
    drop(stream);
    assert!(scope.left_out.is_empty());
    store.merge().unwrap();
    assert_eq!(store.stats().doomed, 0);
}
