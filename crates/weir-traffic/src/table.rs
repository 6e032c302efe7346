//! One table of token buckets for all limits, keys and workers.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use weir_model::Mono;

use crate::{Gcra, Verdict};

/// Cells in a set.
const WAYS: usize = 14;
/// Overflow cells in a set, see [`lane`].
const LANES: usize = 3;
/// Arrival time of a cell whose tag is being changed.
const BUSY: u64 = u64::MAX;
/// How often a worker looks again for another's insertion to end; some 50 times what one takes.
const PATIENCE: u32 = 200;

/// A process-wide, fixed-size, set-associative table of token buckets ([`Gcra`]), shared by all workers.
///
/// A key's hash chooses a set of 14 cells and is kept whole as the cell's tag, so that two keys share a bucket only if all
/// 64 bits agree (a million keys: one chance in 10⁷ that any two do).
///
/// *Eviction.* Only a refilled bucket (arrival time passed) gives its cell to another key. A refilled bucket is what a
/// new key starts with, so nothing is lost, and no key comes back with tokens that it did not earn. Where a set has no
/// refilled cell, new keys share the set's overflow bucket until one is; it is counted. A key that moves on from there to
/// a cell of its own takes the overflow bucket's debt along.
///
/// *Concurrency.* A cell is a tag and an arrival time, two words. Every change of either goes through a successful
/// compare-and-swap of the arrival time, and the arrival time only grows: a request moves it on, and a claim replaces a
/// passed moment by a later one. So a swap that succeeds proves that the tag read after the expected value was read is
/// still the cell's: there are no torn pairs, and no value returns. Tags are changed by one worker at a time per set, so
/// that a new key gets one cell, not two. A worker that finds another in the middle of an insertion looks again for about
/// a microsecond; should that one have been descheduled just then, it uses the overflow bucket rather than wait. This is
/// the only case in which workers together admit more than one would: while it lasts, at most one burst.
///
/// Memory: 18.3 bytes a cell.
#[derive(Debug)]
pub struct GcraTable {
    sets: Box<[Set]>,
    counters: Counters,
}

/// Four cache lines.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Set {
    tags: [AtomicU64; WAYS],
    arrivals: [AtomicU64; WAYS],
    overflow: [AtomicU64; LANES],
    inserting: AtomicBool,
}

/// Apart from what every request reads.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Counters {
    evictions: AtomicU64,
    overflow_hits: AtomicU64,
}

/// How the table is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcraStats {
    /// Cells there are.
    pub cells: usize,
    /// Cells whose bucket is not full, estimated from a sample of at most 1,024 sets.
    pub used: usize,
    /// How often a refilled cell was given to another key.
    pub evictions: u64,
    /// How often a request was judged by an overflow bucket. Growing means that the table is too small.
    pub overflow_hits: u64,
}

impl GcraTable {
    /// A table of at least `cells` cells.
    pub fn new(cells: usize) -> Self {
        let sets = cells.div_ceil(WAYS).max(1);
        Self { sets: (0..sets).map(|_| Set::default()).collect(), counters: Counters::default() }
    }

    /// Judges one request of the key with this hash (see [`KeyHasher`](crate::KeyHasher)), and counts it if it passes.
    ///
    /// The hash must depend on the limit as well as on the key: buckets of different limits must not share a cell.
    #[inline]
    pub fn check(&self, key: u64, limit: &Gcra, now: Mono) -> Verdict {
        let set = &self.sets[((u128::from(key) * self.sets.len() as u128) >> 64) as usize];
        if let Some(cell) = set.tags.iter().position(|tag| tag.load(Relaxed) == key)
            && let Some(verdict) = set.charge(cell, key, limit, now)
        {
            return verdict;
        }
        self.check_absent(set, key, limit, now)
    }

    /// Judges a request whose key had no cell a moment ago.
    #[cold]
    fn check_absent(&self, set: &Set, key: u64, limit: &Gcra, now: Mono) -> Verdict {
        loop {
            if !set.begin_insertion() {
                break;
            }
            // Nobody else changes tags now.
            if let Some(cell) = set.tags.iter().position(|tag| tag.load(Relaxed) == key) {
                set.end_insertion();
                match set.charge(cell, key, limit, now) {
                    Some(verdict) => return verdict,
                    None => continue,
                }
            }
            let debt = set.overflow[lane(limit)].load(Relaxed);
            let inserted = match limit.advance(debt, now) {
                Ok(next) => set.claim(key, next, now).map(|replaced| (next, replaced)),
                Err(_) => None,
            };
            set.end_insertion();
            let Some((next, replaced)) = inserted else { break };
            if replaced != 0 {
                self.counters.evictions.fetch_add(1, Relaxed);
            }
            return limit.allowed(next, now);
        }
        self.counters.overflow_hits.fetch_add(1, Relaxed);
        let shared = &set.overflow[lane(limit)];
        let mut arrival = shared.load(Relaxed);
        loop {
            match limit.advance(arrival, now) {
                Err(wait) => return Verdict::Deny { retry_after: Duration::from_nanos(wait) },
                Ok(next) => match shared.compare_exchange_weak(arrival, next, Relaxed, Relaxed) {
                    Ok(_) => return limit.allowed(next, now),
                    Err(newer) => arrival = newer,
                },
            }
        }
    }

    /// Gauges. Walks a sample of the table; for scrapes, not for requests.
    pub fn stats(&self, now: Mono) -> GcraStats {
        let stride = self.sets.len().div_ceil(1024);
        let sample = self.sets.iter().step_by(stride);
        let sampled = sample.len();
        let used: usize =
            sample.map(|set| set.arrivals.iter().filter(|a| a.load(Relaxed) > now.0).count()).sum();
        GcraStats {
            cells: self.sets.len() * WAYS,
            used: used * self.sets.len() / sampled,
            evictions: self.counters.evictions.load(Relaxed),
            overflow_hits: self.counters.overflow_hits.load(Relaxed),
        }
    }
}

/// Which of a set's overflow buckets a limit uses. A shared bucket can be held up for as long as the slowest of its
/// limits takes to refill; kept apart by that time, a limit per second never waits for one per day.
#[inline]
fn lane(limit: &Gcra) -> usize {
    match limit.refill().as_secs() {
        0..10 => 0,
        10..600 => 1,
        _ => 2,
    }
}

impl Set {
    /// Judges a request by this cell's bucket; `None` where the cell no longer is the key's.
    #[inline]
    fn charge(&self, cell: usize, key: u64, limit: &Gcra, now: Mono) -> Option<Verdict> {
        loop {
            // The order matters: the tag is proven by the swap only if it is read after the arrival time.
            let arrival = self.arrivals[cell].load(Acquire);
            if arrival == BUSY || self.tags[cell].load(Relaxed) != key {
                return None;
            }
            match limit.advance(arrival, now) {
                Ok(next) => {
                    if self.arrivals[cell].compare_exchange_weak(arrival, next, Relaxed, Relaxed).is_ok() {
                        return Some(limit.allowed(next, now));
                    }
                }
                Err(wait) => {
                    if self.arrivals[cell].load(Relaxed) == arrival {
                        return Some(Verdict::Deny { retry_after: Duration::from_nanos(wait) });
                    }
                }
            }
        }
    }

    /// Gives a refilled cell to `key`; returns the arrival time that stood there, or `None` where no cell is refilled.
    fn claim(&self, key: u64, next: u64, now: Mono) -> Option<u64> {
        for (tag, cell) in self.tags.iter().zip(&self.arrivals) {
            let arrival = cell.load(Relaxed);
            if arrival <= now.0 && cell.compare_exchange(arrival, BUSY, Relaxed, Relaxed).is_ok() {
                tag.store(key, Release);
                cell.store(next, Release);
                return Some(arrival);
            }
        }
        None
    }

    fn begin_insertion(&self) -> bool {
        for _ in 0..PATIENCE {
            if self.inserting.compare_exchange_weak(false, true, Acquire, Relaxed).is_ok() {
                return true;
            }
            std::hint::spin_loop();
        }
        false
    }

    fn end_insertion(&self) {
        self.inserting.store(false, Release);
    }
}

#[cfg(test)]
mod tests;
