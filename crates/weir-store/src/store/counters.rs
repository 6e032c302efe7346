//! What was taken and refused since the start.

use std::sync::atomic::{AtomicU64, Ordering};

use weir_signal::Reason;

use crate::outcome::Outcome;
use crate::signal::Signal;

const REASONS: [Reason; 10] = [
    Reason::Malformed,
    Reason::TooLarge,
    Reason::Labels,
    Reason::TooOld,
    Reason::TooNew,
    Reason::Cardinality,
    Reason::Duplicate,
    Reason::Unsupported,
    Reason::Overloaded,
    Reason::Unavailable,
];

#[derive(Debug, Default)]
pub(crate) struct Counters {
    signals: [SignalCounters; 3],
}

#[derive(Debug, Default)]
struct SignalCounters {
    accepted: AtomicU64,
    again: AtomicU64,
    refused: [AtomicU64; REASONS.len()],
}

impl Counters {
    pub(crate) fn note(&self, signal: Signal, outcome: &Outcome) {
        let counters = &self.signals[usize::from(signal.code() - 1)];
        counters.accepted.fetch_add(outcome.accepted, Ordering::Relaxed);
        counters.again.fetch_add(u64::from(outcome.already_there), Ordering::Relaxed);
        for (reason, count) in outcome.refused.counts() {
            self.refuse(signal, reason, count);
        }
    }

    pub(crate) fn refuse(&self, signal: Signal, reason: Reason, count: u64) {
        let at = REASONS.iter().position(|&known| known == reason).unwrap_or_default();
        self.signals[usize::from(signal.code() - 1)].refused[at].fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn accepted(&self, signal: Signal) -> u64 {
        self.signals[usize::from(signal.code() - 1)].accepted.load(Ordering::Relaxed)
    }

    /// Batches that were there already.
    pub(crate) fn again(&self, signal: Signal) -> u64 {
        self.signals[usize::from(signal.code() - 1)].again.load(Ordering::Relaxed)
    }

    pub(crate) fn refused(&self, signal: Signal) -> Vec<(Reason, u64)> {
        let counters = &self.signals[usize::from(signal.code() - 1)].refused;
        REASONS
            .into_iter()
            .zip(counters)
            .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
            .collect()
    }
}
