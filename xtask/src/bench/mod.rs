//! End-to-end load, side by side with peers.

pub(crate) mod case;
pub mod edge_tls;
pub mod gateway;
mod handshakes;
mod histogram;
pub mod live;
pub(crate) mod load;
pub(crate) mod origin;
pub mod proxy;
mod report;
pub(crate) mod routes;
mod stats;
pub mod store;
mod wrk;

use std::path::{Path, PathBuf};

use anyhow::Result;

/// A folder under the system's temporary one, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Result<Self> {
        Self::within(&std::env::temp_dir(), name)
    }

    pub(crate) fn within(dir: &Path, name: &str) -> Result<Self> {
        let dir = dir.join(format!("weir-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
