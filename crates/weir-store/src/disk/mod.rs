//! The one door to files: everything that the store reads or writes passes a [`Disk`].

mod real;
mod sim;

use std::io;
use std::sync::Arc;

pub use real::RealDisk;
pub use sim::{Crash, Faults, SimDisk};

/// A folder and what may be done in it. Paths are relative to it, UTF-8, with `/` between their parts; `""` is the folder
/// itself.
///
/// # What lasts
/// The store relies on these promises, and on no others:
///
/// * Bytes that were appended last once [`WriteFile::sync`] has returned `Ok`. Before, any part of them may be lost,
///   whatever the order in which they were written, and holes may read as zeros.
/// * A failed sync says nothing of the bytes before it: they may be on the disk, or may never get there, although they can
///   still be read; a later sync that succeeds does not change that.
/// * A name that was created, removed, linked or renamed lasts once [`Disk::sync_dir`] of its folder has returned `Ok`.
///   Before, it may be there or not, whatever the order; syncing a file does not sync its name.
/// * A rename within one folder is atomic: after a crash the new name stands for the old file or for the new one.
/// * An open file can be read after its name was removed.
pub trait Disk: Send + Sync {
    /// A new, empty file that can be appended to. A file of that name is replaced.
    fn create(&self, path: &str) -> io::Result<Box<dyn WriteFile>>;

    /// A file to read.
    fn open(&self, path: &str) -> io::Result<Arc<dyn ReadFile>>;

    /// Renames a file within its folder, replacing what has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// A second name for a file that is not written to any more.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes one folder, whose parent is there. `Ok` where it is there already.
    fn create_dir(&self, path: &str) -> io::Result<()>;

    /// Removes an empty folder.
    fn remove_dir(&self, path: &str) -> io::Result<()>;

    /// What is in a folder, ascending by name.
    fn list(&self, path: &str) -> io::Result<Vec<Entry>>;

    /// Makes the names in a folder last.
    fn sync_dir(&self, path: &str) -> io::Result<()>;

    /// How much room there is.
    fn space(&self) -> io::Result<Space>;

    /// Takes a lock that no other process and no other opener holds, until what is returned is dropped.
    ///
    /// # Errors
    /// `WouldBlock` where somebody else holds it.
    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>>;
}

/// A file that is being written, from its beginning to its end.
pub trait WriteFile: Send {
    /// Adds bytes at the end. After an error the file may hold any part of them.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes all that was appended last (`fdatasync`).
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that is being read.
#[expect(clippy::len_without_is_empty, reason = "whether a file is empty is nobody's question")]
pub trait ReadFile: Send + Sync {
    /// How many bytes it holds.
    fn len(&self) -> io::Result<u64>;

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` where the file ends before.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the folder.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What something in a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A file of so many bytes.
    File {
        /// Its length.
        bytes: u64,
    },
}

/// How much room there is on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can still be written.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// Makes a folder and those above it, so that they last.
pub(crate) fn create_dirs(disk: &dyn Disk, path: &str) -> io::Result<()> {
    let mut parent = "";
    for (at, _) in path.match_indices('/').chain([(path.len(), "")]) {
        let folder = &path[..at];
        let name = folder.rsplit('/').next().unwrap_or(folder);
        if !disk.list(parent)?.iter().any(|entry| entry.name == name) {
            disk.create_dir(folder)?;
        }
        // Also where it was there: whoever made it may have crashed before this.
        disk.sync_dir(parent)?;
        parent = folder;
    }
    Ok(())
}

/// Removes a folder and all that is in it. What is gone already is no error.
pub(crate) fn remove_all(disk: &dyn Disk, path: &str) -> io::Result<()> {
    let entries = match disk.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let inner = join(path, &entry.name);
        match entry.kind {
            EntryKind::Folder => remove_all(disk, &inner)?,
            EntryKind::File { .. } => disk.remove(&inner)?,
        }
    }
    disk.remove_dir(path)
}

/// All bytes of a file.
pub(crate) fn read_all(disk: &dyn Disk, path: &str) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let mut bytes = vec![0; file.len()? as usize];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Replaces a file so that after a crash there is the old one or the new one, whole.
pub(crate) fn replace(disk: &dyn Disk, folder: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (path, draft) = (join(folder, name), join(folder, &format!("{name}.new")));
    let mut file = disk.create(&draft)?;
    file.append(bytes)?;
    file.sync()?;
    drop(file);
    disk.rename(&draft, &path)?;
    disk.sync_dir(folder)
}

/// A path below a folder.
pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
