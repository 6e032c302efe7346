//! What became of records, over all access logs of a process.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::metrics::{Family, Kind, Registry, Samples};

/// Counts that outlive a log, so that no counter goes back when a log's settings change and another takes its place.
/// Clones are the same counts.
#[derive(Clone, Debug, Default)]
pub struct Totals(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    waiting: AtomicI64,
    written: AtomicU64,
    dropped: AtomicU64,
    lost: AtomicU64,
    errors: AtomicU64,
}

/// What became of records so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Written.
    pub written: u64,
    /// Dropped because the queue was full or closed.
    pub dropped: u64,
    /// Lost to an error of the target (a closed pipe, a full disk).
    pub lost: u64,
    /// Errors of the target.
    pub errors: u64,
}

impl Totals {
    /// What became of records so far.
    pub fn counts(&self) -> Counts {
        Counts {
            written: self.0.written.load(Ordering::Relaxed),
            dropped: self.0.dropped.load(Ordering::Relaxed),
            lost: self.0.lost.load(Ordering::Relaxed),
            errors: self.0.errors.load(Ordering::Relaxed),
        }
    }

    /// `weir_access_log_queue_batches`, `weir_access_log_records_total{result}` and `weir_access_log_errors_total`.
    pub fn register(&self, registry: &Registry) {
        let cells = self.0.clone();
        let depth = Family::new(
            "weir_access_log_queue_batches",
            "Batches of access records that the writer is not through with.",
        );
        let collect = move |out: &mut Samples| out.push(&[], cells.waiting.load(Ordering::Relaxed) as f64);
        registry.collect(Kind::Gauge, depth, collect).forever();
        let totals = self.clone();
        let records = Family::new("weir_access_log_records_total", "Access records, by what became of them.")
            .labels(&["result"]);
        let collect = move |out: &mut Samples| {
            let counts = totals.counts();
            out.push(&["written"], counts.written as f64);
            out.push(&["dropped"], counts.dropped as f64);
            out.push(&["lost"], counts.lost as f64);
        };
        registry.collect(Kind::Counter, records, collect).forever();
        let totals = self.clone();
        let errors = Family::new("weir_access_log_errors_total", "Errors of the access log's target.");
        let collect = move |out: &mut Samples| out.push(&[], totals.counts().errors as f64);
        registry.collect(Kind::Counter, errors, collect).forever();
    }

    /// A batch is on its way.
    pub(super) fn handed(&self) {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// The queue did not take it.
    pub(super) fn refused(&self, records: u64) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.dropped.fetch_add(records, Ordering::Relaxed);
    }

    /// The writer is through with it.
    pub(super) fn finished(&self, records: u64, written: bool) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        let count = if written { &self.0.written } else { &self.0.lost };
        count.fetch_add(records, Ordering::Relaxed);
        if !written {
            self.error();
        }
    }

    /// The target failed.
    pub(super) fn error(&self) {
        self.0.errors.fetch_add(1, Ordering::Relaxed);
    }
}
