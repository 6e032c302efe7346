//! `weir store snapshot`: a copy of a store.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use weir_store::{Copied, RealDisk, Store, StoreError, restore};

use super::folder::{self, FolderArgs};
use super::progress::Counting;
use super::restore::{make_empty, parts_bytes, said};
use crate::stages::{Command, Outcome, Run};
use crate::terminal::complain;

/// A store that is written to may merge parts away while they are copied; then it is begun anew.
const TRIES: usize = 5;

/// Copy the folder of a store, so that the copy is a store of its own
///
/// Where nobody has the store open, the copy holds everything, and its files are second names of the store's (hard links)
/// where it lies on the same file system. Of a store in use it holds all but what was not flushed yet, which is at most what
/// the last five minutes brought.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir store snapshot /backup/monday
  weir store snapshot ./copy --path ./data
  weir store verify --path /backup/monday            a copy is a store
  weir query up --store /backup/monday")]
pub(crate) struct Snapshot {
    /// The folder to make; it may be there if it is empty
    #[arg(value_name = "FOLDER")]
    to: PathBuf,
    #[command(flatten)]
    folder: FolderArgs,
}

/// From where to where.
pub(crate) struct Ready {
    from: PathBuf,
    to: PathBuf,
}

impl Command for Snapshot {
    const NAME: &'static str = "store snapshot";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let from = self.folder.path(run)?;
        // There has to be one: opened for writing, one would be made.
        folder::read(&from, Arc::new(folder::disk(&from)?))?;
        make_empty(&self.to)?;
        Ok(Ready { from, to: self.to })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        let Ready { from, to } = ready;
        let copied = match folder::write(from)? {
            Some(store) => {
                let copied = linked(&store, from, to);
                let closed = store.close();
                let copied = copied?;
                closed?;
                copied
            }
            None => {
                complain(
                    "the store is in use: what it has not flushed yet is not copied; stop it for a copy of everything\n",
                );
                live(from, to)?
            }
        };
        said("copied", copied, to, run)
    }
}

/// Of a store that nobody else has open.
fn linked(store: &Store, from: &Path, to: &Path) -> anyhow::Result<Copied> {
    let name = format!("taken-{}", std::process::id());
    let folder = from.join(store.snapshot(&name)?);
    let parts = store.parts();
    let copied = Copied { parts: parts.len() as u64, bytes: parts_bytes(&parts) };
    match fs::rename(&folder, to) {
        Ok(()) => {
            let parent =
                to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(parent)
                .and_then(|parent| parent.sync_all())
                .context("the copy's name may not last")?;
            Ok(copied)
        }
        // On another file system there are no second names.
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let disk = Counting::new(folder::disk(&folder)?);
            let watch = disk.watch("copying", copied.bytes);
            let done = restore(&disk, &RealDisk::new(to)?);
            drop(watch);
            store.remove_snapshot(&name)?;
            Ok(done?)
        }
        Err(error) => {
            store.remove_snapshot(&name)?;
            Err(error).with_context(|| format!("{} could not be made", to.display()))
        }
    }
}

/// Of a store that another process writes to: what its manifest names.
fn live(from: &Path, to: &Path) -> anyhow::Result<Copied> {
    let disk = Counting::new(folder::disk(from)?);
    let (store, _) = folder::read(from, Arc::new(disk.clone()))?;
    let watch = disk.watch("copying", parts_bytes(&store.parts()));
    drop(store);
    for _ in 0..TRIES {
        match restore(&disk, &RealDisk::new(to)?) {
            Err(StoreError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => {
                fs::remove_dir_all(to).with_context(|| format!("{} could not be emptied", to.display()))?;
            }
            done => return Ok(done?),
        }
    }
    drop(watch);
    bail!("the store merged its parts faster than they could be copied: try again, or stop it meanwhile")
}
