//! The share of failures among recent requests.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use weir_model::{FailureShare, Mono};

/// Parts of the window. What is looked at is the part that runs and the nine before it: 0.9 to 1.0 of the window.
pub(super) const PARTS: u64 = 10;
/// Bits of each count.
const COUNT_BITS: u32 = 20;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// Requests and failures of the last parts of a window. Each part is one word: 24 bits that tell which part of which
/// generation it counts, 20 bits of requests, 20 of failures. A word of another part is as good as empty.
#[derive(Debug)]
pub(super) struct RecentShare {
    part_ns: u64,
    share_ppm: u64,
    minimum: u64,
    parts: [AtomicU64; PARTS as usize],
}

#[derive(Clone, Copy)]
struct Part {
    tag: u64,
    requests: u64,
    failures: u64,
}

impl RecentShare {
    pub(super) fn new(settings: &FailureShare) -> Self {
        let window = u64::try_from(settings.window.as_nanos()).unwrap_or(u64::MAX);
        Self {
            part_ns: (window / PARTS).max(1),
            share_ppm: u64::from(settings.share_ppm),
            // More than ten full words can show would never open it.
            minimum: u64::from(settings.minimum).clamp(1, PARTS * COUNT_MAX / 2),
            parts: Default::default(),
        }
    }

    /// Counts one request.
    #[inline]
    pub(super) fn count(&self, generation: u32, failed: bool, now: Mono) {
        let index = now.0 / self.part_ns;
        let tag = tag(generation, index);
        let word = &self.parts[(index % PARTS) as usize];
        let mut packed = word.load(Relaxed);
        loop {
            let mut part = Part::unpack(packed);
            if part.tag != tag {
                part = Part { tag, requests: 0, failures: 0 };
            } else if part.requests == COUNT_MAX {
                // Halving both keeps the share.
                part = Part { tag, requests: part.requests / 2, failures: part.failures / 2 };
            }
            part.requests += 1;
            part.failures += u64::from(failed);
            match word.compare_exchange_weak(packed, part.pack(), Relaxed, Relaxed) {
                Ok(_) => return,
                Err(newer) => packed = newer,
            }
        }
    }

    /// Whether the share of failures is reached, with enough requests to tell.
    pub(super) fn is_exceeded(&self, generation: u32, now: Mono) -> bool {
        let newest = now.0 / self.part_ns;
        let (mut requests, mut failures) = (0, 0);
        for index in newest.saturating_sub(PARTS - 1)..=newest {
            let part = Part::unpack(self.parts[(index % PARTS) as usize].load(Relaxed));
            if part.tag == tag(generation, index) {
                requests += part.requests;
                failures += part.failures;
            }
        }
        requests >= self.minimum && failures * 1_000_000 >= requests * self.share_ppm
    }
}

/// Never 0, which is the tag of a word that was never written. An odd multiplier keeps the same part of neighbouring
/// generations apart.
#[inline]
fn tag(generation: u32, index: u64) -> u64 {
    (index.wrapping_add(u64::from(generation).wrapping_mul(0x9E_3779)) & 0xff_ffff).max(1)
}

impl Part {
    #[inline]
    fn pack(self) -> u64 {
        self.tag << (2 * COUNT_BITS) | self.requests << COUNT_BITS | self.failures
    }

    #[inline]
    fn unpack(word: u64) -> Self {
        Self {
            tag: word >> (2 * COUNT_BITS),
            requests: (word >> COUNT_BITS) & COUNT_MAX,
            failures: word & COUNT_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn share(minimum: u32) -> RecentShare {
        RecentShare::new(&FailureShare { share_ppm: 500_000, window: Duration::from_secs(10), minimum })
    }

    #[test]
    fn the_share_survives_full_words() {
        let share = share(10);
        for n in 0..2_200_000u64 {
            share.count(3, n % 2 == 0, Mono(n));
        }
        assert!(share.is_exceeded(3, Mono(0)));
        assert!(!share.is_exceeded(4, Mono(0)), "another generation");
        for _ in 0..3 {
            share.count(3, false, Mono(0));
        }
        assert!(!share.is_exceeded(3, Mono(0)));
    }

    #[test]
    fn a_minimum_beyond_what_is_counted_can_still_be_reached() {
        assert!(share(u32::MAX).minimum < PARTS * COUNT_MAX);
    }
}
