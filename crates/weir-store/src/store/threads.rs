//! The threads of a store: one writes the log, one flushes, one merges.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::inner::{Inner, locked};
use crate::settings::Work;

/// A failed flush or merge is tried again after this.
const RETRY: Duration = Duration::from_secs(10);

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
        if inner.settings.work == Work::Caller {
            wal.let_waiters_write();
            return threads;
        }
        let log = Arc::clone(wal);
        threads.spawn("weir-store-log", move || log.run());
        let flusher = Arc::clone(inner);
        threads.spawn("weir-store-flush", move || flush_when_due(&flusher));
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
    let interval = Duration::from_millis(inner.settings.flush_ms.max(1));
    let mut due = Instant::now() + interval;
    loop {
        {
            let mut bell = locked(&inner.bell.state);
            while !bell.closed && !bell.flush {
                let left = due.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                let waited = inner.bell.rung.wait_timeout(bell, left);
                bell = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            if bell.closed {
                return;
            }
            bell.flush = false;
        }
        due = Instant::now() + if inner.flush(None).is_ok() { interval } else { RETRY };
    }
}
