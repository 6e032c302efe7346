//! What was taken, refused and done since the store was opened.

use std::sync::atomic::{AtomicU64, Ordering};

use weir_signal::Reason;

use super::stats::Done;
use crate::manifest::PartMeta;
use crate::outcome::Outcome;
use crate::signal::Signal;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    signals: [SignalCounters; 3],
    flushes: AtomicU64,
    flushes_failed: AtomicU64,
    merges: AtomicU64,
    merges_failed: AtomicU64,
}

#[derive(Debug, Default)]
struct SignalCounters {
    accepted: AtomicU64,
    again: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
    removed_parts: AtomicU64,
    removed_bytes: AtomicU64,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counters {
    pub(crate) fn note(&self, signal: Signal, outcome: &Outcome) {
        let counters = self.of(signal);
        add(&counters.accepted, outcome.accepted);
        add(&counters.again, u64::from(outcome.already_there));
        for (reason, count) in outcome.refused.counts() {
            self.refuse(signal, reason, count);
        }
    }

    pub(crate) fn refuse(&self, signal: Signal, reason: Reason, count: u64) {
        let at = Reason::ALL.iter().position(|&known| known == reason).unwrap_or_default();
        add(&self.of(signal).refused[at], count);
    }

    /// What became of a flush.
    pub(crate) fn flushed<T, E>(&self, result: &Result<T, E>) {
        add(if result.is_ok() { &self.flushes } else { &self.flushes_failed }, 1);
    }

    /// What became of one merge.
    pub(crate) fn merged<T, E>(&self, result: &Result<T, E>) {
        add(if result.is_ok() { &self.merges } else { &self.merges_failed }, 1);
    }

    /// A part was older, or more, than is kept.
    pub(crate) fn removed(&self, part: &PartMeta) {
        let counters = self.of(part.signal);
        add(&counters.removed_parts, 1);
        add(&counters.removed_bytes, part.bytes());
    }

    pub(crate) fn accepted(&self, signal: Signal) -> u64 {
        read(&self.of(signal).accepted)
    }

    /// Batches that were there already.
    pub(crate) fn again(&self, signal: Signal) -> u64 {
        read(&self.of(signal).again)
    }

    pub(crate) fn refused(&self, signal: Signal) -> Vec<(Reason, u64)> {
        Reason::ALL.into_iter().zip(self.of(signal).refused.iter().map(read)).collect()
    }

    /// Parts that retention removed, and their bytes.
    pub(crate) fn removals(&self, signal: Signal) -> (u64, u64) {
        let counters = self.of(signal);
        (read(&counters.removed_parts), read(&counters.removed_bytes))
    }

    pub(crate) fn done(&self) -> Done {
        Done {
            flushes: read(&self.flushes),
            flushes_failed: read(&self.flushes_failed),
            merges: read(&self.merges),
            merges_failed: read(&self.merges_failed),
        }
    }

    fn of(&self, signal: Signal) -> &SignalCounters {
        &self.signals[usize::from(signal.code() - 1)]
    }
}
