//! What does a sample cost, durable, from the appender to merged parts? And a series in memory, a start with a full log, a
//! query?
//!
//! `cargo bench -p weir-store --bench cost_of_a_sample [-- SERIES ROUNDS]`: so many series are asked every 5 s so many
//! times, in payloads of 10,000 samples. CPU time is that of the whole process, its threads included.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use weir_signal::{Labels, Limits, Matcher, MetricSink, Points, Scope, SeriesSelect, SeriesSource, Tenant};
use weir_store::{Disk, RealDisk, Settings, Store, Work};

const PAYLOAD: usize = 10_000;
const START_MS: i64 = 1_700_049_600_000;

/// User and system time of this process, in seconds.
fn cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn series(number: usize) -> Labels {
    Labels::from_pairs([
        ("__name__".to_owned(), format!("node_metric_{}_total", number % 500)),
        ("instance".to_owned(), format!("10.0.{}.{}:9100", number / 500 / 256, number / 500 % 256)),
        ("job".to_owned(), "node".to_owned()),
        ("mode".to_owned(), ["user", "system", "idle"][number % 3].to_owned()),
        ("device".to_owned(), format!("sd{}", number % 7)),
    ])
    .unwrap()
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (count, rounds) = (arguments.next().unwrap_or(100_000), arguments.next().unwrap_or(60));
    let folder = std::env::temp_dir().join(format!("weir-store-bench-{}", std::process::id()));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(&folder).unwrap());
    let now = Arc::new(AtomicI64::new(START_MS));
    let clock: weir_store::Clock = {
        let now = Arc::clone(&now);
        Arc::new(move || now.load(Ordering::Relaxed))
    };
    let settings = Settings::default();
    let labels: Vec<Labels> = (0..count).map(series).collect();
    let keys: Vec<u128> = labels.iter().map(|labels| labels.id() ^ 1).collect();
    let mut values: Vec<f64> = (0..count).map(|at| (at * 7919 % 100_000) as f64).collect();
    let before = resident_bytes();
    let (store, _) = Store::open(Arc::clone(&disk), settings.clone(), Arc::clone(&clock)).unwrap();
    let tenant = Tenant::default();
    let mut chance = 1_u64;
    let (cpu, wall) = (cpu_s(), Instant::now());
    let mut fed = 0.0;
    let mut peak = 0;
    for round in 0..rounds {
        let time_ms = START_MS + round as i64 * 5000;
        now.store(time_ms, Ordering::Relaxed);
        let feeding = Instant::now();
        for value in &mut values {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *value += (chance >> 60) as f64;
        }
        fed += feeding.elapsed().as_secs_f64();
        for start in (0..count).step_by(PAYLOAD) {
            let end = count.min(start + PAYLOAD);
            let mut appender = store.metrics(&tenant);
            for at in start..end {
                let series = match appender.known(keys[at]) {
                    Some(series) => series,
                    None => appender.series(Some(keys[at]), &labels[at]).unwrap(),
                };
                appender.sample(series, time_ms, values[at], 0).unwrap();
            }
            appender.commit(Some((round * count + start) as u128 + 1)).unwrap().1.wait().unwrap();
        }
        peak = peak.max(resident_bytes());
    }
    let samples = (count * rounds) as f64;
    let per = |seconds: f64| seconds * 1e6 / samples;
    println!(
        "ingest: {:.3} µs CPU a sample, {:.3} µs wall",
        per(cpu_s() - cpu - fed),
        per(wall.elapsed().as_secs_f64() - fed)
    );
    let held = resident_bytes() - before;
    println!(
        "memory: {} bytes a series now, {} at most; head {} MiB, log {} MiB ({:.1} bytes a sample), series {} bytes each",
        held / count as u64,
        (peak - before) / count as u64,
        store.stats().head_bytes >> 20,
        store.stats().wal.bytes >> 20,
        store.stats().wal.bytes as f64 / samples,
        store.stats().tenants[0].series_bytes / count as u64,
    );
    let cpu = cpu_s();
    store.flush().unwrap();
    println!("flush: {:.3} µs CPU a sample", per(cpu_s() - cpu));
    let bytes: u64 = store.parts().iter().map(weir_store::PartMeta::bytes).sum();
    println!(
        "parts: {:.2} bytes a sample in {} parts; {} bytes a series at peak",
        bytes as f64 / samples,
        store.parts().len(),
        (resident_bytes().max(peak) - before) / count as u64
    );
    now.store(START_MS + 86_400_000 * 2, Ordering::Relaxed);
    let cpu = cpu_s();
    store.merge().unwrap();
    println!("merge: {:.3} µs CPU a sample", per(cpu_s() - cpu));
    let bytes: u64 = store.parts().iter().map(weir_store::PartMeta::bytes).sum();
    println!("parts: {:.2} bytes a sample in {} parts", bytes as f64 / samples, store.parts().len());
    let matchers = vec![Matcher::equal("__name__", "node_metric_7_total")];
    let select = SeriesSelect { matchers, from_ms: 0, to_ms: i64::MAX, ..SeriesSelect::default() };
    let asked = Instant::now();
    let scope = Scope::new(tenant.clone(), Limits::default());
    let mut stream = SeriesSource::select(&store, &scope, &select).unwrap();
    let (mut points, mut found, mut rows) = (Points::default(), 0, 0);
    while stream.next(&mut points).unwrap().is_some() {
        (found, rows) = (found + 1, rows + points.len());
    }
    println!("query: {found} series, {rows} samples in {:.2} ms", asked.elapsed().as_secs_f64() * 1e3);
    drop(stream);
    store.close().unwrap();
    fs::remove_dir_all(&folder).unwrap();
    start_with_a_full_log(&labels, &keys);
}

/// Fills a log to its bound, ends without a flush, and opens the store again.
fn start_with_a_full_log(labels: &[Labels], keys: &[u128]) {
    let folder = std::env::temp_dir().join(format!("weir-store-bench-{}", std::process::id()));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(&folder).unwrap());
    // Nobody flushes, so that the log fills.
    let settings = Settings { work: Work::Caller, flush_bytes: 1 << 40, ..Settings::default() };
    let clock: weir_store::Clock = Arc::new(|| START_MS + 86_400_000);
    let (store, _) = Store::open(Arc::clone(&disk), settings.clone(), Arc::clone(&clock)).unwrap();
    let tenant = Tenant::default();
    let mut chance = 1_u64;
    'full: for round in 0.. {
        for start in (0..labels.len()).step_by(PAYLOAD) {
            let mut appender = store.metrics(&tenant);
            for at in start..labels.len().min(start + PAYLOAD) {
                let series = match appender.known(keys[at]) {
                    Some(series) => series,
                    None => appender.series(Some(keys[at]), &labels[at]).unwrap(),
                };
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                appender.sample(series, START_MS + round * 5000, (chance >> 40) as f64, 0).unwrap();
            }
            match appender.commit(None) {
                Ok((_, ticket)) => ticket.wait().unwrap(),
                Err(refused) => {
                    println!("full: {refused}");
                    break 'full;
                }
            }
        }
    }
    drop(store);
    let before = resident_bytes();
    let (cpu, opened) = (cpu_s(), Instant::now());
    let (store, recovery) = Store::open(disk, settings, clock).unwrap();
    println!(
        "start with a full log of {} MiB, {} records: {:.2} s, {:.2} s CPU; head {} MiB, {} MiB more in memory",
        store.stats().wal.bytes >> 20,
        recovery.records,
        opened.elapsed().as_secs_f64(),
        cpu_s() - cpu,
        store.stats().head_bytes >> 20,
        resident_bytes().saturating_sub(before) >> 20,
    );
    assert!(recovery.is_clean());
    drop(store);
    fs::remove_dir_all(&folder).unwrap();
}
