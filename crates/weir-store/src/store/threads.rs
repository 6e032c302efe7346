//! The threads of a store: one writes the log, one flushes, one merges.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::inner::{Bell, BellState, Inner, locked};
use super::pace::Pace;
use crate::settings::Work;

/// A failed flush or merge is tried again after this.
const RETRY: Duration = Duration::from_secs(10);
/// Retention is looked at this often even where nothing was flushed.
const MERGE_INTERVAL: Duration = Duration::from_mins(1);

/// Ends the threads when it is dropped.
pub(super) struct Threads {
    inner: Option<Arc<Inner>>,
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    pub(super) fn none() -> Self {
        Self { inner: None, running: Mutex::new(Vec::new()) }
    }

    pub(super) fn start(inner: &Arc<Inner>) -> Self {
        let threads = Self { inner: Some(Arc::clone(inner)), running: Mutex::new(Vec::new()) };
        let Some(wal) = &inner.wal else { return threads };
        if inner.settings().work == Work::Caller {
            wal.let_waiters_write();
            return threads;
        }
        let log = Arc::clone(wal);
        threads.spawn("weir-store-log", move || log.run());
        let flusher = Arc::clone(inner);
        threads.spawn("weir-store-flush", move || flush_when_due(&flusher));
        let merger = Arc::clone(inner);
        threads.spawn("weir-store-merge", move || merge_when_due(&merger));
        threads
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) {
        let spawned = Builder::new().name(name.to_owned()).spawn(run);
        locked(&self.running).push(spawned.expect("a process that starts may have a few threads"));
    }

    pub(super) fn end(&self) {
        let Some(inner) = &self.inner else { return };
        inner.bell.ring(|bell| bell.closed = true);
        if let Some(wal) = &inner.wal {
            wal.close();
        }
        let running = std::mem::take(&mut *locked(&self.running));
        for thread in running {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        *locked(&inner.lock) = None;
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end();
    }
}

fn flush_when_due(inner: &Inner) {
    let interval = Duration::from_millis(inner.settings().flush_ms.max(1));
    let mut due = Instant::now() + interval;
    while inner.bell.wait(due, |bell| std::mem::take(&mut bell.flush)) {
        due = Instant::now() + if inner.flush(None).is_ok() { interval } else { RETRY };
    }
}

fn merge_when_due(inner: &Inner) {
    let mut due = Instant::now() + MERGE_INTERVAL;
    while inner.bell.wait(due, |bell| std::mem::take(&mut bell.merge)) {
        // What fails is tried again; what is damaged is found by `verify` and by whoever reads it.
        let _ = inner.merge(&mut Pace::steady(inner));
        due = Instant::now() + MERGE_INTERVAL;
    }
}

impl Bell {
    /// Waits until `due`, or until it is rung for `what`; `false` where the store is closed.
    fn wait(&self, due: Instant, mut what: impl FnMut(&mut BellState) -> bool) -> bool {
        let mut state = locked(&self.state);
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if state.closed || what(&mut state) || left.is_zero() {
                return !state.closed;
            }
            state = self.rung.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
