//! What happened to requests, on its way to the store in the same process.
//!
//! ```text
//!   worker: record ──copy──► TrailBuffer (64 KiB) ──swap when full or old──► bounded queue ──► TrailReader ──► store
//!                                ▲──────────────── empty buffers come back ◄────────────────────┘
//! ```
//!
//! A worker only copies bytes; what becomes of them (lines, spans) is the reader's work. A full queue drops the batch and
//! counts its records; nobody waits.

mod entry;
mod sampler;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weir_model::Mono;

use crate::access::Record;
use crate::metrics::{Family, Kind, Registry, Samples};
use crate::queue::{Bounded, Taken};

pub use entry::{Entry, SpanIds};
pub use sampler::Sampler;

/// Room of one buffer. It is handed over while the longest entry still fits, so that it never grows.
const BUFFER_BYTES: usize = 64 * 1024;
const FULL_BYTES: usize = BUFFER_BYTES - entry::ENTRY_BYTES_MAX;
/// Batches that may wait: 8 MiB, half a second of 200,000 requests a second.
const QUEUE_BATCHES: usize = 128;
/// How long an entry may stay in a worker's buffer.
const AGE_MAX: Duration = Duration::from_millis(200);

/// What is kept of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    /// Every access record, as a line.
    pub logs: bool,
    /// Spans of this share of requests, in millionths.
    pub spans_ppm: u32,
}

/// The way of records to the store. Clones are the same way.
#[derive(Clone, Debug)]
pub struct Trail {
    owner: Arc<Owner>,
}

/// Closes the queue with the last [`Trail`].
#[derive(Debug)]
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

#[derive(Debug)]
struct Shared {
    keeps: Keeps,
    queue: Bounded<Batch>,
    /// Empty buffers on their way back to the workers.
    empty: Bounded<Vec<u8>>,
    taken: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Batch {
    bytes: Vec<u8>,
    records: u64,
}

impl Trail {
    /// A way and its end.
    pub fn new(keeps: Keeps) -> (Self, TrailReader) {
        let shared = Arc::new(Shared {
            keeps,
            queue: Bounded::new(QUEUE_BATCHES),
            empty: Bounded::new(QUEUE_BATCHES),
            taken: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        (Self { owner: Arc::new(Owner(shared.clone())) }, TrailReader { shared })
    }

    /// What is kept.
    pub fn keeps(&self) -> Keeps {
        self.owner.0.keeps
    }

    /// A buffer for one worker.
    pub fn buffer(&self) -> TrailBuffer {
        TrailBuffer {
            bytes: Vec::with_capacity(BUFFER_BYTES),
            records: 0,
            oldest: Mono::NEVER,
            shared: self.owner.0.clone(),
        }
    }

    /// Ends the way: what was handed over is still taken, further records are dropped and counted. For the end of the
    /// process, when workers have handed over their last.
    pub fn close(&self) {
        self.owner.0.queue.close();
    }

    /// Waits until everything handed over before this call was taken, but no longer than `bound`; says whether it was.
    pub fn flush(&self, bound: Duration) -> bool {
        self.owner.0.queue.flush(bound)
    }

    /// `weir_own_telemetry_records_total{result}` and `weir_own_telemetry_queue_batches`.
    pub fn register(&self, registry: &Registry) {
        let shared = self.owner.0.clone();
        let records = Family::new(
            "weir_own_telemetry_records_total",
            "Records of requests on their way to the store, by what became of them.",
        )
        .labels(&["result"]);
        let collect = move |out: &mut Samples| {
            out.push(&["taken"], shared.taken.load(Ordering::Relaxed) as f64);
            out.push(&["dropped"], shared.dropped.load(Ordering::Relaxed) as f64);
        };
        registry.collect(Kind::Counter, records, collect).forever();
        let shared = self.owner.0.clone();
        let depth =
            Family::new("weir_own_telemetry_queue_batches", "Batches of records that wait for the store.");
        let collect = move |out: &mut Samples| out.push(&[], shared.queue.len() as f64);
        registry.collect(Kind::Gauge, depth, collect).forever();
    }
}

/// A worker's own buffer. Hands over what it holds when it is dropped.
#[derive(Debug)]
pub struct TrailBuffer {
    bytes: Vec<u8>,
    records: u64,
    oldest: Mono,
    shared: Arc<Shared>,
}

impl TrailBuffer {
    /// Copies a record, with its place in a trace where its spans are kept, and hands the batch over where it is full.
    /// Never waits; does not allocate once enough buffers for the reader's pace exist.
    #[inline]
    pub fn record(&mut self, record: &Record<'_>, span: Option<SpanIds>, now: Mono) {
        if self.records == 0 {
            self.oldest = now;
        }
        entry::encode(record, span, &mut self.bytes);
        self.records += 1;
        if self.bytes.len() >= FULL_BYTES {
            self.flush();
        }
    }

    /// Hands the batch over where its oldest record has waited long enough.
    #[inline]
    pub fn flush_if_older(&mut self, now: Mono) {
        if self.records > 0 && now >= self.oldest.after(AGE_MAX) {
            self.flush();
        }
    }

    /// Hands the batch over now. Where the queue is full its records are dropped and counted.
    pub fn flush(&mut self) {
        if self.records == 0 {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let records = std::mem::take(&mut self.records);
        match self.shared.queue.offer(Batch { bytes, records }, 0) {
            Ok(()) => {
                let empty = self.shared.empty.try_take();
                self.bytes = empty.unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES));
            }
            Err(mut refused) => {
                self.shared.dropped.fetch_add(records, Ordering::Relaxed);
                refused.bytes.clear();
                self.bytes = refused.bytes;
            }
        }
    }
}

impl Drop for TrailBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The end of the way, for one thread.
#[derive(Debug)]
pub struct TrailReader {
    shared: Arc<Shared>,
}

impl TrailReader {
    /// Waits for a batch and has `each` take its entries; false once the way is closed and empty. Blocks its thread.
    pub fn take(&mut self, mut each: impl FnMut(Entry<'_>)) -> bool {
        match self.shared.queue.take() {
            Taken::Closed => return false,
            Taken::Nudge => {}
            Taken::Item(mut batch) => {
                entry::decode(&batch.bytes, &mut each);
                self.shared.taken.fetch_add(batch.records, Ordering::Relaxed);
                batch.bytes.clear();
                // Beyond the bound a buffer is simply freed.
                drop(self.shared.empty.offer(batch.bytes, 0));
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::samples;

    #[test]
    fn entries_come_back_as_they_were() {
        let (trail, mut reader) = Trail::new(Keeps { logs: true, spans_ppm: 1_000_000 });
        let mut buffer = trail.buffer();
        let span = SpanIds { trace: 7, span: 8, parent: 9 };
        buffer.record(&samples::good(), Some(span), Mono(0));
        buffer.record(&samples::failed(), None, Mono(0));
        buffer.flush_if_older(Mono(0));
        assert_eq!(buffer.records, 2);
        buffer.flush_if_older(Mono(200_000_000));
        let mut lines = Vec::new();
        let mut spans = Vec::new();
        assert!(reader.take(|entry| {
            crate::access::encode_json(&entry.record, &mut lines);
            spans.push(entry.span);
        }));
        let mut expect = Vec::new();
        crate::access::encode_json(&samples::good(), &mut expect);
        crate::access::encode_json(&samples::failed(), &mut expect);
        assert_eq!(String::from_utf8(lines).unwrap(), String::from_utf8(expect).unwrap());
        assert_eq!(spans, [Some(span), None]);
        drop((buffer, trail));
        assert!(!reader.take(|_| unreachable!("there is nothing more")));
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let (trail, mut reader) = Trail::new(Keeps { logs: true, spans_ppm: 0 });
        let mut buffer = trail.buffer();
        for _ in 0..QUEUE_BATCHES + 3 {
            buffer.record(&samples::good(), None, Mono(0));
            buffer.flush();
        }
        let shared = trail.owner.0.clone();
        assert_eq!(shared.dropped.load(Ordering::Relaxed), 3);
        let mut seen = 0;
        for _ in 0..QUEUE_BATCHES {
            assert!(reader.take(|_| seen += 1));
        }
        assert_eq!((seen, shared.taken.load(Ordering::Relaxed)), (QUEUE_BATCHES, QUEUE_BATCHES as u64));
        assert_eq!(trail.keeps().spans_ppm, 0);
    }
}
