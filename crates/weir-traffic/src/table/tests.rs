//! The table against one exact token bucket per key, and against itself with many workers.

use std::collections::HashMap;
use std::sync::Barrier;

use proptest::prelude::*;

use super::*;
use crate::KeyHasher;

const MS: u64 = 1_000_000;

/// A token bucket by the book: tokens (in ns of refill) come with time and go with requests.
#[derive(Clone, Copy)]
struct Bucket {
    tokens: u64,
    at: u64,
}

/// `(requests per second, burst)` of the limits in play; the whole-ns intervals make the model exact.
const LIMITS: [(u32, u32); 4] = [(1000, 1), (100, 5), (10, 3), (2, 40)];

impl Bucket {
    fn new((per_second, burst): (u32, u32)) -> Self {
        Self { tokens: u64::from(burst) * (1000 * MS / u64::from(per_second)), at: 0 }
    }

    /// Takes a token; the tokens left, or the wait for the next.
    fn take(&mut self, (per_second, burst): (u32, u32), now: u64) -> Result<u32, Duration> {
        let interval = 1000 * MS / u64::from(per_second);
        self.tokens = (self.tokens + (now - self.at)).min(u64::from(burst) * interval);
        self.at = now;
        match self.tokens.checked_sub(interval) {
            None => Err(Duration::from_nanos(interval - self.tokens)),
            Some(left) => {
                self.tokens = left;
                Ok((left / interval) as u32)
            }
        }
    }
}

fn gcra((per_second, burst): (u32, u32)) -> Gcra {
    Gcra::new(per_second, Duration::from_secs(1), burst)
}

/// Requests as (key, ms since the one before).
fn requests(keys: usize) -> impl Strategy<Value = Vec<(usize, u64)>> {
    let pause = prop_oneof![4 => Just(0u64), 4 => 0u64..5, 2 => 0u64..200, 1 => 0u64..30_000];
    prop::collection::vec((0..keys, pause), 1..400)
}

proptest! {
    /// As long as the keys fit, the table is the exact model, whatever is evicted in between.
    #[test]
    fn keys_that_fit_get_exact_verdicts(requests in requests(WAYS)) {
        let table = GcraTable::new(1);
        let hasher = KeyHasher::seeded(4, 2);
        let mut model = HashMap::new();
        let mut now = 1;
        for (key, pause) in requests {
            now += pause * MS;
            let limit = LIMITS[key % LIMITS.len()];
            let expected = model.entry(key).or_insert_with(|| Bucket::new(limit)).take(limit, now);
            match table.check(hasher.hash(0, &[key as u8]), &gcra(limit), Mono(now)) {
                Verdict::Allow { remaining, .. } => prop_assert_eq!(Ok(remaining), expected),
                Verdict::Deny { retry_after } => prop_assert_eq!(Err(retry_after), expected),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!(table.stats(Mono(now)).overflow_hits, 0);
    }

    /// With more keys than cells a key may get less than its limit, never more: each request that passes is covered by
    /// a bucket of the key's own.
    #[test]
    fn nobody_gets_more_than_the_own_bucket_holds(requests in requests(4 * WAYS)) {
        let table = GcraTable::new(1);
        let hasher = KeyHasher::seeded(4, 2);
        let mut model = HashMap::new();
        let mut now = 1;
        for (key, pause) in requests {
            now += pause * MS;
            let limit = LIMITS[key % LIMITS.len()];
            if table.check(hasher.hash(0, &[key as u8]), &gcra(limit), Mono(now)).passes() {
                let covered = model.entry(key).or_insert_with(|| Bucket::new(limit)).take(limit, now);
                prop_assert!(covered.is_ok(), "key {} got more than it had earned", key);
            }
        }
    }
}

#[test]
fn a_million_keys_in_bounded_memory_forget_nobody_in_debt() {
    let table = GcraTable::new(10_000);
    let hasher = KeyHasher::seeded(1, 1);
    let slow = Gcra::new(1, Duration::from_mins(1), 1);
    let quick = Gcra::new(1000, Duration::from_secs(1), 1);
    let culprit = hasher.hash(1, b"culprit");
    assert!(table.check(culprit, &slow, Mono(1)).passes());
    let mut refused = 0;
    for n in 0..1_000_000u64 {
        // 20 us apart, and refilled in 1 ms: some 50 live keys at any time.
        let now = Mono(1 + n * 20_000);
        refused += u32::from(!table.check(hasher.hash(2, &n.to_le_bytes()), &quick, now).passes());
        if n % 100_000 == 0 {
            assert!(!table.check(culprit, &slow, now).passes());
        }
    }
    let stats = table.stats(Mono(20_000_000_000));
    assert_eq!((refused, stats.overflow_hits), (0, 0));
    assert!(stats.cells < 10_000 + WAYS && stats.evictions > 980_000, "{stats:?}");
    assert!((1..200).contains(&stats.used), "{stats:?}");
    assert!(table.check(culprit, &slow, Mono(61_000_000_000)).passes());
}

#[test]
fn full_sets_share_and_count_their_overflow() {
    let table = GcraTable::new(WAYS);
    let limit = Gcra::new(1, Duration::from_secs(1), 2);
    let now = Mono(5000 * MS);
    let passed = (0..WAYS as u64 + 6).filter(|&key| table.check(key, &limit, now).passes()).count();
    assert_eq!(passed, WAYS + 2, "the six that found no cell share one bucket of two");
    assert_eq!(table.stats(now), GcraStats { cells: WAYS, used: WAYS, evictions: 0, overflow_hits: 6 });

    // A limit of another pace is not held up by them.
    let daily = Gcra::new(1, Duration::from_hours(24), 1);
    assert!(table.check(100, &daily, now).passes());
    assert!(!table.check(101, &daily, now).passes());

    // Once cells are refilled, keys get their own again, and their debt from here stays with them.
    let soon = Mono(now.0 + 1001 * MS);
    assert!(table.check(200, &limit, soon).passes());
    assert!(!table.check(200, &limit, soon).passes(), "one token of two was spent in the overflow bucket");
}

/// Runs `work` in four threads that start together, and sums up what they return.
fn with_workers(work: impl Fn(u64) -> u64 + Sync) -> u64 {
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|worker| {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    barrier.wait();
                    work(worker)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    })
}

#[track_caller]
fn assert_within_a_percent(actual: u64, exact: u64) {
    assert!(actual.abs_diff(exact) * 100 <= exact, "{actual} is more than 1 % from {exact}");
}

#[test]
fn workers_share_a_hot_key() {
    let table = GcraTable::new(1000);
    let clock = AtomicU64::new(1);
    let limit = Gcra::new(100_000, Duration::from_secs(1), 50);
    // 400,000 requests, 1 us apart: ten times what the limit lets through.
    let passed = with_workers(|_| {
        (0..100_000)
            .filter(|_| table.check(42, &limit, Mono(clock.fetch_add(1000, Relaxed))).passes())
            .count() as u64
    });
    assert_within_a_percent(passed, 40_000 + 50);
}

#[test]
fn workers_that_meet_on_new_keys_make_one_bucket_each() {
    let table = GcraTable::new(10_000);
    let hasher = KeyHasher::seeded(9, 9);
    let limit = Gcra::new(1, Duration::from_secs(1), 3);
    let passed = with_workers(|_| {
        (0..2000u64)
            .map(|key| {
                let key = hasher.hash(0, &key.to_le_bytes());
                (0..3).filter(|_| table.check(key, &limit, Mono(1000 * MS)).passes()).count() as u64
            })
            .sum()
    });
    assert_within_a_percent(passed, 2000 * 3);
}

#[test]
fn workers_that_evict_each_others_keys_keep_the_sum() {
    // One set, more keys than cells, refilled all the time: claims and charges meet.
    let table = GcraTable::new(1);
    let clock = AtomicU64::new(1);
    let limit = Gcra::new(1000, Duration::from_secs(1), 1);
    let passed = with_workers(|worker| {
        (0..50_000u64)
            .filter(|n| {
                let key = (n * 7 + worker) % 40;
                table.check(key, &limit, Mono(clock.fetch_add(1000, Relaxed))).passes()
            })
            .count() as u64
    });
    // 200 ms in all: 14 cells and the overflow bucket each pass at most one a ms, and one to begin with.
    assert!(passed <= (WAYS as u64 + 1) * 201 * 101 / 100, "{passed}");
    assert!(passed >= WAYS as u64 * 150, "{passed}");
}
