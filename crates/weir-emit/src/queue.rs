//! The bounded queue between those who produce lines and the one thread that writes them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A queue that refuses instead of waiting.
///
/// The lock guards a push or a pop of a pointer and is never held during IO, formatting or allocation: room for
/// `capacity` items is taken at the start.
#[derive(Debug)]
pub(crate) struct Bounded<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    done: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    /// Items ever accepted, and of those, how many the consumer is through with.
    accepted: u64,
    finished: u64,
    busy: bool,
    nudged: bool,
    closed: bool,
}

/// What a consumer wakes up to.
#[derive(Debug)]
pub(crate) enum Taken<T> {
    /// The oldest item. It counts as finished when the consumer comes back.
    Item(T),
    /// [`Bounded::nudge`] was called: something beside the queue changed.
    Nudge,
    /// The queue is closed and empty.
    Closed,
}

impl<T> Bounded<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let items = VecDeque::with_capacity(capacity);
        let state = State { items, accepted: 0, finished: 0, busy: false, nudged: false, closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), done: Condvar::new(), capacity }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item at the end, leaving `spare` places free for more important ones. Gives it back where the queue is
    /// full or closed.
    pub(crate) fn offer(&self, item: T, spare: usize) -> Result<(), T> {
        let mut state = self.lock();
        if state.closed || state.items.len() + spare >= self.capacity {
            return Err(item);
        }
        state.items.push_back(item);
        state.accepted += 1;
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// The oldest item, if there is one now.
    pub(crate) fn try_take(&self) -> Option<T> {
        self.lock().items.pop_front()
    }

    /// Waits for something to do. For the one consumer.
    pub(crate) fn take(&self) -> Taken<T> {
        let mut state = self.lock();
        if std::mem::take(&mut state.busy) {
            state.finished += 1;
            self.done.notify_all();
        }
        loop {
            if std::mem::take(&mut state.nudged) {
                return Taken::Nudge;
            }
            if let Some(item) = state.items.pop_front() {
                state.busy = true;
                return Taken::Item(item);
            }
            if state.closed {
                return Taken::Closed;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wakes the consumer without an item.
    pub(crate) fn nudge(&self) {
        self.lock().nudged = true;
        self.filled.notify_one();
    }

    /// Waits until the consumer is through with all that was accepted before this call. False where `bound` passed
    /// first.
    pub(crate) fn flush(&self, bound: Duration) -> bool {
        let deadline = Instant::now() + bound;
        let mut state = self.lock();
        let goal = state.accepted;
        while state.finished < goal {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Refuses further items; the consumer ends once it has taken the last.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Items waiting.
    pub(crate) fn len(&self) -> usize {
        self.lock().items.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn refuses_beyond_its_bound_and_keeps_the_reserve() {
        let queue = Bounded::new(3);
        assert_eq!(queue.offer(1, 1), Ok(()));
        assert_eq!(queue.offer(2, 1), Ok(()));
        assert_eq!(queue.offer(3, 1), Err(3));
        assert_eq!(queue.offer(4, 0), Ok(()));
        assert_eq!(queue.offer(5, 0), Err(5));
        assert_eq!((queue.try_take(), queue.len()), (Some(1), 2));
        queue.close();
        assert_eq!(queue.offer(6, 0), Err(6));
        assert!(matches!(queue.take(), Taken::Item(2)));
        queue.nudge();
        assert!(matches!(queue.take(), Taken::Nudge));
        assert!(matches!(queue.take(), Taken::Item(4)));
        assert!(matches!(queue.take(), Taken::Closed));
    }

    #[test]
    fn flush_waits_for_the_item_in_hand() {
        let queue = Arc::new(Bounded::new(8));
        for n in 0..5 {
            queue.offer(n, 0).unwrap();
        }
        assert!(!queue.flush(Duration::from_millis(1)));
        let consumer = {
            let queue = queue.clone();
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                while let Taken::Item(n) = queue.take() {
                    seen.push(n);
                }
                seen
            })
        };
        assert!(queue.flush(Duration::from_secs(20)));
        queue.close();
        assert_eq!(consumer.join().unwrap(), [0, 1, 2, 3, 4]);
    }
}
