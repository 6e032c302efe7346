//! From an event to the writer thread.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::queue::{Bounded, Taken};
use crate::stamp::now;

use super::LogFormat;
use super::line::line;

/// What the layer, the writer thread and the [`super::Log`] share.
pub(super) struct Shared {
    pub(super) queue: Bounded<Vec<u8>>,
    /// Held by the writer thread while it writes, and by whoever still speaks once the queue is closed.
    out: Mutex<Box<dyn Write + Send>>,
    dropped: AtomicU64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("queue", &self.queue)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(out: Box<dyn Write + Send>, lines: usize) -> Self {
        Self { queue: Bounded::new(lines), out: Mutex::new(out), dropped: AtomicU64::new(0) }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The writer thread.
    pub(super) fn write(&self) {
        loop {
            match self.queue.take() {
                Taken::Item(line) => self.write_line(&line),
                Taken::Nudge => {}
                Taken::Closed => return,
            }
        }
    }

    /// Writes now. A line that standard error does not take has nowhere else to go; it is counted.
    fn write_line(&self, line: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if out.write_all(line).and_then(|()| out.flush()).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn submit(&self, line: Vec<u8>, spare: usize) {
        if let Err(line) = self.queue.offer(line, spare) {
            if self.queue.is_closed() {
                self.write_line(&line);
            } else {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Formats events and hands them over.
pub(super) struct Lines {
    pub(super) format: LogFormat,
    pub(super) shared: Arc<Shared>,
    /// Places that only errors may take.
    pub(super) spare: usize,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let spare = if *event.metadata().level() == Level::ERROR { 0 } else { self.spare };
        self.shared.submit(line(event, now(), self.format), spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flood_leaves_room_for_errors_and_what_comes_after_the_end_is_written() {
        let out = Out::default();
        // No writer thread yet: nothing leaves the queue.
        let shared = Arc::new(Shared::new(Box::new(out.clone()), 10));
        let lines = Lines { format: LogFormat::Json, shared: shared.clone(), spare: 3 };
        let subscriber =
            tracing_subscriber::layer::SubscriberExt::with(tracing_subscriber::registry(), lines);
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..9 {
                tracing::info!(n, "flood");
            }
            assert_eq!((shared.queue.len(), shared.dropped()), (7, 2));
            for n in 0..4 {
                tracing::error!(n, "bad");
            }
            assert_eq!((shared.queue.len(), shared.dropped()), (10, 3));
            shared.queue.close();
            shared.write();
            tracing::error!("last words");
        });
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        assert_eq!((text.lines().count(), text.matches("bad").count()), (11, 3));
        assert!(text.lines().last().unwrap().contains("last words"));
    }
}
