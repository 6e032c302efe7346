//! Copies of a store: a snapshot beside it, and a store from one.

use std::io;

use weir_signal::Tenant;
use xxhash_rust::xxh3::Xxh3;

use super::Store;
use super::inner::locked;
use crate::disk::{Disk, create_dirs, join, remove_all, replace};
use crate::error::StoreError;
use crate::manifest::{COPY, FileMeta, Manifest, NAME, PART_FILES};
use crate::part;

const FOLDER: &str = "snapshots";
const COPY_BYTES: usize = 1 << 20;

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Parts.
    pub parts: u64,
    /// Bytes of their files.
    pub bytes: u64,
}

impl Store {
    /// Makes a snapshot of all that was committed before, in the folder `snapshots/NAME` of the store, and gives that
    /// folder. It is a store of its own that can be opened, copied away, or restored; its files are second names of the
    /// store's, so that it takes no time and, until parts are merged, no room.
    ///
    /// # Errors
    /// There is one of that name, the name cannot be a folder's, or a file could not be written; then there is none.
    pub fn snapshot(&self, name: &str) -> Result<String, StoreError> {
        let disk = &self.inner.disk;
        let folder = join(FOLDER, name);
        let wrong = |kind: io::ErrorKind, what: &str| {
            Err(StoreError::Io { what: format!("snapshot `{name}`"), error: io::Error::new(kind, what) })
        };
        if name.is_empty() || Tenant::new(name).is_none() {
            return wrong(io::ErrorKind::InvalidInput, "use letters, digits, `-`, `_` and `.` for its name");
        }
        if disk.list(&folder).is_ok() {
            return wrong(
                io::ErrorKind::AlreadyExists,
                "there is one of that name; remove it or choose another",
            );
        }
        self.inner.flush(None)?;
        // Both from one moment; the parts stay while this holds them.
        let (mut manifest, view) = {
            let manifest = locked(&self.inner.manifest);
            (manifest.clone(), self.inner.view())
        };
        let made = make(&**disk, &folder, &mut manifest);
        drop(view);
        if made.is_err() {
            let _ = remove_all(&**disk, &folder);
        }
        made.map_err(StoreError::io(format!("snapshot `{name}`")))?;
        Ok(folder)
    }

    /// The names of the snapshots, ascending.
    pub fn snapshots(&self) -> Vec<String> {
        let entries = self.inner.disk.list(FOLDER).unwrap_or_default();
        entries.into_iter().map(|entry| entry.name).collect()
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// A file could not be removed.
    pub fn remove_snapshot(&self, name: &str) -> Result<(), StoreError> {
        let known = self.snapshots().iter().any(|known| known == name);
        let done = if known { remove_all(&*self.inner.disk, &join(FOLDER, name)) } else { Ok(()) };
        done.map_err(StoreError::io(format!("remove snapshot `{name}`")))
    }
}

fn make(disk: &dyn Disk, folder: &str, manifest: &mut Manifest) -> io::Result<()> {
    create_dirs(disk, folder)?;
    for meta in &manifest.parts {
        let from = part::folder(meta);
        let to = join(folder, &from);
        create_dirs(disk, &to)?;
        for (name, file) in PART_FILES.iter().zip(&meta.files) {
            if file.bytes > 0 {
                disk.link(&join(&from, name), &join(&to, name))?;
            }
        }
        disk.sync_dir(&to)?;
    }
    manifest.edition += 1;
    let bytes = manifest.encode();
    replace(disk, folder, COPY, &bytes)?;
    replace(disk, folder, NAME, &bytes)
}

/// Copies a store that nobody writes to, such as a snapshot, to an empty disk, and compares every byte with its manifest.
///
/// # Errors
/// `to` has a store already, a file is damaged, or one cannot be read or written; then `to` has no manifest, and is no store.
pub fn restore(from: &dyn Disk, to: &dyn Disk) -> Result<Copied, StoreError> {
    let load = |disk: &dyn Disk| Manifest::load(disk).map_err(StoreError::io("read the manifest"));
    let found = load(from)?;
    let Some(mut manifest) = found.manifest else {
        let error =
            io::Error::new(io::ErrorKind::NotFound, "there is no whole manifest; is this a snapshot?");
        return Err(StoreError::Io { what: "restore".to_owned(), error });
    };
    let there = load(to)?;
    if there.manifest.is_some() || !there.damaged.is_empty() {
        let error = io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a store already; restore to an empty folder",
        );
        return Err(StoreError::Io { what: "restore".to_owned(), error });
    }
    let mut copied = Copied::default();
    for meta in &manifest.parts {
        let folder = part::folder(meta);
        create_dirs(to, &folder).map_err(StoreError::io(&folder))?;
        for (name, file) in PART_FILES.iter().zip(&meta.files) {
            if file.bytes > 0 {
                let path = join(&folder, name);
                copy(from, to, &path, file).map_err(StoreError::io(path))?;
                copied.bytes += file.bytes;
            }
        }
        to.sync_dir(&folder).map_err(StoreError::io(&folder))?;
        copied.parts += 1;
    }
    manifest.save(to).map_err(StoreError::io("write the manifest"))?;
    Ok(copied)
}

fn copy(from: &dyn Disk, to: &dyn Disk, path: &str, meta: &FileMeta) -> io::Result<()> {
    let source = from.open(path)?;
    let mut target = to.create(path)?;
    let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    if source.len()? != meta.bytes {
        return Err(damaged("it has another length than its manifest says"));
    }
    let (mut hash, mut bytes, mut at) = (Xxh3::new(), Vec::new(), 0);
    while at < meta.bytes {
        bytes.resize((meta.bytes - at).min(COPY_BYTES as u64) as usize, 0);
        source.read_at(at, &mut bytes)?;
        hash.update(&bytes);
        target.append(&bytes)?;
        at += bytes.len() as u64;
    }
    if hash.digest() != meta.checksum {
        return Err(damaged("it is damaged: its checksum is not the one in its manifest"));
    }
    target.sync()
}
