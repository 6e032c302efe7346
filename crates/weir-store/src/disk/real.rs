//! Files of the operating system.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, Entry, EntryKind, ReadFile, Space, WriteFile};

/// A folder of the operating system.
#[derive(Debug, Clone)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// The folder `root`, which is made where it is not there.
    pub fn new(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self { root: root.to_owned() })
    }

    /// The folder `root`, which has to be there: for reading only.
    pub fn existing(root: &Path) -> io::Result<Self> {
        fs::read_dir(root)?;
        Ok(Self { root: root.to_owned() })
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

impl Disk for RealDisk {
    fn create(&self, path: &str) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(File::create(self.path(path))?))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(File::open(self.path(path))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        fs::hard_link(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        match fs::create_dir(self.path(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        fs::remove_dir(self.path(path))
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.path(path))? {
            let entry = entry?;
            // The store writes only names that are UTF-8; others are not its own.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => EntryKind::Folder,
                Ok(metadata) => EntryKind::File { bytes: metadata.len() },
                // Removed since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            entries.push(Entry { name, kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        File::open(self.path(path))?.sync_all()
    }

    fn space(&self) -> io::Result<Space> {
        let found = rustix::fs::statvfs(&self.root)?;
        Ok(Space {
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        })
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>> {
        let file = File::options().create(true).truncate(false).write(true).open(self.path(path))?;
        file.try_lock()?;
        Ok(Box::new(file))
    }
}

impl WriteFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl ReadFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{create_dirs, read_all, remove_all, replace};

    #[test]
    fn does_what_the_store_asks() {
        let folder = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(&folder.path().join("store")).unwrap();
        create_dirs(&disk, "a/b").unwrap();
        create_dirs(&disk, "a/b").unwrap();
        replace(&disk, "a/b", "file", b"old").unwrap();
        replace(&disk, "a/b", "file", b"new").unwrap();
        let open = disk.open("a/b/file").unwrap();
        disk.link("a/b/file", "a/link").unwrap();
        assert_eq!(read_all(&disk, "a/link").unwrap(), b"new");
        let names: Vec<_> = disk.list("a").unwrap().into_iter().map(|e| (e.name, e.kind)).collect();
        assert_eq!(names, [("b".into(), EntryKind::Folder), ("link".into(), EntryKind::File { bytes: 3 })]);
        remove_all(&disk, "a").unwrap();
        remove_all(&disk, "a").unwrap();
        let mut bytes = [0; 2];
        open.read_at(1, &mut bytes).unwrap();
        assert_eq!(&bytes, b"ew");
        assert_eq!(open.read_at(2, &mut bytes).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(disk.space().unwrap().total_bytes > 0);
    }

    #[test]
    fn a_lock_is_held_once() {
        let folder = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(folder.path()).unwrap();
        let held = disk.lock("lock").unwrap();
        assert_eq!(disk.lock("lock").map(drop).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        disk.lock("lock").map(drop).unwrap();
    }
}
