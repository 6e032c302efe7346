//! What is known of all targets, for whoever asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use weir_signal::Labels;

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
