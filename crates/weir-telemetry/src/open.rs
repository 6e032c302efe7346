//! From what was configured to an open store.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_model::Telemetry;
use weir_store::{Clock, OpenError, RealDisk, Recovery, Retention, Settings, Store, TenantSettings};

use crate::engine::now_ms;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// There is no place for it.
    #[error("there is no home directory for the store: set `store.path`")]
    NoPlace,
    /// The folder cannot be made or read.
    #[error("the store {}: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// What is in it cannot be opened.
    #[error("the store {}: {error}", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: OpenError,
    },
}

/// Opens the store that was configured, for reading and writing. Only its owner may read what is in it.
pub fn open(telemetry: &Telemetry) -> Result<(Store, Recovery, PathBuf), StoreOpenError> {
    let path = folder(telemetry)?;
    let disk = make(&path)
        .and_then(|()| RealDisk::new(&path))
        .map_err(|error| StoreOpenError::Folder { path: path.clone(), error })?;
    let (store, recovery) = Store::open(Arc::new(disk), settings(telemetry), clock())
        .map_err(|error| StoreOpenError::Open { path: path.clone(), error })?;
    Ok((store, recovery, path))
}

/// Opens the store in a folder for reading only, also while another process writes it.
pub fn open_read_only(path: &Path, telemetry: &Telemetry) -> Result<(Store, Recovery), StoreOpenError> {
    let disk =
        RealDisk::existing(path).map_err(|error| StoreOpenError::Folder { path: path.to_owned(), error })?;
    Store::open_read_only(Arc::new(disk), settings(telemetry), clock())
        .map_err(|error| StoreOpenError::Open { path: path.to_owned(), error })
}

/// The folder that is meant: the one that was configured, or the usual one, `/var/lib/weir/store` for root and below the
/// user's state directory for others.
pub fn folder(telemetry: &Telemetry) -> Result<PathBuf, StoreOpenError> {
    if let Some(path) = &telemetry.path {
        return Ok(path.clone());
    }
    usual_place(is_root(), &|name| std::env::var_os(name)).ok_or(StoreOpenError::NoPlace)
}

/// Root is told by its number, as for the admin's token: its home, wherever that is, is no place for a service's data.
fn usual_place(root: bool, variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if root {
        return Some("/var/lib/weir/store".into());
    }
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("weir/store"))
}

/// `/proc/self` belongs to the user that the process acts as.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn make(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn clock() -> Clock {
    Arc::new(now_ms)
}

/// The store's own settings.
pub(crate) fn settings(telemetry: &Telemetry) -> Settings {
    let keep = |retention: &weir_model::Retention| Retention {
        time_ms: retention.time.as_millis() as i64,
        bytes_max: retention.size_bytes,
    };
    let limits = &telemetry.limits;
    Settings {
        ahead_ms: limits.ahead.as_millis() as i64,
        labels_max: limits.labels as usize,
        label_bytes_max: limits.label_bytes as usize,
        line_bytes_max: limits.line_bytes as usize,
        tenant: TenantSettings {
            series_max: limits.series,
            streams_max: limits.streams,
            metrics: keep(&telemetry.metrics),
            logs: keep(&telemetry.logs),
            spans: keep(&telemetry.traces),
        },
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_place_is_told_by_who_runs_it() {
        let check = |root: bool, variables: &[(&str, &str)], expect: Option<&str>| {
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|&(_, value)| OsString::from(value))
            };
            assert_eq!(usual_place(root, &variable), expect.map(PathBuf::from), "{root} {variables:?}");
        };
        let both = [("HOME", "/h"), ("XDG_STATE_HOME", "/x")];
        check(true, &both, Some("/var/lib/weir/store"));
        check(false, &both, Some("/x/weir/store"));
        check(false, &[("HOME", "/r")], Some("/r/.local/state/weir/store"));
        check(false, &[("HOME", "/h"), ("XDG_STATE_HOME", "rel")], Some("/h/.local/state/weir/store"));
        check(false, &[], None);
    }
}
