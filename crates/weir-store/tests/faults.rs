//! Crashes and failing disks, by seed: nothing that was acknowledged is lost or doubled, and a payload is there as a whole
//! or not at all.
//!
//! `WEIR_FAULT_SEEDS=10000 cargo test -p weir-store --release --test faults` runs more of them, and
//! `WEIR_FAULT_SEED=17` the one that failed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use support::*;
use weir_signal::{Matcher, Tenant};
use weir_store::{Crash, Faults, Signal, SimDisk, Store};

const HOSTS: u32 = 4;

/// A payload: one sample for some hosts, all of its own time.
struct Batch {
    id: u128,
    time_ms: i64,
    hosts: Vec<u32>,
    acknowledged: bool,
}

/// What was committed before it, and is of its host, is gone.
struct Deletion {
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

impl History {
    fn expect(&self, at: usize, host: u32) -> Expect {
        let mut later = self.deletions.iter().filter(|gone| gone.host == host && gone.batches_before > at);
        if self
            .deletions
            .iter()
            .any(|gone| gone.host == host && gone.batches_before > at && gone.acknowledged)
        {
            Expect::Gone
        } else if later.next().is_some() || !self.batches[at].acknowledged {
            Expect::Either
        } else {
            Expect::There
        }
    }

    /// Compares with what was read, and gives which batches are there.
    fn check(&self, found: &Series, seed: u64) -> Vec<bool> {
        let has = |host: u32, time: i64| {
            found.get(&labels("up", host)).is_some_and(|samples| samples.contains_key(&time))
        };
        let mut there = Vec::new();
        for (at, batch) in self.batches.iter().enumerate() {
            let mut kept = Vec::new();
            for &host in &batch.hosts {
                let found = has(host, batch.time_ms);
                match self.expect(at, host) {
                    Expect::There => assert!(found, "seed {seed}: batch {at} of host {host} is lost"),
                    Expect::Gone => assert!(!found, "seed {seed}: batch {at} of host {host} came back"),
                    Expect::Either => {}
                }
                if !self.deletions.iter().any(|gone| gone.host == host && gone.batches_before > at) {
                    kept.push(found);
                }
            }
            assert!(
                kept.windows(2).all(|pair| pair[0] == pair[1]),
                "seed {seed}: batch {at} is there in part"
            );
            there.push(kept.first().copied().unwrap_or(false));
        }
        let times: usize = found.values().map(std::collections::BTreeMap::len).sum();
        let known: usize = self
            .batches
            .iter()
            .map(|batch| batch.hosts.iter().filter(|&&host| has(host, batch.time_ms)).count())
            .sum();
        assert_eq!(times, known, "seed {seed}: there are samples that nobody sent");
        there
    }
}

fn samples(batch: &Batch) -> Vec<(weir_signal::Labels, i64, f64)> {
    batch.hosts.iter().map(|&host| (labels("up", host), batch.time_ms, batch.time_ms as f64)).collect()
}

fn live(store: &Store, chance: &mut Chance, history: &mut History, disk: &SimDisk, steps: u64) {
    let tenant = Tenant::default();
    let mut waiting = Vec::new();
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
                let time_ms = NOW_MS - 1_000_000 + number as i64 * 1000 - back;
                let batch = Batch { id: number as u128 + 1, time_ms, hosts, acknowledged: false };
                if let Ok((outcome, ticket)) = write(store, &tenant, Some(batch.id), &samples(&batch)) {
                    assert_eq!(outcome.accepted, batch.hosts.len() as u64);
                    waiting.push((history.batches.len(), ticket));
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
                let host = chance.below(u64::from(HOSTS)) as u32;
                let matchers = [Matcher::equal("host", &host.to_string())];
                let batches_before = history.batches.len();
                let done = store.delete(&scope(), Signal::Metrics, &matchers, i64::MIN, i64::MAX);
                history.deletions.push(Deletion { host, batches_before, acknowledged: done.is_ok() });
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
        match Store::open(Arc::new(disk.clone()), settings(), time.clock()) {
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
        let there = history.check(&read_all(&store, &scope()), seed);
        // A sender that was not told sends again: what is there is not applied twice, what is not there is applied.
        for (at, there) in there.into_iter().enumerate() {
            let batch = &history.batches[at];
            let untouched = !history.deletions.iter().any(|gone| gone.batches_before > at);
            if untouched && !batch.hosts.is_empty() && chance.below(2) == 0 {
                let (outcome, ticket) =
                    write(&store, &Tenant::default(), Some(batch.id), &samples(batch)).unwrap();
                ticket.wait().unwrap();
                assert_eq!(outcome.already_there, there, "seed {seed}: batch {at}");
                history.batches[at].acknowledged = true;
            }
        }
        history.check(&read_all(&store, &scope()), seed);
        if chance.below(2) == 0 {
            store.flush().unwrap();
            store.merge().unwrap();
            history.check(&read_all(&store, &scope()), seed);
        }
        // Without a word, and without power: what was acknowledged now lasts as well.
        disk.crash(Crash::PowerLost);
    }
    let (store, _) = open(&disk, &time);
    history.check(&read_all(&store, &scope()), seed);
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
