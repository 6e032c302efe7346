//! A sliding window over all requests of a service.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::time::Duration;

use weir_model::Mono;

use crate::Verdict;

/// Most slots in a ring.
const SLOTS_MAX: u64 = 4096;
/// How many slots at the far end of the window are looked at per request, to learn what has left it.
const TAIL_STEPS: u32 = 4;

/// At most so many requests in *any* span of the given length, counted over all workers without a lock.
///
/// A ring remembers when the last `requests` were admitted. The next may pass once the one that passed `requests` ago
/// has left the span. Up to 4,096 requests each has a slot and the window is exact; beyond, a slot stands for a batch, with
/// the moment of its last request. Batches leave the span whole, so the window never admits too many, and too few by at
/// most one batch (1/4,096).
///
/// *Concurrency.* The place `head` is where the next request goes; a slot holds a moment and four bits of the lap in
/// which it was written. Whoever opens a slot swaps the old lap's moment for the own one, then moves `head`; whoever
/// finds the slot open but `head` not moved, moves it. Further requests of a batch first bring the slot's moment up to
/// date, then swap `head`. A swap by a worker that fell behind expects a value that never comes back.
/// Moments in the ring never decrease: a worker whose clock was read earlier takes the moment of its predecessor.
#[derive(Debug)]
pub struct Window {
    per: u64,
    /// Requests that a slot stands for.
    batch: u32,
    head: AtomicU64,
    /// Everything before it has left the span. Only for the remaining count, so it may lag.
    tail: AtomicU64,
    ring: Box<[AtomicU64]>,
}

impl Window {
    /// At most `requests` in any span of length `per` (at most 9 years). 0 admits nothing.
    pub fn new(requests: u32, per: Duration) -> Self {
        let requests = u64::from(requests);
        let batch = requests.div_ceil(SLOTS_MAX).max(1);
        let start = Place { lap: 1, slot: 0, used: 0 }.pack();
        Self {
            per: u64::try_from(per.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX >> 6),
            batch: batch as u32,
            head: AtomicU64::new(start),
            tail: AtomicU64::new(start),
            ring: (0..requests / batch).map(|_| AtomicU64::new(Slot::NEVER.pack())).collect(),
        }
    }

    /// Judges one request, and counts it if it passes.
    #[inline]
    pub fn check(&self, now: Mono) -> Verdict {
        if self.ring.is_empty() {
            return Verdict::Deny { retry_after: Duration::from_nanos(self.per) };
        }
        loop {
            let packed = self.head.load(Acquire);
            let head = Place::unpack(packed);
            let next = self.after(head).pack();
            let slot = &self.ring[head.slot as usize];
            let found = slot.load(Acquire);
            let old = Slot::unpack(found);
            if head.used > 0 {
                if old.lap != head.lap & Slot::LAP {
                    continue; // `head` was already stale.
                }
                let current = Slot { moment: now.0.max(old.moment), lap: old.lap }.pack();
                if (current == found || slot.compare_exchange(found, current, AcqRel, Relaxed).is_ok())
                    && self.head.compare_exchange(packed, next, AcqRel, Relaxed).is_ok()
                {
                    return self.allowed(now, head, false);
                }
                continue;
            }
            if old.lap != head.lap.wrapping_sub(1) & Slot::LAP {
                // Open already: whoever did it has not moved `head` yet (or did, and this swap fails).
                let _ = self.head.compare_exchange(packed, next, AcqRel, Relaxed);
                continue;
            }
            let newest = self.before(head);
            let moment = now.0.max(newest.moment).max(1);
            if old != Slot::NEVER && moment.saturating_sub(old.moment) < self.per {
                let wait = self.per - moment.saturating_sub(old.moment);
                return Verdict::Deny { retry_after: Duration::from_nanos(wait) };
            }
            let own = Slot { moment, lap: head.lap & Slot::LAP }.pack();
            if slot.compare_exchange(found, own, AcqRel, Relaxed).is_ok() {
                let _ = self.head.compare_exchange(packed, next, AcqRel, Relaxed);
                let was_idle = newest.moment + self.per <= moment;
                return self.allowed(Mono(moment), head, was_idle);
            }
        }
    }

    /// How many requests the span holds at most. Differs from what was asked for by less than a batch.
    pub fn capacity(&self) -> u32 {
        self.ring.len() as u32 * self.batch
    }

    /// The verdict on the request that took the place `own`.
    #[inline]
    fn allowed(&self, now: Mono, own: Place, was_idle: bool) -> Verdict {
        let packed = self.tail.load(Relaxed);
        let mut tail = Place::unpack(packed);
        if was_idle {
            tail = own;
        } else {
            for _ in 0..TAIL_STEPS {
                if (tail.lap, tail.slot) >= (own.lap, own.slot) {
                    break;
                }
                let slot = Slot::unpack(self.ring[tail.slot as usize].load(Relaxed));
                if slot.lap == tail.lap & Slot::LAP && slot.moment + self.per > now.0 {
                    break;
                }
                tail = self.after(Place { used: self.batch - 1, ..tail });
            }
        }
        if tail.pack() > packed {
            self.tail.fetch_max(tail.pack(), Relaxed);
        }
        let held = (self.count(own) + 1).saturating_sub(self.count(tail));
        let remaining = u64::from(self.capacity()).saturating_sub(held);
        Verdict::Allow { remaining: remaining as u32, reset_after: Duration::from_nanos(self.per) }
    }

    /// How many requests came before this place.
    fn count(&self, place: Place) -> u64 {
        (u64::from(place.lap) * self.ring.len() as u64 + u64::from(place.slot)) * u64::from(self.batch)
            + u64::from(place.used)
    }

    #[inline]
    fn after(&self, place: Place) -> Place {
        if place.used + 1 < self.batch {
            Place { used: place.used + 1, ..place }
        } else if place.slot as usize + 1 < self.ring.len() {
            Place { slot: place.slot + 1, used: 0, ..place }
        } else {
            Place { lap: place.lap.wrapping_add(1), slot: 0, used: 0 }
        }
    }

    /// The newest moment in the ring, if the slot at `place` is not open yet.
    #[inline]
    fn before(&self, place: Place) -> Slot {
        let slot = place.slot.checked_sub(1).map_or(self.ring.len() - 1, |slot| slot as usize);
        Slot::unpack(self.ring[slot].load(Acquire))
    }
}

/// Where in the ring a request goes. Packed, later places are greater (until 2^32 laps have passed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// 32 bits.
    lap: u32,
    /// 12 bits.
    slot: u32,
    /// Requests already in the slot; 20 bits.
    used: u32,
}

impl Place {
    #[inline]
    fn pack(self) -> u64 {
        u64::from(self.lap) << 32 | u64::from(self.slot) << 20 | u64::from(self.used)
    }

    #[inline]
    fn unpack(word: u64) -> Self {
        Self { lap: (word >> 32) as u32, slot: (word >> 20) as u32 & 0xfff, used: word as u32 & 0xf_ffff }
    }
}

/// What the ring holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    /// When the last request of the slot passed, ns; 60 bits (36 years).
    moment: u64,
    /// The low 4 bits of the lap.
    lap: u32,
}

impl Slot {
    const LAP: u32 = 0xf;
    /// Not written yet. The first lap is 1, so this is never open.
    const NEVER: Self = Self { moment: 0, lap: 0 };

    #[inline]
    fn pack(self) -> u64 {
        self.moment << 4 | u64::from(self.lap)
    }

    #[inline]
    fn unpack(word: u64) -> Self {
        Self { moment: word >> 4, lap: word as u32 & Self::LAP }
    }
}

#[cfg(test)]
mod tests;
