//! The write-ahead log: what was acknowledged is in it until it is in parts.
//!
//! ```text
//!  committers ──► pending bytes ──► one append, one fdatasync ──► their tickets are done
//!                 (in order)        (all that came meanwhile: group commit)
//! ```
//!
//! A generation is a file, and begins with each flush: its records name what they need in themselves, so that it replays
//! without the ones before it, which go when their flush is in the manifest. After a failed write or sync nothing is
//! acknowledged until the store is opened again: what the disk holds is not known any more.

mod frame;
mod replay;
mod ticket;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use weir_signal::{Reason, Refusal};

pub(crate) use frame::{RecordHead, begin};
pub(crate) use replay::{Generation, Replayed, replay};
pub use ticket::Ticket;
use ticket::Waiting;

use crate::disk::{Disk, WriteFile, join};

pub(crate) const FOLDER: &str = "wal";
/// Bytes that may wait for the writer. More is overload.
const PENDING_BYTES_MAX: usize = 64 << 20;
/// Bytes that are copied at once.
const COPY_BYTES: u64 = 1 << 20;
/// Buffers that grew beyond this are given back.
const SPARE_BYTES_MAX: usize = 8 << 20;

/// The log that is written to.
pub(crate) struct Wal {
    disk: Arc<dyn Disk>,
    bytes_max: u64,
    queue: Mutex<Queue>,
    wake_writer: Condvar,
    /// Locked before `queue`.
    writer: Mutex<Writer>,
    waiting: Waiting,
}

struct Queue {
    pending: Vec<u8>,
    /// Where in `pending` the next generation begins, and which that is.
    turns: Vec<(usize, u64)>,
    /// Bytes that were ever queued: what tickets count in.
    position: u64,
    /// The generation that is queued to.
    generation: u64,
    /// Bytes of that generation on the disk for sure.
    synced: u64,
    /// Bytes of every generation that is kept.
    files: BTreeMap<u64, u64>,
    failure: Option<Arc<str>>,
    closed: bool,
}

struct Writer {
    file: Option<Box<dyn WriteFile>>,
    generation: u64,
    written: u64,
    spare: Vec<u8>,
}

/// How the log is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalStats {
    /// Bytes in its files and on the way to them.
    pub bytes: u64,
    /// Its files: generations that are not in parts yet.
    pub generations: u64,
    /// Why nothing is acknowledged any more.
    pub failure: Option<String>,
}

pub(crate) fn file_name(generation: u64) -> String {
    format!("{generation:020}")
}

pub(crate) fn path(generation: u64) -> String {
    join(FOLDER, &file_name(generation))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is locked here is left half-changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wal {
    /// Begins a generation. `files` are those that are kept from before, with their lengths.
    pub(crate) fn create(
        disk: Arc<dyn Disk>,
        bytes_max: u64,
        generation: u64,
        mut files: BTreeMap<u64, u64>,
    ) -> io::Result<Self> {
        let file = disk.create(&path(generation))?;
        disk.sync_dir(FOLDER)?;
        files.insert(generation, 0);
        Ok(Self {
            disk,
            bytes_max,
            queue: Mutex::new(Queue {
                pending: Vec::new(),
                turns: Vec::new(),
                position: 0,
                generation,
                synced: 0,
                files,
                failure: None,
                closed: false,
            }),
            wake_writer: Condvar::new(),
            writer: Mutex::new(Writer { file: Some(file), generation, written: 0, spare: Vec::new() }),
            waiting: Waiting::default(),
        })
    }

    /// Whether a record would be taken now.
    ///
    /// # Errors
    /// `Unavailable` after a failure, `Overloaded` where more waits than may.
    pub(crate) fn admit(&self) -> Result<(), Refusal> {
        let queue = lock(&self.queue);
        if let Some(failure) = &queue.failure {
            return Err(unavailable(failure));
        }
        if queue.closed {
            return Err(Refusal::new(Reason::Unavailable, "the store is closed"));
        }
        let kept: u64 = queue.files.values().sum();
        if queue.pending.len() > PENDING_BYTES_MAX || kept >= self.bytes_max {
            return Err(Refusal::new(
                Reason::Overloaded,
                format!(
                    "the store's log is full ({} MiB): more comes in than is written; send it again later, or give the \
                     store a faster disk",
                    kept >> 20
                ),
            ));
        }
        Ok(())
    }

    /// The generation that records go to. Stays as it is while the caller holds the store's gate.
    pub(crate) fn generation(&self) -> u64 {
        lock(&self.queue).generation
    }

    /// Queues a frame that [`begin`] began. The caller holds what keeps records of one tenant in order, and has asked
    /// [`Wal::admit`].
    pub(crate) fn append(self: &Arc<Self>, frame: &mut [u8], generation: u64) -> Ticket {
        let checksum = frame::body_checksum(frame, generation);
        let mut queue = lock(&self.queue);
        debug_assert_eq!(queue.generation, generation);
        frame::finish(frame, generation, checksum, queue.synced);
        queue.pending.extend_from_slice(frame);
        queue.position += frame.len() as u64;
        *queue.files.entry(generation).or_default() += frame.len() as u64;
        let position = queue.position;
        drop(queue);
        self.wake_writer.notify_one();
        Ticket::new(Arc::clone(self), position)
    }

    /// A ticket for all that was queued so far.
    pub(crate) fn ticket(self: &Arc<Self>) -> Ticket {
        let position = lock(&self.queue).position;
        Ticket::new(Arc::clone(self), position)
    }

    /// Begins the next generation. Its ticket is done when the one before is whole on the disk and the new file is there.
    pub(crate) fn turn_over(self: &Arc<Self>) -> Ticket {
        let mut queue = lock(&self.queue);
        queue.generation += 1;
        let (at, generation) = (queue.pending.len(), queue.generation);
        queue.turns.push((at, generation));
        queue.files.insert(generation, 0);
        queue.synced = 0;
        // A position of its own, so that its ticket is not done by what was queued before.
        queue.position += 1;
        let position = queue.position;
        drop(queue);
        self.wake_writer.notify_one();
        Ticket::new(Arc::clone(self), position)
    }

    /// Writes and syncs what is queued; returns at once where nothing is.
    pub(crate) fn write(&self) {
        let mut writer = lock(&self.writer);
        let (mut bytes, turns, position) = {
            let mut queue = lock(&self.queue);
            if queue.failure.is_some() || (queue.pending.is_empty() && queue.turns.is_empty()) {
                return;
            }
            let spare = std::mem::take(&mut writer.spare);
            (std::mem::replace(&mut queue.pending, spare), std::mem::take(&mut queue.turns), queue.position)
        };
        let done = writer.write(&*self.disk, &bytes, &turns);
        bytes.clear();
        if bytes.capacity() <= SPARE_BYTES_MAX {
            writer.spare = bytes;
        }
        let mut queue = lock(&self.queue);
        match done {
            Ok(()) => {
                if queue.generation == writer.generation {
                    queue.synced = writer.written;
                }
                drop(queue);
                self.waiting.done(position);
            }
            Err(error) => {
                writer.file = None;
                let failure: Arc<str> = format!("{}: {error}", path(writer.generation)).into();
                queue.failure = Some(Arc::clone(&failure));
                drop(queue);
                self.waiting.fail(&failure);
            }
        }
    }

    /// The life of the writer's thread: until [`Wal::close`].
    pub(crate) fn run(&self) {
        loop {
            let mut queue = lock(&self.queue);
            while queue.pending.is_empty() && queue.turns.is_empty() && !queue.closed {
                queue = self.wake_writer.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            let ends = queue.closed && queue.pending.is_empty() && queue.turns.is_empty();
            let failed = queue.failure.is_some();
            drop(queue);
            if ends || failed {
                return;
            }
            self.write();
        }
    }

    /// Nothing is queued any more; what is queued is written.
    pub(crate) fn close(&self) {
        lock(&self.queue).closed = true;
        self.wake_writer.notify_all();
    }

    /// Removes generations up to this one: what they hold is in parts.
    pub(crate) fn remove_through(&self, generation: u64) -> io::Result<()> {
        let gone: Vec<u64> = {
            let queue = lock(&self.queue);
            queue.files.range(..=generation).map(|(&generation, _)| generation).collect()
        };
        for generation in gone {
            match self.disk.remove(&path(generation)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => lock(&self.queue).files.remove(&generation),
            };
        }
        Ok(())
    }

    pub(crate) fn stats(&self) -> WalStats {
        let queue = lock(&self.queue);
        WalStats {
            bytes: queue.files.values().sum(),
            generations: queue.files.len() as u64,
            failure: queue.failure.as_deref().map(str::to_owned),
        }
    }

    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        lock(&self.queue).failure.clone()
    }
}

impl Writer {
    fn write(&mut self, disk: &dyn Disk, bytes: &[u8], turns: &[(usize, u64)]) -> io::Result<()> {
        let mut start = 0;
        for &(at, generation) in turns {
            self.append(&bytes[start..at])?;
            start = at;
            self.file = Some(disk.create(&path(generation))?);
            disk.sync_dir(FOLDER)?;
            (self.generation, self.written) = (generation, 0);
        }
        self.append(&bytes[start..])
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let file = self.file.as_mut().ok_or_else(|| io::Error::other("an earlier write failed"))?;
        file.append(bytes)?;
        file.sync()?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

pub(crate) fn read_only() -> Refusal {
    Refusal::new(
        Reason::Unavailable,
        "the store was opened for reading only; write through the process that has it open",
    )
}

pub(crate) fn unavailable(failure: &str) -> Refusal {
    Refusal::new(
        Reason::Unavailable,
        format!(
            "the store takes nothing: its log could not be written ({failure}); see to the disk, then start it again"
        ),
    )
}

/// Makes a generation whole that a crash ended: copies it up to where it is torn, so that all that is replayed from it is
/// on the disk before anybody is told so. After a failed sync the old file may be readable and not on the disk.
pub(crate) fn make_whole(disk: &dyn Disk, generation: u64, found: &Replayed) -> io::Result<()> {
    let name = file_name(generation);
    let draft = join(FOLDER, &format!("{name}.new"));
    let old = disk.open(&path(generation))?;
    let mut new = disk.create(&draft)?;
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < found.end {
        bytes.resize((found.end - at).min(COPY_BYTES) as usize, 0);
        old.read_at(at, &mut bytes)?;
        new.append(&bytes)?;
        at += bytes.len() as u64;
    }
    new.sync()?;
    drop(new);
    disk.rename(&draft, &path(generation))?;
    disk.sync_dir(FOLDER)
}

#[cfg(test)]
mod tests;
