//! The journal as a file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Journal;
use crate::node::BoxFuture;

const NAME: &str = "submissions";
const NEW: &str = "submissions.new";
const LOCK: &str = "lock";

/// A journal in a folder: one file, written anew beside itself when it has grown. Calls run on the runtime's threads for blocking work.
#[derive(Debug)]
pub struct FileJournal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// `None` after a write failed in a way that leaves unknown what the file holds.
    file: Mutex<Option<File>>,
    /// Held for as long as this is.
    _lock: File,
}

/// Why a journal was not opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalOpenError {
    /// Another client has it.
    #[error(
        "the journal in {0} is in use by another process; submit through that, or give this one another folder"
    )]
    InUse(PathBuf),
    /// It cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// What was to be opened.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

impl FileJournal {
    /// Opens the journal in `folder`, which is made where it is missing. Blocks for as long as that takes.
    pub fn open(folder: &Path) -> Result<Self, JournalOpenError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| JournalOpenError::Io { path, error }
        };
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        let lock_path = folder.join(LOCK);
        let lock = writable(&lock_path).map_err(io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalOpenError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io(&lock_path)(error)),
        }
        let path = folder.join(NAME);
        let file = writable(&path).map_err(io(&path))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io(folder))?;
        let inner = Inner { folder: folder.to_owned(), file: Mutex::new(Some(file)), _lock: lock };
        Ok(Self { inner: Arc::new(inner) })
    }

    fn blocking<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, io::Result<T>> {
        let inner = self.inner.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || run(&inner))
                .await
                .unwrap_or_else(|e| Err(io::Error::other(e)))
        })
    }
}

fn writable(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

impl Inner {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut held = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = held.as_mut() else {
            return Err(io::Error::other("an earlier write failed; the journal has to be opened again"));
        };
        let end = file.seek(SeekFrom::End(0))?;
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        if written.is_err() {
            // What may have got there has to go, or what follows would stand behind a torn record. Where a sync failed, nobody knows what the
            // kernel dropped: the file is given up unless it can be cut and synced.
            let cut = file.set_len(end).and_then(|()| file.sync_all());
            if cut.is_err() {
                *held = None;
            }
        }
        written
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut held = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.folder.join(NEW);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&path, self.folder.join(NAME))?;
        // From here on the old file has no name: appends go to the new one, whatever becomes of the folder's sync.
        *held = Some(file);
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        if synced.is_err() {
            *held = None;
        }
        synced
    }
}

impl Journal for FileJournal {
    fn read(&self) -> BoxFuture<'_, io::Result<Vec<u8>>> {
        self.blocking(|inner| {
            let mut held = inner.file.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(file) = held.as_mut() else { return Err(io::Error::other("the journal was given up")) };
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    }

    fn append(&self, bytes: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        self.blocking(move |inner| inner.append(&bytes))
    }

    fn replace(&self, bytes: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        self.blocking(move |inner| inner.replace(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_appended_is_there_when_it_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(folder.path()).unwrap();
        assert!(matches!(FileJournal::open(folder.path()), Err(JournalOpenError::InUse(_))));
        journal.append(b"one".to_vec()).await.unwrap();
        journal.append(b"two".to_vec()).await.unwrap();
        drop(journal);
        let journal = FileJournal::open(folder.path()).unwrap();
        assert_eq!(journal.read().await.unwrap(), b"onetwo");
        journal.replace(b"1".to_vec()).await.unwrap();
        journal.append(b"2".to_vec()).await.unwrap();
        assert_eq!(journal.read().await.unwrap(), b"12");
        drop(journal);
        let journal = FileJournal::open(folder.path()).unwrap();
        assert_eq!(journal.read().await.unwrap(), b"12");
    }
}
