//! How far a long reading of files has come, for whoever watches a terminal.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use weir_store::{Disk, Entry, ReadFile, Space, WriteFile};

use crate::terminal::{complain, say_bytes};

const EVERY: Duration = Duration::from_millis(200);

/// A disk that counts what is read of it.
#[derive(Clone)]
pub(super) struct Counting<D> {
    disk: D,
    bytes: Arc<AtomicU64>,
}

impl<D: Disk> Counting<D> {
    pub(super) fn new(disk: D) -> Self {
        Self { disk, bytes: Arc::default() }
    }

    /// Shows how much of `total_bytes` is read from now on, until what is returned is dropped. On a terminal only.
    pub(super) fn watch(&self, what: &'static str, total_bytes: u64) -> Watch {
        if !io::stderr().is_terminal() {
            return Watch { end: None, shown: None };
        }
        let (bytes, before) = (Arc::clone(&self.bytes), self.bytes.load(Ordering::Relaxed));
        let (end, ended) = sync_channel::<()>(1);
        let shown = std::thread::spawn(move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let read = bytes.load(Ordering::Relaxed) - before;
                let percent = read.min(total_bytes).saturating_mul(100) / total_bytes.max(1);
                complain(&format!("\r\x1b[K{what} {percent} % of {}", say_bytes(total_bytes)));
            }
            complain("\r\x1b[K");
        });
        Watch { end: Some(end), shown: Some(shown) }
    }
}

/// Shows how far it is.
pub(super) struct Watch {
    end: Option<SyncSender<()>>,
    shown: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(shown) = self.shown.take() {
            // All that it could say of a failure it has said.
            let _ = shown.join();
        }
    }
}

impl<D: Disk> Disk for Counting<D> {
    fn open(&self, path: &str) -> io::Result<Arc<dyn ReadFile>> {
        let file = self.disk.open(path)?;
        Ok(Arc::new(CountingFile { file, bytes: Arc::clone(&self.bytes) }))
    }
    fn create(&self, path: &str) -> io::Result<Box<dyn WriteFile>> {
        self.disk.create(path)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.link(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.disk.create_dir(path)
    }
    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.disk.remove_dir(path)
    }
    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        self.disk.list(path)
    }
    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.disk.sync_dir(path)
    }
    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }
    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>> {
        self.disk.lock(path)
    }
}

struct CountingFile {
    file: Arc<dyn ReadFile>,
    bytes: Arc<AtomicU64>,
}

impl ReadFile for CountingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.read_at(offset, bytes)
    }
}
