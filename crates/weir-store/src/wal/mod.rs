//! The write-ahead log: what was acknowledged is in it until it is in parts.
//!
//! ```text
//!  committers ──► pending bytes ──► one append, one fdatasync ──► their tickets are done
//!                 (in order)        (all that came meanwhile: group commit)
//! ```
//!
//! The log is a row of numbered files. A generation begins with each flush, and with a file: its records name the series that
//! they need anew, so that it replays without the files before it, which go when their flush is in the manifest. A generation
//! that grows goes on in further files, so that the last one, which has to be made whole at a start, is never large. Before
//! a file is begun, all of the one before is on the disk.
//!
//! After a failed write or sync nothing is acknowledged until the store is opened again: what the disk holds is not known
//! any more.

mod frame;
mod replay;
mod ticket;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use weir_signal::{Reason, Refusal};

pub(crate) use frame::{RecordHead, begin};
pub(crate) use replay::{Ended, Replayed, replay};
pub use ticket::Ticket;
use ticket::Waiting;

use crate::disk::{Disk, WriteFile, join};

pub(crate) const FOLDER: &str = "wal";
/// Bytes that may wait for the writer. More is overload.
const PENDING_BYTES_MAX: usize = 64 << 20;
/// Bytes that are copied at once.
const COPY_BYTES: u64 = 1 << 20;
/// A file is at most this part of the whole log, and one record.
const FILES: u64 = 8;
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
    /// Where in `pending` the next file begins, and which that is.
    turns: Vec<(usize, u64)>,
    /// Bytes that were ever queued: what tickets count in.
    position: u64,
    /// The file that is queued to.
    file: u64,
    /// The first file of the generation.
    generation: u64,
    /// Bytes of the generation.
    generation_bytes: u64,
    /// Bytes of it on the disk for sure.
    synced: u64,
    /// Bytes of every file that is kept.
    files: BTreeMap<u64, u64>,
    failure: Option<Arc<str>>,
    closed: bool,
}

struct Writer {
    file: Option<Box<dyn WriteFile>>,
    number: u64,
    written: u64,
    spare: Vec<u8>,
}

/// A generation that has this part of the whole log should be flushed, whatever the heads hold: short records of many new
/// series fill the log before they fill memory.
const SHARES: u64 = 3;

/// What a record made of its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    /// With it, the generation has its share of the log.
    Share,
    /// Not yet, or not only now.
    Less,
}

/// How the log is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalStats {
    /// Bytes in its files and on the way to them.
    pub bytes: u64,
    /// Its files.
    pub files: u64,
    /// Why nothing is acknowledged any more.
    pub failure: Option<String>,
}

fn file_name(file: u64) -> String {
    format!("{file:020}")
}

/// Which file of the log has this name.
pub(crate) fn file_number(name: &str) -> Option<u64> {
    name.parse().ok().filter(|&number| file_name(number) == name)
}

pub(crate) fn path(file: u64) -> String {
    join(FOLDER, &file_name(file))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is locked here is left half-changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wal {
    /// Begins a generation with the file `number`. `files` are those that are kept from before, with their lengths.
    pub(crate) fn create(
        disk: Arc<dyn Disk>,
        bytes_max: u64,
        number: u64,
        mut files: BTreeMap<u64, u64>,
    ) -> io::Result<Self> {
        let file = disk.create(&path(number))?;
        disk.sync_dir(FOLDER)?;
        files.insert(number, 0);
        Ok(Self {
            disk,
            bytes_max,
            queue: Mutex::new(Queue {
                pending: Vec::new(),
                turns: Vec::new(),
                position: 0,
                file: number,
                generation: number,
                generation_bytes: 0,
                synced: 0,
                files,
                failure: None,
                closed: false,
            }),
            wake_writer: Condvar::new(),
            writer: Mutex::new(Writer { file: Some(file), number, written: 0, spare: Vec::new() }),
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

    /// The file that records go to.
    pub(crate) fn file(&self) -> u64 {
        lock(&self.queue).file
    }

    /// The generation that records belong to. Stays as it is while the caller holds the store's gate.
    pub(crate) fn generation(&self) -> u64 {
        lock(&self.queue).generation
    }

    /// Queues a frame that [`begin`] began. The caller holds what keeps records of one tenant in order, and has asked
    /// [`Wal::admit`].
    pub(crate) fn append(self: &Arc<Self>, frame: &mut [u8]) -> (Ticket, Fill) {
        let checksum = frame::body_checksum(frame);
        let mut queue = lock(&self.queue);
        let file = queue.file;
        if queue.files.get(&file).is_some_and(|&bytes| bytes >= self.bytes_max / FILES) {
            queue.turn();
        }
        let file = queue.file;
        frame::finish(frame, file, checksum, queue.synced);
        queue.pending.extend_from_slice(frame);
        queue.position += frame.len() as u64;
        *queue.files.entry(file).or_default() += frame.len() as u64;
        let position = queue.position;
        let before = queue.generation_bytes;
        queue.generation_bytes += frame.len() as u64;
        let share = self.bytes_max / SHARES;
        let fill = if before < share && queue.generation_bytes >= share { Fill::Share } else { Fill::Less };
        drop(queue);
        self.wake_writer.notify_one();
        (Ticket::new(Arc::clone(self), position), fill)
    }

    /// A ticket for all that was queued so far.
    pub(crate) fn ticket(self: &Arc<Self>) -> Ticket {
        let position = lock(&self.queue).position;
        Ticket::new(Arc::clone(self), position)
    }

    /// Begins the next generation. Its ticket is done when the ones before are whole on the disk and the new file is there.
    pub(crate) fn turn_over(self: &Arc<Self>) -> Ticket {
        let mut queue = lock(&self.queue);
        queue.turn();
        queue.generation = queue.file;
        queue.generation_bytes = 0;
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
                if queue.file == writer.number {
                    queue.synced = writer.written;
                }
                drop(queue);
                self.waiting.done(position);
            }
            Err(error) => {
                writer.file = None;
                let failure: Arc<str> = format!("{}: {error}", path(writer.number)).into();
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

    /// Removes files up to this one: what they hold is in parts.
    pub(crate) fn remove_through(&self, file: u64) -> io::Result<()> {
        let gone: Vec<u64> = {
            let queue = lock(&self.queue);
            queue.files.range(..=file).map(|(&file, _)| file).collect()
        };
        for file in gone {
            match self.disk.remove(&path(file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => lock(&self.queue).files.remove(&file),
            };
        }
        Ok(())
    }

    pub(crate) fn stats(&self) -> WalStats {
        let queue = lock(&self.queue);
        WalStats {
            bytes: queue.files.values().sum(),
            files: queue.files.len() as u64,
            failure: queue.failure.as_deref().map(str::to_owned),
        }
    }

    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        lock(&self.queue).failure.clone()
    }
}

impl Queue {
    /// What is queued from here on goes to the next file.
    fn turn(&mut self) {
        self.file += 1;
        self.turns.push((self.pending.len(), self.file));
        self.files.insert(self.file, 0);
        self.synced = 0;
    }
}

impl Writer {
    fn write(&mut self, disk: &dyn Disk, bytes: &[u8], turns: &[(usize, u64)]) -> io::Result<()> {
        let mut start = 0;
        for &(at, file) in turns {
            self.append(&bytes[start..at])?;
            start = at;
            self.file = Some(disk.create(&path(file))?);
            disk.sync_dir(FOLDER)?;
            (self.number, self.written) = (file, 0);
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

/// Makes a file whole that a crash ended: copies it up to where it is torn, so that all that is replayed from it is
/// on the disk before anybody is told so. After a failed sync the old file may be readable and not on the disk.
pub(crate) fn make_whole(disk: &dyn Disk, file: u64, found: &Replayed) -> io::Result<()> {
    let name = file_name(file);
    let draft = join(FOLDER, &format!("{name}.new"));
    let old = disk.open(&path(file))?;
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
    disk.rename(&draft, &path(file))?;
    disk.sync_dir(FOLDER)
}

#[cfg(test)]
mod tests;
