//! A cap on how many requests are in flight at once.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// A cap on how many are in at once, shared by workers; the count is also the gauge, and the `live` that
/// [`RetryBudget`](crate::RetryBudget) asks for.
#[derive(Debug)]
pub struct Gate {
    inside: AtomicU32,
    /// `u32::MAX` is no cap.
    max: AtomicU32,
    refused: AtomicU64,
}

impl Gate {
    /// A gate that lets in at most `max` at once; `None` only counts.
    pub fn new(max: Option<u32>) -> Self {
        let gate = Self { inside: AtomicU32::new(0), max: AtomicU32::new(0), refused: AtomicU64::new(0) };
        gate.set_max(max);
        gate
    }

    /// Changes the cap. Those inside stay; with a lower cap nobody enters until enough have left.
    pub fn set_max(&self, max: Option<u32>) {
        self.max.store(max.unwrap_or(u32::MAX), Relaxed);
    }

    /// Lets one in. Every success is matched by one [`leave`](Self::leave).
    #[inline]
    pub fn try_enter(&self) -> bool {
        let max = self.max.load(Relaxed);
        if max == u32::MAX {
            self.inside.fetch_add(1, Relaxed);
            return true;
        }
        // Not add-then-look: two that overshoot together would refuse each other the last place.
        let mut inside = self.inside.load(Relaxed);
        while inside < max {
            match self.inside.compare_exchange_weak(inside, inside + 1, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(newer) => inside = newer,
            }
        }
        self.refused.fetch_add(1, Relaxed);
        false
    }

    /// Lets one out that had entered.
    #[inline]
    pub fn leave(&self) {
        let before = self.inside.fetch_sub(1, Relaxed);
        debug_assert!(before > 0, "left a gate that was never entered");
    }

    /// How many are inside.
    #[inline]
    pub fn inside(&self) -> u32 {
        self.inside.load(Relaxed)
    }

    /// How many were turned away since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_and_counts() {
        let gate = Gate::new(Some(2));
        assert!(gate.try_enter() && gate.try_enter() && !gate.try_enter());
        gate.leave();
        assert!(gate.try_enter());
        assert_eq!((gate.inside(), gate.refused()), (2, 1));
        gate.set_max(Some(1));
        gate.leave();
        assert!(!gate.try_enter());
        gate.set_max(None);
        assert!(gate.try_enter() && gate.try_enter());
        assert!(!Gate::new(Some(0)).try_enter());
    }

    #[test]
    fn never_more_than_the_cap_with_many_workers() {
        let gate = Gate::new(Some(3));
        let most = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if gate.try_enter() {
                            most.fetch_max(gate.inside(), Relaxed);
                            gate.leave();
                        }
                    }
                });
            }
        });
        assert!(most.into_inner() <= 3);
        assert_eq!(gate.inside(), 0);
    }
}
