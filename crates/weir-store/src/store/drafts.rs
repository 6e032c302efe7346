//! Parts that are being written and are in no manifest yet.

use weir_block::Effort;
use weir_signal::Tenant;

use super::inner::{Doomed, Inner, locked};
use crate::error::StoreError;
use crate::manifest::{FileMeta, PartMeta};
use crate::part::{Contents, PartWriter, folder};
use crate::signal::Signal;

/// Where a part belongs.
pub(crate) struct Place<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) signal: Signal,
    pub(crate) day: i64,
}

/// Parts of a flush or a merge. Those that do not come to be in the manifest are removed: at once, or, where a manifest
/// was written that may name them, after the next one.
pub(crate) struct Drafts<'a> {
    inner: &'a Inner,
    folders: Vec<String>,
    named: bool,
}

impl<'a> Drafts<'a> {
    pub(crate) fn new(inner: &'a Inner) -> Self {
        Self { inner, folders: Vec::new(), named: false }
    }

    /// Writes a part of level 0, whose sequences are not known yet.
    pub(crate) fn write(
        &mut self,
        to: &Place<'_>,
        effort: Effort,
        write: impl FnOnce(PartWriter) -> Result<(Contents, [FileMeta; 3]), StoreError>,
    ) -> Result<PartMeta, StoreError> {
        let inner = self.inner;
        let name = locked(&inner.manifest).name_part(inner.now_ms());
        let mut meta = PartMeta {
            tenant: to.tenant.clone(),
            signal: to.signal,
            name,
            level: 0,
            day: to.day,
            from: 0,
            to: 0,
            sequences: (0, 0),
            cleared: 0,
            rows: 0,
            series: 0,
            files: [FileMeta::default(); 3],
        };
        self.folders.push(folder(&meta));
        let part = PartWriter::create(&inner.disk, to.tenant, to.signal, &meta.name, effort);
        let (contents, files) = write(part.map_err(StoreError::io("begin a part"))?)?;
        Contents { from: meta.from, to: meta.to, rows: meta.rows, series: meta.series } = contents;
        meta.files = files;
        Ok(meta)
    }

    /// From now on a manifest may name them.
    pub(crate) fn named(&mut self) {
        self.named = true;
    }

    /// The manifest names them.
    pub(crate) fn kept(mut self) {
        self.folders.clear();
    }
}

impl Drop for Drafts<'_> {
    fn drop(&mut self) {
        let folders = std::mem::take(&mut self.folders);
        if self.named {
            locked(&self.inner.orphans).extend(folders);
        } else {
            locked(&self.inner.doomed)
                .extend(folders.into_iter().map(|folder| Doomed { folder, part: None }));
        }
    }
}
