//! A disk in memory that breaks every promise that [`Disk`] does not make, by a seed.

mod content;
mod names;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use content::Content;
use names::{Names, Node};

use super::{Disk, Entry, EntryKind, ReadFile, Space, WriteFile};

/// What goes wrong on a [`SimDisk`], beside what a crash does. Chances are out of 65,536.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// How often syncing a file fails. What it should have made last may be lost for good, though it can still be read.
    pub sync_fails: u16,
    /// How often syncing a folder fails.
    pub sync_dir_fails: u16,
    /// Bytes that the disk holds; 0 for no limit.
    pub full_at_bytes: u64,
    /// The process stops at this operation that changes the disk, counted from the last start: it is done in part, and all
    /// that follow fail. 0 for never.
    pub crash_at: u64,
}

/// What ended the process that used the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// It was killed: all that was written can still be read, and what a failed sync lost is still not on the disk.
    Killed,
    /// The power went: what was not synced is there, torn, or gone.
    PowerLost,
}

/// A disk in memory. The same seed and the same calls give the same faults.
///
/// Used by one thread at a time, a run replays from its seed.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    chance: Chance,
    faults: Faults,
    names: Names,
    contents: Vec<Content>,
    /// Operations since the last start.
    operations: u64,
    crashed: bool,
    /// Grows with each start; files opened before are dead.
    start: u64,
    locks: Vec<String>,
}

/// A small generator (SplitMix64).
#[derive(Debug, Clone)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn happens(&mut self, out_of_65536: u16) -> bool {
        out_of_65536 > 0 && self.below(65_536) < u64::from(out_of_65536)
    }
}

impl SimDisk {
    /// An empty disk without faults.
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                chance: Chance(seed),
                faults: Faults::default(),
                names: Names::new(),
                contents: Vec::new(),
                operations: 0,
                crashed: false,
                start: 0,
                locks: Vec::new(),
            })),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere shall show its own panic.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Operations that changed the disk since the last start.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Whether [`Faults::crash_at`] was reached.
    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// Ends the process that used the disk, and starts the disk again. Files that are open are dead, locks are free, and
    /// nothing goes wrong until [`SimDisk::set_faults`].
    pub fn crash(&self, crash: Crash) {
        let mut state = self.state();
        let State { chance, names, contents, .. } = &mut *state;
        if crash == Crash::PowerLost {
            names.lose(chance);
            for content in contents.iter_mut() {
                content.lose(chance);
            }
        }
        state.faults = Faults::default();
        state.operations = 0;
        state.crashed = false;
        state.start += 1;
        state.locks.clear();
    }

    /// Turns one bit of a file, on the disk and in what is read.
    ///
    /// # Errors
    /// There is no such file, or it is shorter.
    pub fn flip(&self, path: &str, byte: u64, bit: u8) -> io::Result<()> {
        let mut state = self.state();
        let content = state.names.file(path)?;
        state.contents[content].flip(byte as usize, bit).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The paths of all files, ascending.
    pub fn files(&self) -> Vec<String> {
        self.state().names.files()
    }
}

impl State {
    /// Notes an operation that changes the disk. `Ok(true)`: it is the one at which the process stops.
    fn operate(&mut self) -> io::Result<bool> {
        self.alive()?;
        self.operations += 1;
        self.crashed = self.operations == self.faults.crash_at;
        Ok(self.crashed)
    }

    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(stopped()) } else { Ok(()) }
    }

    /// An operation on names, which happens or not where the process stops at it.
    fn name(&mut self, change: impl FnOnce(&mut Names) -> io::Result<()>) -> io::Result<()> {
        let stops = self.operate()?;
        if !stops || self.chance.happens(32_768) {
            change(&mut self.names)?;
        }
        if stops { Err(stopped()) } else { Ok(()) }
    }

    fn used_bytes(&self) -> u64 {
        self.names.contents().map(|content| self.contents[content].len() as u64).sum()
    }
}

fn stopped() -> io::Error {
    io::Error::other("the simulated process was stopped here")
}

impl Disk for SimDisk {
    fn create(&self, path: &str) -> io::Result<Box<dyn WriteFile>> {
        let mut state = self.state();
        let content = state.contents.len();
        state.contents.push(Content::default());
        state.name(|names| names.put(path, Node::File(content)))?;
        Ok(Box::new(Open { disk: self.clone(), content, start: state.start }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn ReadFile>> {
        let state = self.state();
        state.alive()?;
        let content = state.names.file(path)?;
        Ok(Arc::new(Open { disk: self.clone(), content, start: state.start }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.state().name(|names| names.rename(from, to))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.state().name(|names| {
            let content = names.file(from)?;
            if names.has(to) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            names.put(to, Node::File(content))
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.state().name(|names| names.file(path).and_then(|_| names.remove(path)))
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.state().name(|names| if names.has(path) { Ok(()) } else { names.put(path, Node::Folder) })
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.state().name(|names| names.remove_folder(path))
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let state = self.state();
        state.alive()?;
        let entries = state.names.list(path)?.into_iter().map(|(name, node)| {
            let kind = match node {
                Node::Folder => EntryKind::Folder,
                Node::File(content) => EntryKind::File { bytes: state.contents[content].len() as u64 },
            };
            Entry { name, kind }
        });
        Ok(entries.collect())
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        let fails = state.faults.sync_dir_fails;
        if state.chance.happens(fails) {
            state.operate()?;
            return Err(io::Error::other("the simulated disk failed to sync a folder"));
        }
        state.name(|names| names.sync(path))
    }

    fn space(&self) -> io::Result<Space> {
        let state = self.state();
        state.alive()?;
        let total_bytes = if state.faults.full_at_bytes == 0 { 1 << 50 } else { state.faults.full_at_bytes };
        Ok(Space { free_bytes: total_bytes.saturating_sub(state.used_bytes()), total_bytes })
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state();
        state.alive()?;
        if state.locks.iter().any(|held| held == path) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locks.push(path.to_owned());
        Ok(Box::new(Held { disk: self.clone(), path: path.to_owned(), start: state.start }))
    }
}

struct Held {
    disk: SimDisk,
    path: String,
    start: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.start == self.start {
            state.locks.retain(|held| *held != self.path);
        }
    }
}

struct Open {
    disk: SimDisk,
    content: usize,
    start: u64,
}

impl Open {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.start == self.start { Ok(state) } else { Err(stopped()) }
    }
}

impl WriteFile for Open {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state()?;
        let stops = state.operate()?;
        let full_at = state.faults.full_at_bytes;
        let room = if full_at == 0 { u64::MAX } else { full_at.saturating_sub(state.used_bytes()) };
        let mut taken = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let error = if stops {
            taken = state.chance.below(taken as u64 + 1) as usize;
            Some(stopped())
        } else {
            (taken < bytes.len()).then(|| io::ErrorKind::StorageFull.into())
        };
        state.contents[self.content].append(&bytes[..taken]);
        error.map_or(Ok(()), Err)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state()?;
        let stops = state.operate()?;
        let fails = state.faults.sync_fails;
        let State { chance, contents, .. } = &mut *state;
        let content = &mut contents[self.content];
        if stops {
            // What is on the disk is what the crash makes of it.
            Err(stopped())
        } else if chance.happens(fails) {
            content.fail(chance);
            Err(io::Error::other("the simulated disk failed to sync"))
        } else {
            content.sync();
            Ok(())
        }
    }
}

impl ReadFile for Open {
    fn len(&self) -> io::Result<u64> {
        let state = self.state()?;
        Ok(state.contents[self.content].len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let state = self.state()?;
        state.alive()?;
        let found = state.contents[self.content].read(offset as usize, bytes.len());
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{create_dirs, read_all, replace};

    #[test]
    fn what_was_synced_lasts_and_the_rest_may_go() {
        let (mut torn, mut names_gone) = (0, 0);
        for seed in 0..200 {
            let disk = SimDisk::new(seed);
            create_dirs(&disk, "a/b").unwrap();
            let mut file = disk.create("a/b/f").unwrap();
            disk.sync_dir("a/b").unwrap();
            file.append(&[1; 1000]).unwrap();
            file.sync().unwrap();
            file.append(&[2; 3000]).unwrap();
            disk.create("a/b/g").unwrap().append(b"x").unwrap();
            disk.crash(Crash::PowerLost);
            let found = read_all(&disk, "a/b/f").unwrap();
            assert_eq!(found[..1000], [1; 1000]);
            torn += usize::from(found.len() > 1000 && found[1000..] != [2; 3000]);
            names_gone += usize::from(disk.open("a/b/g").is_err());
            assert!(file.append(b"dead").is_err());
        }
        assert!(torn > 50 && (20..180).contains(&names_gone), "{torn} {names_gone}");
    }

    #[test]
    fn a_failed_sync_lies_until_the_crash() {
        let mut lost = 0;
        for seed in 0..100 {
            let disk = SimDisk::new(seed);
            let mut file = disk.create("f").unwrap();
            disk.sync_dir("").unwrap();
            file.append(&[1; 4000]).unwrap();
            disk.set_faults(Faults { sync_fails: u16::MAX, ..Faults::default() });
            // 65,535 out of 65,536.
            assert!(file.sync().is_err());
            disk.set_faults(Faults::default());
            file.sync().unwrap();
            assert_eq!(read_all(&disk, "f").unwrap(), [1; 4000]);
            disk.crash(Crash::Killed);
            assert_eq!(read_all(&disk, "f").unwrap(), [1; 4000]);
            disk.crash(Crash::PowerLost);
            lost += usize::from(read_all(&disk, "f").unwrap() != [1; 4000]);
        }
        assert!(lost > 20, "{lost}");
    }

    #[test]
    fn a_replaced_file_is_the_old_one_or_the_new_one() {
        let mut kept = [0, 0];
        for seed in 0..300 {
            let disk = SimDisk::new(seed);
            replace(&disk, "", "f", b"old").unwrap();
            disk.set_faults(Faults { crash_at: disk.operations() + 1 + seed % 6, ..Faults::default() });
            let done = replace(&disk, "", "f", b"new");
            assert_eq!(done.is_err(), disk.has_crashed());
            disk.crash(Crash::PowerLost);
            match &*read_all(&disk, "f").unwrap() {
                b"old" => kept[0] += 1,
                b"new" => kept[1] += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(kept.iter().all(|&kept| kept > 50), "{kept:?}");
    }

    #[test]
    fn a_full_disk_takes_what_it_can() {
        let disk = SimDisk::new(1);
        disk.set_faults(Faults { full_at_bytes: 10, ..Faults::default() });
        let mut file = disk.create("f").unwrap();
        file.append(b"1234567").unwrap();
        assert_eq!(file.append(b"12345").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(read_all(&disk, "f").unwrap(), b"1234567123");
        assert_eq!(disk.space().unwrap().free_bytes, 0);
        disk.flip("f", 0, 0).unwrap();
        assert_eq!(read_all(&disk, "f").unwrap()[0], b'0');
    }
}
