//! From a worker's buffer to the file: batches over a bounded queue to one thread.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use weir_model::Mono;

use crate::logging::Colour;
use crate::queue::{Bounded, Taken};

use super::json::encode_json;
use super::record::{RECORD_BYTES_MAX, Record};
use super::sink::Sink;
use super::text::encode_text;
use super::totals::Totals;

/// Room of one buffer. It is handed over while the longest record still fits, so that it never grows.
const BUFFER_BYTES: usize = 64 * 1_024;
const FULL_BYTES: usize = BUFFER_BYTES - RECORD_BYTES_MAX;

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// One readable line.
    Text(Colour),
}

/// Where records go.
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file, made where missing (readable by owner and group only) and appended to.
    File(PathBuf),
    /// Anything else. Called from the writer thread only, which it may block.
    Writer(Box<dyn io::Write + Send>),
}

/// How an access log is set up.
pub struct Settings {
    /// Where records go.
    pub target: Target,
    /// How they are written.
    pub format: Format,
    /// Batches (of up to 64 KiB) that may wait for the writer. At least one.
    pub queue_batches: usize,
    /// How long a record may stay in a worker's buffer.
    pub age_max: Duration,
}

impl Settings {
    /// A queue of 4 MiB, and records that wait at most 200 ms.
    pub fn new(target: Target, format: Format) -> Self {
        Self { target, format, queue_batches: 64, age_max: Duration::from_millis(200) }
    }
}

/// The access log: its queue and its thread. Clones are the same log. The thread ends when the last clone is dropped and
/// the last batch is written.
#[derive(Clone, Debug)]
pub struct AccessLog {
    owner: Arc<Owner>,
}

/// Closes the queue with the last [`AccessLog`]; buffers hold only what is behind it.
#[derive(Debug)]
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

#[derive(Debug)]
struct Shared {
    format: Format,
    age_max: Duration,
    queue: Bounded<Batch>,
    /// Empty buffers on their way back to the workers.
    empty: Bounded<Vec<u8>>,
    reopen: AtomicBool,
    totals: Totals,
}

#[derive(Debug)]
struct Batch {
    bytes: Vec<u8>,
    records: u64,
}

impl AccessLog {
    /// Opens the target and starts the writer. `totals` go on counting where an earlier log left them.
    pub fn start(settings: Settings, totals: &Totals) -> io::Result<Self> {
        let batches = settings.queue_batches.max(1);
        let mut sink = Sink::open(settings.target)?;
        let shared = Arc::new(Shared {
            format: settings.format,
            age_max: settings.age_max,
            queue: Bounded::new(batches),
            empty: Bounded::new(batches),
            reopen: AtomicBool::new(false),
            totals: totals.clone(),
        });
        let writer = shared.clone();
        thread::Builder::new().name("weir-access-log".into()).spawn(move || writer.write(&mut sink))?;
        Ok(Self { owner: Arc::new(Owner(shared)) })
    }

    /// A buffer for one worker.
    pub fn buffer(&self) -> AccessBuffer {
        AccessBuffer {
            bytes: Vec::with_capacity(BUFFER_BYTES),
            records: 0,
            oldest: Mono::NEVER,
            shared: self.owner.0.clone(),
        }
    }

    /// Opens the file again before the next batch, for whoever has moved it away. Where that fails, the old file is
    /// written on and the error counted. Returns at once.
    pub fn reopen(&self) {
        self.owner.0.reopen.store(true, Ordering::Release);
        self.owner.0.queue.nudge();
    }

    /// Waits until everything handed over before this call is written, but no longer than `bound`; says whether it is.
    /// Workers hand over what they hold by dropping or flushing their buffers first.
    pub fn flush(&self, bound: Duration) -> bool {
        self.owner.0.queue.flush(bound)
    }

    /// Batches that wait for the writer.
    pub fn depth(&self) -> usize {
        self.owner.0.queue.len()
    }
}

impl Shared {
    /// The writer thread.
    fn write(&self, sink: &mut Sink) {
        loop {
            let taken = self.queue.take();
            if self.reopen.swap(false, Ordering::AcqRel)
                && let Err(error) = sink.reopen()
            {
                self.totals.error();
                sink.report(&error, "reopened");
            }
            match taken {
                Taken::Closed => return,
                Taken::Nudge => {}
                Taken::Item(mut batch) => {
                    let written = sink.write(&batch.bytes);
                    self.totals.finished(batch.records, written.is_ok());
                    if let Err(error) = written {
                        sink.report(&error, "written");
                    }
                    batch.bytes.clear();
                    // Beyond the bound a buffer is simply freed.
                    drop(self.empty.offer(batch.bytes, 0));
                }
            }
        }
    }
}

/// A worker's own buffer. Hands over what it holds when it is dropped.
#[derive(Debug)]
pub struct AccessBuffer {
    bytes: Vec<u8>,
    records: u64,
    oldest: Mono,
    shared: Arc<Shared>,
}

impl AccessBuffer {
    /// Encodes a record, and hands the batch over where it is full. Never waits; does not allocate once enough buffers
    /// for the writer's pace exist.
    #[inline]
    pub fn record(&mut self, record: &Record<'_>, now: Mono) {
        if self.records == 0 {
            self.oldest = now;
        }
        match self.shared.format {
            Format::Json => encode_json(record, &mut self.bytes),
            Format::Text(colour) => encode_text(record, &mut self.bytes, colour),
        }
        self.records += 1;
        if self.bytes.len() >= FULL_BYTES {
            self.flush();
        }
    }

    /// When [`AccessBuffer::flush_if_older`] has something to do; none while the buffer is empty.
    pub fn due(&self) -> Option<Mono> {
        (self.records > 0).then(|| self.oldest.after(self.shared.age_max))
    }

    /// Hands the batch over where its oldest record has waited long enough. A worker calls it when it wakes up.
    #[inline]
    pub fn flush_if_older(&mut self, now: Mono) {
        if self.due().is_some_and(|due| now >= due) {
            self.flush();
        }
    }

    /// Hands the batch over now. Where the queue is full its records are dropped and counted.
    pub fn flush(&mut self) {
        if self.records == 0 {
            return;
        }
        let full = std::mem::take(&mut self.bytes);
        let records = std::mem::take(&mut self.records);
        // Counted first, so that the writer cannot be through with a batch before it waits.
        self.shared.totals.handed();
        match self.shared.queue.offer(Batch { bytes: full, records }, 0) {
            Ok(()) => {
                let empty = self.shared.empty.try_take();
                self.bytes = empty.unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES));
            }
            Err(mut refused) => {
                self.shared.totals.refused(records);
                refused.bytes.clear();
                self.bytes = refused.bytes;
            }
        }
    }
}

impl Drop for AccessBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::super::record::samples;
    use super::super::totals::Counts;
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn start(target: Target, queue_batches: usize) -> AccessLog {
        let settings = Settings { queue_batches, ..Settings::new(target, Format::Json) };
        AccessLog::start(settings, &Totals::default()).unwrap()
    }

    /// Announces each write, then waits until it may go on.
    struct Gate(SyncSender<()>, Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(()).unwrap();
            self.1.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.2.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_queue_drops_exactly_what_does_not_fit() {
        let (arrived, at_gate) = sync_channel(0);
        let (open, gate) = sync_channel(100);
        let written = Arc::new(Mutex::new(Vec::new()));
        let log = start(Target::Writer(Box::new(Gate(arrived, gate, written.clone()))), 3);
        let mut buffer = log.buffer();
        let mut batch = |records: u64| {
            for _ in 0..records {
                buffer.record(&samples::good(), Mono(0));
            }
            buffer.flush();
        };
        batch(1);
        at_gate.recv().unwrap();
        // The writer holds the first batch; three more wait; the rest has no place.
        for records in [2, 3, 4, 5, 6] {
            batch(records);
        }
        assert_eq!(
            (log.depth(), log.owner.0.totals.counts()),
            (3, Counts { written: 0, dropped: 11, lost: 0, errors: 0 })
        );
        assert!(!log.flush(Duration::from_millis(1)));
        for _ in 0..4 {
            open.send(()).unwrap();
        }
        for _ in 0..3 {
            at_gate.recv().unwrap();
        }
        assert!(log.flush(LONG));
        assert_eq!(log.owner.0.totals.counts(), Counts { written: 10, dropped: 11, lost: 0, errors: 0 });
        let lines = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert_eq!(lines.lines().count(), 10);
        assert!(lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }

    #[test]
    fn batches_go_when_full_or_old_and_buffers_come_back() {
        let log = start(Target::Writer(Box::new(io::sink())), 8);
        let mut buffer = log.buffer();
        assert_eq!(buffer.due(), None);
        buffer.record(&samples::good(), Mono(5));
        assert_eq!(buffer.due(), Some(Mono(200_000_005)));
        buffer.flush_if_older(Mono(200_000_004));
        assert_eq!(buffer.records, 1);
        buffer.flush_if_older(Mono(200_000_005));
        assert_eq!(buffer.records, 0);
        for _ in 0..2_000 {
            buffer.record(&samples::good(), Mono(0));
            assert_eq!(buffer.bytes.capacity(), BUFFER_BYTES);
            if buffer.records == 0 {
                assert!(log.flush(LONG));
            }
        }
        drop(buffer);
        assert!(log.flush(LONG));
        assert_eq!(log.owner.0.totals.counts(), Counts { written: 2_001, dropped: 0, lost: 0, errors: 0 });
        let buffers = log.owner.0.empty.len();
        assert!(buffers <= 3, "{buffers} buffers for one worker at a writer that keeps pace");
    }

    #[test]
    fn a_moved_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        let log = start(Target::File(path.clone()), 8);
        let mut buffer = log.buffer();
        let mut write = |records: usize| {
            for _ in 0..records {
                buffer.record(&samples::good(), Mono(0));
            }
            buffer.flush();
            assert!(log.flush(LONG));
        };
        write(2);
        fs::rename(&path, &moved).unwrap();
        write(1);
        log.reopen();
        write(4);
        let lines = |path| fs::read_to_string(path).unwrap().lines().count();
        assert_eq!((lines(&moved), lines(&path)), (3, 4));
    }

    #[test]
    fn errors_are_counted_and_survived() {
        /// A disk that is full for a while, and takes half a batch before it says so.
        struct Full(Arc<AtomicBool>, Arc<Mutex<Vec<u8>>>, bool);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let full = self.0.load(Ordering::Relaxed);
                if full && std::mem::replace(&mut self.2, true) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                let taken = if full { bytes.len() / 2 } else { bytes.len() };
                self.1.lock().unwrap().extend_from_slice(&bytes[..taken]);
                Ok(taken)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (full, written) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let log = start(Target::Writer(Box::new(Full(full.clone(), written.clone(), false))), 8);
        let mut buffer = log.buffer();
        let mut write = |records: usize| {
            for _ in 0..records {
                buffer.record(&samples::good(), Mono(0));
            }
            buffer.flush();
            assert!(log.flush(LONG));
        };
        write(3);
        full.store(false, Ordering::Relaxed);
        write(2);
        assert_eq!(log.owner.0.totals.counts(), Counts { written: 2, dropped: 0, lost: 3, errors: 1 });
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let whole =
            text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count();
        assert_eq!((whole, text.lines().count()), (3, 4), "the torn line ends before the next record begins");
    }
}
