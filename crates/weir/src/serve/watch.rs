//! Notices when a file is not what it was: written, renamed over, or reached by a link that was swapped.
//!
//! Directories are watched, not files: a file that is renamed over is another file. For each file these are the
//! directory that holds it, the one that holds that directory, and those of all links on the way (as `..data` in a
//! volume of Kubernetes). Events of other names in them, such as a log's, are passed over.

use std::collections::{BTreeSet, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Links that are followed for one file; the kernel follows no more either.
const LINKS_MAX: usize = 40;

/// Which version of a file it is, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(Option<(u64, u64, u64, i64, i64)>);

impl Stamp {
    /// Of the file that `path` leads to now; a file that is missing has one too.
    pub(super) fn of(path: &Path) -> Self {
        let of = |m: std::fs::Metadata| (m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec());
        Self(std::fs::metadata(path).ok().map(of))
    }
}

/// Watches files.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    directories: BTreeSet<PathBuf>,
    /// Paths whose events count.
    names: Arc<Mutex<HashSet<PathBuf>>>,
    events: mpsc::Receiver<()>,
}

impl Watch {
    /// Watches nothing yet.
    pub(super) fn start() -> notify::Result<Self> {
        // One place: an event that is not yet looked at stands for those that follow.
        let (sender, events) = mpsc::channel(1);
        // What happened before anything was watched has to be looked for once.
        let _ = sender.try_send(());
        let names = Arc::new(Mutex::new(HashSet::new()));
        let wanted = names.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let counts = event.as_ref().map_or(true, |event| {
                let names = wanted.lock().unwrap_or_else(PoisonError::into_inner);
                // A lost event names nothing.
                changes(event.kind)
                    && (event.paths.is_empty() || event.paths.iter().any(|p| names.contains(p)))
            });
            if counts {
                let _ = sender.try_send(());
            }
        })?;
        Ok(Self { watcher, directories: BTreeSet::new(), names, events })
    }

    /// Something may have happened to a file; always so at first. Cancel safe.
    pub(super) async fn changed(&mut self) {
        if self.events.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Watches these files and no others.
    pub(super) fn aim(&mut self, files: impl Iterator<Item = PathBuf>) {
        let mut names = HashSet::new();
        for file in files {
            places(&file, &mut names);
        }
        let directories: BTreeSet<PathBuf> =
            names.iter().filter_map(|path| path.parent()).map(Path::to_owned).collect();
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
        for gone in self.directories.difference(&directories) {
            // One that was deleted is no longer watched anyway.
            let _ = self.watcher.unwatch(gone);
        }
        for directory in &directories {
            // Known ones are watched again too: another directory may have taken the name.
            if let Err(error) = self.watcher.watch(directory, RecursiveMode::NonRecursive)
                && directory.exists()
            {
                tracing::warn!(
                    "{} cannot be watched ({error}); SIGHUP reads its files again",
                    directory.display()
                );
            }
        }
        self.directories = directories;
    }
}

fn changes(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// Every name whose change can lead `path` elsewhere: links on the way, the file and the directory that holds it.
fn places(path: &Path, names: &mut HashSet<PathBuf>) {
    let Ok(absolute) = std::path::absolute(path) else { return };
    let parts = |path: &Path| -> Vec<PathBuf> {
        path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect()
    };
    // What is still to be walked, the next part last.
    let mut left = parts(&absolute);
    let mut at = PathBuf::new();
    let mut links = 0;
    while let Some(part) = left.pop() {
        match part.components().next() {
            Some(Component::ParentDir) => {
                at.pop();
                continue;
            }
            Some(Component::CurDir) | None => continue,
            Some(Component::RootDir | Component::Prefix(_)) => {
                at = part;
                continue;
            }
            Some(Component::Normal(name)) => at.push(name),
        }
        match std::fs::read_link(&at) {
            Ok(target) if links < LINKS_MAX => {
                names.insert(at.clone());
                at.pop();
                left.extend(parts(&target));
                links += 1;
            }
            _ if left.len() <= 1 => {
                names.insert(at.clone());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_on_the_way_count() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("vol/..1")).unwrap();
        std::fs::write(root.join("vol/..1/weir.yaml"), "").unwrap();
        std::os::unix::fs::symlink("..1", root.join("vol/..data")).unwrap();
        std::os::unix::fs::symlink("..data/weir.yaml", root.join("vol/weir.yaml")).unwrap();
        std::os::unix::fs::symlink(root.join("vol"), root.join("etc")).unwrap();
        let mut names = HashSet::new();
        places(&root.join("etc/weir.yaml"), &mut names);
        let mut relative: Vec<_> =
            names.iter().map(|n| n.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()).collect();
        relative.sort();
        assert_eq!(relative, ["etc", "vol", "vol/..1", "vol/..1/weir.yaml", "vol/..data", "vol/weir.yaml"]);
    }

    #[test]
    fn a_loop_of_links_ends() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("a")).unwrap();
        let mut names = HashSet::new();
        places(&dir.path().join("a"), &mut names);
        assert!(names.contains(&dir.path().join("a")));
        assert_eq!(Stamp::of(&dir.path().join("a")), Stamp(None));
    }
}
