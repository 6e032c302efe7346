//! `weir store restore`: a store from a copy of one.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use weir_store::{Copied, PartMeta, RealDisk, restore};

use super::folder::{self, FolderArgs};
use super::progress::Counting;
use crate::cli::Output;
use crate::stages::{Command, Outcome, Run, Usage};
use crate::terminal::{self, count, say_bytes};

/// Make a store from a copy that `weir store snapshot` made
///
/// Every byte is compared with what the copy's manifest says of it. There must be no store where it goes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir store restore /backup/monday
  weir store restore /backup/monday --path ./data")]
pub(crate) struct Restore {
    /// The copy
    #[arg(value_name = "FOLDER")]
    from: PathBuf,
    #[command(flatten)]
    folder: FolderArgs,
}

/// From where to where.
pub(crate) struct Ready {
    disk: Counting<RealDisk>,
    bytes: u64,
    to: PathBuf,
}

impl Command for Restore {
    const NAME: &'static str = "store restore";
    type Ready = Ready;

    fn before(self, run: &Run) -> anyhow::Result<Ready> {
        let to = self.folder.path(run)?;
        let disk = Counting::new(folder::disk(&self.from)?);
        let (store, _) = folder::read(&self.from, Arc::new(disk.clone()))?;
        let bytes = parts_bytes(&store.parts());
        make_empty(&to)?;
        Ok(Ready { disk, bytes, to })
    }

    fn run(ready: &mut Ready, run: &Run) -> anyhow::Result<Outcome> {
        let Ready { disk, bytes, to } = ready;
        let watch = disk.watch("copying", *bytes);
        let copied = restore(disk, &RealDisk::new(to)?);
        drop(watch);
        said("restored", copied?, to, run)
    }
}

/// Makes a folder that only its owner may read, or takes one that is empty.
pub(super) fn make_empty(path: &Path) -> anyhow::Result<()> {
    let wrong = |says: String| anyhow::Error::new(Usage(says));
    match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(wrong(format!(
            "{} is not empty: name a folder that is, or that is not there yet",
            path.display()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| wrong(format!("{}: {error}", path.display()))),
        Err(error) => Err(wrong(format!("{}: {error}", path.display()))),
    }
}

/// Bytes of the files of parts.
pub(super) fn parts_bytes(parts: &[PartMeta]) -> u64 {
    parts.iter().map(PartMeta::bytes).sum()
}

/// Says what was done.
pub(super) fn said(done: &str, copied: Copied, to: &Path, run: &Run) -> anyhow::Result<Outcome> {
    let Copied { parts, bytes } = copied;
    terminal::print(&match run.settings.output {
        Output::Json => format!("{:#}\n", json!({ "folder": to, "parts": parts, "bytes": bytes })),
        Output::Text => {
            let parts = count(usize::try_from(parts).unwrap_or(usize::MAX), "part");
            format!("{done} {parts}, {}, to {}\n", say_bytes(bytes), to.display())
        }
    })?;
    Ok(Outcome::Done)
}
