//! Which folder is meant, and how it is opened to be looked at.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use weir_store::{Disk, OpenError, RealDisk, Recovery, Retention, Settings, Store, TenantSettings, Work};

use crate::ask::{configured_store, now_ms};
use crate::stages::{Run, Usage};

/// Which folder.
#[derive(Debug, Args)]
pub(crate) struct FolderArgs {
    /// The folder of the store; without one, what the file of --config says, or the usual one
    #[arg(long, value_name = "FOLDER")]
    path: Option<PathBuf>,
}

impl FolderArgs {
    /// The folder that is meant.
    pub(super) fn path(self, run: &Run) -> anyhow::Result<PathBuf> {
        match self.path {
            Some(path) => Ok(path),
            None => Ok(weir_telemetry::folder(&configured_store(run)?)?),
        }
    }
}

/// What is in a folder is kept as it is: nobody's retention is applied to it, and no thread merges it.
fn settings() -> Settings {
    let forever = Retention { time_ms: i64::MAX / 4_000_000, bytes_max: None };
    let tenant =
        TenantSettings { metrics: forever, logs: forever, spans: forever, ..TenantSettings::default() };
    Settings { work: Work::Caller, tenant, ..Settings::default() }
}

/// The folder's files.
pub(super) fn disk(path: &Path) -> anyhow::Result<RealDisk> {
    RealDisk::existing(path).map_err(|error| {
        let says = format!("{}: {error}; --path names the folder of a store", path.display());
        Usage(says).into()
    })
}

/// Opens it for reading, also while another process writes it.
pub(super) fn read(path: &Path, disk: Arc<dyn Disk>) -> anyhow::Result<(Store, Recovery)> {
    Store::open_read_only(disk, settings(), Arc::new(now_ms)).map_err(|error| match error {
        OpenError::Missing => {
            Usage(format!("there is no store in {}; --path names another folder", path.display())).into()
        }
        error => anyhow::Error::new(error).context(path.display().to_string()),
    })
}

/// Opens it for writing. `None` where another process has it.
pub(super) fn write(path: &Path) -> anyhow::Result<Option<Store>> {
    match Store::open(Arc::new(disk(path)?), settings(), Arc::new(now_ms)) {
        Ok((store, _)) => Ok(Some(store)),
        Err(OpenError::InUse) => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}
