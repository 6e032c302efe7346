//! Crashes and failing disks, by seed: nothing that was acknowledged is lost or doubled, and a payload is there as a whole
//! or not at all.
//!
//! `WEIR_FAULT_SEEDS=10000 cargo test -p weir-store --release --test faults` runs more of them, and
//! `WEIR_FAULT_SEED=17` the one that failed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use support::*;
use weir_signal::{Labels, Matcher, Refusal, Tenant};
use weir_store::{Crash, Faults, Outcome, Settings, Signal, SimDisk, Store, Ticket};

const HOSTS: u32 = 4;

/// A payload: one sample or line for some hosts, all of its own time.
struct Batch {
    signal: Signal,
    id: u128,
    time_ms: i64,
    hosts: Vec<u32>,
    acknowledged: bool,
}

/// What was committed before it, and is of its host, is gone.
struct Deletion {
    signal: Signal,
    host: u32,
    batches_before: usize,
    acknowledged: bool,
}

#[derive(Default)]
struct History {
    batches: Vec<Batch>,
    deletions: Vec<Deletion>,
}

#[derive(Debug, PartialEq)]
enum Expect {
    There,
    Gone,
    Either,
}

/// What a store has: how often each host's sample or line of each batch.
type Found = BTreeMap<(Signal, u32, i64), usize>;

fn find(store: &Store) -> Found {
    let host = |labels: &Labels| labels.get("host").unwrap().parse::<u32>().unwrap();
    let mut found = Found::new();
    for (labels, samples) in read_all(store, &scope()) {
        for &time_ms in samples.keys() {
            found.insert((Signal::Metrics, host(&labels), time_ms), 1);
        }
    }
    for (time_ns, labels, line) in read_logs(store, &scope(), Vec::new(), i64::MIN, i64::MAX) {
        assert_eq!(line, format!("at {}", time_ns / 1_000_000));
        *found.entry((Signal::Logs, host(&labels), time_ns / 1_000_000)).or_default() += 1;
    }
    for span in read_spans(store, &scope()).into_iter().flat_map(|trace| trace.spans) {
        let host = span.resource.attributes[0].value.as_str().unwrap().parse().unwrap();
        *found.entry((Signal::Spans, host, span.start_ns / 1_000_000)).or_default() += 1;
    }
    found
}

impl History {
    /// Deletions of a host that came after a batch.
    fn deletions(&self, at: usize, host: u32) -> impl Iterator<Item = &Deletion> {
        let signal = self.batches[at].signal;
        let concerns =
            move |gone: &&Deletion| gone.signal == signal && gone.host == host && gone.batches_before > at;
        self.deletions.iter().filter(concerns)
    }

    fn expect(&self, at: usize, host: u32) -> Expect {
        if self.deletions(at, host).any(|gone| gone.acknowledged) {
            Expect::Gone
        } else if self.deletions(at, host).next().is_some() || !self.batches[at].acknowledged {
            Expect::Either
        } else {
            Expect::There
        }
    }

    /// Compares with what was read, and gives which batches are there.
    fn check(&self, found: &Found, seed: u64) -> Vec<bool> {
        let (mut known, mut there) = (0, Vec::new());
        for (at, batch) in self.batches.iter().enumerate() {
            let mut kept = Vec::new();
            for &host in &batch.hosts {
                let count = found.get(&(batch.signal, host, batch.time_ms)).copied().unwrap_or(0);
                assert!(count <= 1, "seed {seed}: batch {at} of host {host} is there {count} times");
                known += count;
                match self.expect(at, host) {
                    Expect::There => assert!(count == 1, "seed {seed}: batch {at} of host {host} is lost"),
                    Expect::Gone => assert!(count == 0, "seed {seed}: batch {at} of host {host} came back"),
                    Expect::Either => {}
                }
                if self.deletions(at, host).next().is_none() {
                    kept.push(count == 1);
                }
            }
            let whole = kept.windows(2).all(|pair| pair[0] == pair[1]);
            assert!(whole, "seed {seed}: batch {at} is there in part");
            there.push(kept.first().copied().unwrap_or(false));
        }
        assert_eq!(found.values().sum::<usize>(), known, "seed {seed}: there is what nobody sent");
        there
    }
}

fn send(store: &Store, batch: &Batch) -> Result<(Outcome, Ticket), Refusal> {
    let (tenant, hosts) = (Tenant::default(), batch.hosts.iter());
    if batch.signal == Signal::Metrics {
        let value = batch.time_ms as f64;
        let samples: Vec<_> = hosts.map(|&host| (labels("up", host), batch.time_ms, value)).collect();
        write(store, &tenant, Some(batch.id), &samples)
    } else if batch.signal == Signal::Spans {
        let spans: Vec<_> = hosts.map(|&host| span(host, batch.id / 3 + 1, batch.time_ms, "says")).collect();
        write_spans(store, &tenant, Some(batch.id), &spans)
    } else {
        let (time_ns, line) = (batch.time_ms * 1_000_000, format!("at {}", batch.time_ms));
        let lines: Vec<_> = hosts.map(|&host| (labels("app", host), time_ns, line.clone())).collect();
        write_logs(store, &tenant, Some(batch.id), &lines)
    }
}

fn live(store: &Store, chance: &mut Chance, history: &mut History, disk: &SimDisk, steps: u64) {
    let mut waiting = Vec::new();
    let signal = |chance: &mut Chance| Signal::ALL[chance.below(3) as usize];
    for _ in 0..steps {
        if disk.has_crashed() {
            break;
        }
        match chance.below(20) {
            0..=12 => {
                let number = history.batches.len();
                let hosts: Vec<u32> = (0..HOSTS).filter(|_| chance.below(2) == 0).collect();
                // Mostly in order; some days back.
                let back = if chance.below(4) == 0 { chance.below(3) as i64 * 86_400_000 } else { 0 };
                let batch = Batch {
                    signal: signal(chance),
                    id: number as u128 + 1,
                    time_ms: NOW_MS - 1_000_000 + number as i64 * 1000 - back,
                    hosts,
                    acknowledged: false,
                };
                if let Ok((outcome, ticket)) = send(store, &batch) {
                    assert_eq!(outcome.accepted, batch.hosts.len() as u64);
                    waiting.push((number, ticket));
                    history.batches.push(batch);
                }
            }
            13 | 14 => {
                let _ = store.flush();
            }
            15 => {
                let _ = store.merge();
            }
            16 => {
                let (signal, host) = (signal(chance), chance.below(u64::from(HOSTS)) as u32);
                let matchers = [Matcher::equal("host", &host.to_string())];
                let batches_before = history.batches.len();
                let done = store.delete(&scope(), signal, &matchers, i64::MIN, i64::MAX);
                let acknowledged = done.is_ok();
                history.deletions.push(Deletion { signal, host, batches_before, acknowledged });
            }
            _ => {}
        }
        if chance.below(3) == 0 {
            for (at, ticket) in waiting.drain(..) {
                history.batches[at].acknowledged = ticket.wait().is_ok();
            }
        }
    }
    for (at, ticket) in waiting {
        history.batches[at].acknowledged = ticket.wait().is_ok();
    }
}

fn run(seed: u64) {
    let (disk, time) = (SimDisk::new(seed), Time::new());
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9).wrapping_add(1));
    let mut history = History::default();
    for _ in 0..=chance.below(4) {
        let faults = Faults {
            sync_fails: if chance.below(3) == 0 { 1500 } else { 0 },
            sync_dir_fails: if chance.below(3) == 0 { 1500 } else { 0 },
            full_at_bytes: if chance.below(8) == 0 { 20_000 + chance.below(100_000) } else { 0 },
            crash_at: if chance.below(4) > 0 { 1 + chance.below(150) } else { 0 },
        };
        // Sometimes the start itself meets them.
        let early = chance.below(3) == 0;
        if early {
            disk.set_faults(faults);
        }
        let log = Settings { wal_bytes_max: 2000 << chance.below(10), ..settings() };
        match Store::open(Arc::new(disk.clone()), log, time.clock()) {
            Ok((store, recovery)) => {
                assert!(recovery.is_clean(), "seed {seed}: {recovery:?}");
                disk.set_faults(faults);
                let steps = 5 + chance.below(60);
                live(&store, &mut chance, &mut history, &disk, steps);
                if chance.below(3) == 0 {
                    let _ = store.close();
                }
            }
            Err(error) => assert!(early, "seed {seed}: {error}"),
        }
        disk.crash(if chance.below(3) == 0 { Crash::Killed } else { Crash::PowerLost });
        let (store, recovery) = open(&disk, &time);
        assert!(recovery.is_clean(), "seed {seed}: {recovery:?}");
        let there = history.check(&find(&store), seed);
        // A sender that was not told sends again: what is there is not applied twice, what is not there is applied.
        for (at, there) in there.into_iter().enumerate() {
            let batch = &history.batches[at];
            let untouched = !history.deletions.iter().any(|gone| gone.batches_before > at);
            if untouched && !batch.hosts.is_empty() && chance.below(2) == 0 {
                let (outcome, ticket) = send(&store, batch).unwrap();
                ticket.wait().unwrap();
                assert_eq!(outcome.already_there, there, "seed {seed}: batch {at}");
                history.batches[at].acknowledged = true;
            }
        }
        history.check(&find(&store), seed);
        if chance.below(2) == 0 {
            store.flush().unwrap();
            store.merge().unwrap();
            history.check(&find(&store), seed);
        }
        // Without a word, and without power: what was acknowledged now lasts as well.
        disk.crash(Crash::PowerLost);
    }
    let (store, _) = open(&disk, &time);
    history.check(&find(&store), seed);
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled() {
    let set = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = set("WEIR_FAULT_SEED") {
        return run(seed);
    }
    for seed in 0..set("WEIR_FAULT_SEEDS").unwrap_or(300) {
        run(seed);
    }
}
