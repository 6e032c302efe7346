//! What is known of all targets, for whoever asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use weir_signal::Labels;

use super::failure::Cause;
use super::target::Spec;

/// Dropped targets of a job that are listed; all are counted.
const DROPPED_MAX: usize = 1000;

/// All jobs with their targets.
#[derive(Debug, Default)]
pub(crate) struct Board(RwLock<BTreeMap<Arc<str>, Pool>>);

/// The targets of a job.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool {
    /// Those that are asked, by address.
    pub(crate) active: Vec<Arc<Target>>,
    /// Labels of those that relabelling dropped, as they were found. The first thousand of them.
    pub(crate) dropped: Vec<Labels>,
    /// How many it dropped.
    pub(crate) dropped_count: usize,
    /// What became of all scrapes of the job, those of targets that are gone included.
    pub(crate) counts: Arc<Counts>,
}

/// What became of the scrapes of a job since there is one of its name.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    good: AtomicU64,
    failed: [AtomicU64; Cause::ALL.len()],
    samples: AtomicU64,
    took_ns: AtomicU64,
}

impl Counts {
    /// One more, which failed for a cause or did not, brought so many samples, and took so long.
    pub(super) fn note(&self, failed: Option<Cause>, samples: u64, took: Duration) {
        let result = match failed {
            None => &self.good,
            Some(cause) => &self.failed[Cause::ALL.iter().position(|&one| one == cause).unwrap_or_default()],
        };
        result.fetch_add(1, Ordering::Relaxed);
        self.samples.fetch_add(samples, Ordering::Relaxed);
        self.took_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    /// How many ended how: `None` is well.
    pub(crate) fn results(&self) -> impl Iterator<Item = (Option<Cause>, u64)> {
        let failed = Cause::ALL.into_iter().map(Some).zip(&self.failed);
        std::iter::once((None, &self.good))
            .chain(failed)
            .map(|(cause, count)| (cause, count.load(Ordering::Relaxed)))
    }

    /// Samples that targets exposed, before relabelling.
    pub(crate) fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// How long all took together.
    pub(crate) fn took(&self) -> Duration {
        Duration::from_nanos(self.took_ns.load(Ordering::Relaxed))
    }
}

/// A target that is asked.
#[derive(Debug)]
pub(crate) struct Target {
    /// What is asked, and how.
    pub(crate) spec: Spec,
    last: Mutex<Option<Last>>,
}

/// How a scrape went.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Last {
    /// When it began, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// How long it took.
    pub(crate) duration: Duration,
    /// Why it failed; `None` where it did not.
    pub(crate) error: Option<String>,
}

impl Target {
    pub(super) fn new(spec: Spec) -> Self {
        Self { spec, last: Mutex::default() }
    }

    /// How the last scrape went; `None` before the first.
    pub(crate) fn last(&self) -> Option<Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how a scrape went, and gives back the one before.
    pub(super) fn note(&self, last: Last) -> Option<Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(last)
    }
}

impl Pool {
    pub(super) fn drop_target(&mut self, labels: Labels) {
        self.dropped_count += 1;
        if self.dropped.len() < DROPPED_MAX {
            self.dropped.push(labels);
        }
    }
}

impl Board {
    /// The jobs, by name.
    pub(crate) fn pools(&self) -> BTreeMap<Arc<str>, Pool> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says what a job has now; `None` where there is no such job any more.
    pub(super) fn put(&self, job: &Arc<str>, pool: Option<Pool>) {
        let mut pools = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match pool {
            Some(pool) => pools.insert(job.clone(), pool),
            None => pools.remove(job),
        };
    }
}
