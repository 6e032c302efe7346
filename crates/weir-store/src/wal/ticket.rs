//! The promise that a commit gives: done when its bytes are on the disk.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use weir_signal::Refusal;

use super::{Wal, lock, unavailable};

/// Done when what was committed is on the disk: nothing may be acknowledged to its sender before.
///
/// Wait for it as a future or with [`Ticket::wait`]. Dropping it takes nothing back: it is then not known whether the
/// commit lasts.
#[must_use = "what was committed may not be acknowledged before its ticket is done"]
pub struct Ticket {
    wal: Arc<Wal>,
    position: u64,
    /// Tells tickets of one position apart.
    number: u64,
    by: WrittenBy,
}

/// Who writes the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WrittenBy {
    Thread,
    Waiter,
}

#[derive(Default)]
pub(super) struct Waiting {
    state: Mutex<State>,
    wake: Condvar,
    numbers: AtomicU64,
    /// Whether no thread writes: whoever waits does.
    waiters_write: std::sync::atomic::AtomicBool,
}

#[derive(Default)]
struct State {
    done: u64,
    failure: Option<Arc<str>>,
    wakers: BTreeMap<(u64, u64), Waker>,
}

impl Waiting {
    pub(super) fn done(&self, position: u64) {
        let woken = {
            let mut state = lock(&self.state);
            state.done = state.done.max(position);
            let rest = state.wakers.split_off(&(position + 1, 0));
            std::mem::replace(&mut state.wakers, rest)
        };
        self.wake.notify_all();
        woken.into_values().for_each(Waker::wake);
    }

    pub(super) fn fail(&self, failure: &Arc<str>) {
        let woken = {
            let mut state = lock(&self.state);
            state.failure = Some(Arc::clone(failure));
            std::mem::take(&mut state.wakers)
        };
        self.wake.notify_all();
        woken.into_values().for_each(Waker::wake);
    }
}

impl State {
    fn of(&self, position: u64) -> Option<Result<(), Refusal>> {
        if self.done >= position {
            return Some(Ok(()));
        }
        self.failure.as_deref().map(|failure| Err(unavailable(failure)))
    }
}

impl Wal {
    /// Leaves writing to whoever waits for a ticket: no thread runs [`Wal::run`].
    pub(crate) fn let_waiters_write(&self) {
        self.waiting.waiters_write.store(true, Ordering::Relaxed);
    }
}

impl Ticket {
    pub(super) fn new(wal: Arc<Wal>, position: u64) -> Self {
        let number = wal.waiting.numbers.fetch_add(1, Ordering::Relaxed);
        let by = if wal.waiting.waiters_write.load(Ordering::Relaxed) {
            WrittenBy::Waiter
        } else {
            WrittenBy::Thread
        };
        Self { wal, position, number, by }
    }

    /// Blocks until it is done.
    ///
    /// # Errors
    /// `Unavailable`: the log could not be written. Whether the commit lasts is not known.
    pub fn wait(&self) -> Result<(), Refusal> {
        if self.by == WrittenBy::Waiter {
            self.wal.write();
        }
        let waiting = &self.wal.waiting;
        let mut state = lock(&waiting.state);
        loop {
            if let Some(done) = state.of(self.position) {
                return done;
            }
            state = waiting.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether it is done, without waiting.
    pub fn is_done(&self) -> bool {
        lock(&self.wal.waiting.state).done >= self.position
    }
}

impl Future for Ticket {
    type Output = Result<(), Refusal>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.by == WrittenBy::Waiter {
            self.wal.write();
        }
        let mut state = lock(&self.wal.waiting.state);
        if let Some(done) = state.of(self.position) {
            return Poll::Ready(done);
        }
        state.wakers.insert((self.position, self.number), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = lock(&self.wal.waiting.state);
        if !state.wakers.is_empty() {
            state.wakers.remove(&(self.position, self.number));
        }
    }
}
