//! What is in memory becomes parts.
//!
//! ```text
//!  freeze (gate held): heads ─► frozen, next generation of the log
//!  the old generation is whole on the disk (its ticket)
//!  parts written and synced ─► manifest ─► frozen and old log go
//! ```
//!
//! A crash before the manifest leaves the log, and parts that no manifest names; after it, a log that is passed over. A
//! flush that fails leaves everything as it was, and the next one takes it up again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use weir_block::Effort;

use super::drafts::{Drafts, Place};
use super::inner::{Doomed, Frozen, FrozenTenant, Inner, View, locked, reading, writing};
use crate::error::StoreError;
use crate::manifest::{Manifest, PartMeta, Tombstone};
use crate::part::Part;
use crate::signal::Signal;
use crate::wal::{read_only, unavailable};

impl Inner {
    /// Writes what is in memory to parts, and with it a tombstone for what was committed before, where one is given.
    ///
    /// # Errors
    /// Nothing is lost: what was not written stays in memory and in the log.
    pub(crate) fn flush(&self, tombstone: Option<Tombstone>) -> Result<(), StoreError> {
        let flushed = self.flush_all(tombstone);
        self.counters.flushed(&flushed);
        flushed
    }

    fn flush_all(&self, tombstone: Option<Tombstone>) -> Result<(), StoreError> {
        let _one = locked(&self.flushing);
        // What an earlier flush could not write comes first.
        if let Some(frozen) = self.view().frozen.clone() {
            self.write_out(&frozen, None)?;
        }
        let (frozen, tombstone) = self.freeze(tombstone)?;
        match (frozen, tombstone) {
            (Some(frozen), tombstone) => self.write_out(&frozen, tombstone),
            (None, Some(tombstone)) => self.change(|manifest, view| bury(tombstone, manifest, view)),
            (None, None) => Ok(()),
        }
    }

    /// Takes the heads out; `None` where nothing was committed since the last time. A tombstone gets the sequence after
    /// all that was committed.
    fn freeze(
        &self,
        tombstone: Option<Tombstone>,
    ) -> Result<(Option<Arc<Frozen>>, Option<Tombstone>), StoreError> {
        let Some(wal) = &self.wal else { return Err(StoreError::Refused(read_only())) };
        let closed = writing(&self.gate);
        if let Some(failure) = wal.failure() {
            return Err(StoreError::Refused(unavailable(&failure)));
        }
        let before = locked(&self.manifest).sequence;
        let last = self.sequence.load(Ordering::Relaxed);
        let tombstone = tombstone.map(|tombstone| {
            let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
            Tombstone { sequence, ..tombstone }
        });
        if last == before {
            self.forget_last(tombstone.as_ref());
            return Ok((None, tombstone));
        }
        let idle_since_ms = self.now_ms().saturating_sub(self.settings().idle_ms);
        let idle_since_s = (idle_since_ms / 1000).clamp(0, i64::from(u32::MAX)) as u32;
        let mut tenants = BTreeMap::new();
        for (name, tenant) in reading(&self.tenants).iter() {
            let mut head = locked(&tenant.metrics.head);
            let (metrics, retired) = head.freeze(self.now_ms(), idle_since_s);
            tenant.metrics.turn(&head, retired);
            drop(head);
            let logs = locked(&tenant.logs.head).freeze();
            let spans = locked(&tenant.spans.head).freeze();
            tenants.insert(name.clone(), FrozenTenant { metrics, logs, spans });
        }
        self.forget_last(tombstone.as_ref());
        self.head_bytes.store(0, Ordering::Relaxed);
        let frozen = Arc::new(Frozen {
            log_file: wal.file(),
            sequences: (before + 1, last),
            turned: wal.turn_over(),
            batches: locked(&self.batches).iter().collect(),
            tenants,
        });
        self.show(|view| view.frozen = Some(Arc::clone(&frozen)));
        drop(closed);
        Ok((Some(frozen), tombstone))
    }

    /// What is deleted is not what the next sample is compared with.
    fn forget_last(&self, tombstone: Option<&Tombstone>) {
        let Some(tombstone) = tombstone.filter(|tombstone| tombstone.signal == Signal::Metrics) else {
            return;
        };
        if let Some(state) = self.known_tenant(&tombstone.tenant) {
            locked(&state.metrics.head).forget_last(&tombstone.matchers);
        }
    }

    fn write_out(&self, frozen: &Arc<Frozen>, tombstone: Option<Tombstone>) -> Result<(), StoreError> {
        // The log first: what nobody may acknowledge is not made to last in another way.
        frozen.turned.wait()?;
        let mut drafts = Drafts::new(self);
        let written = self.write_parts(frozen, &mut drafts)?;
        drafts.named();
        self.change(|manifest, view| {
            for meta in written {
                manifest.parts.push(Arc::new(meta.clone()));
                view.parts.push(Arc::new(Part::new(meta, &self.disk, &self.open_parts)));
            }
            manifest.flushed_log = frozen.log_file;
            manifest.sequence = frozen.sequences.1;
            manifest.batches.clone_from(&frozen.batches);
            if let Some(tombstone) = tombstone {
                bury(tombstone, manifest, view);
            }
            view.frozen = None;
        })?;
        drafts.kept();
        if let Some(wal) = &self.wal {
            // What stays is passed over and removed at the next start.
            let _ = wal.remove_through(frozen.log_file);
        }
        self.sweep();
        self.bell.ring(|bell| bell.merge = true);
        Ok(())
    }

    fn write_parts(&self, frozen: &Frozen, drafts: &mut Drafts<'_>) -> Result<Vec<PartMeta>, StoreError> {
        let mut written = Vec::new();
        for (tenant, frozen_tenant) in &frozen.tenants {
            for (signal, day, write) in frozen_tenant.parts(self.now_ms()) {
                let meta = drafts.write(&Place { tenant, signal, day }, Effort::Fast, write)?;
                written.push(PartMeta { sequences: frozen.sequences, ..meta });
            }
        }
        Ok(written)
    }

    /// Changes the manifest and what is read, both or neither.
    ///
    /// # Errors
    /// The manifest could not be written. A crash may then bring either of both to light, so that nothing that one of
    /// them names is removed.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Manifest, &mut View)) -> Result<(), StoreError> {
        let mut manifest = locked(&self.manifest);
        let mut draft = manifest.clone();
        let mut view = (*self.view()).clone();
        change(&mut draft, &mut view);
        let saved = draft.save(&*self.disk);
        manifest.edition = draft.edition;
        saved.map_err(StoreError::io("write the manifest"))?;
        *manifest = draft;
        drop(std::mem::replace(&mut *writing(&self.view), Arc::new(view)));
        // What only a manifest named that could not be written for sure is named by none any more.
        let orphans = std::mem::take(&mut *locked(&self.orphans));
        locked(&self.doomed).extend(orphans.into_iter().map(|folder| Doomed { folder, part: None }));
        Ok(())
    }

    /// Changes what is read only.
    pub(crate) fn show(&self, change: impl FnOnce(&mut View)) {
        let _manifest = locked(&self.manifest);
        let mut view = (*self.view()).clone();
        change(&mut view);
        *writing(&self.view) = Arc::new(view);
    }
}

/// Adds a tombstone.
fn bury(tombstone: Tombstone, manifest: &mut Manifest, view: &mut View) {
    manifest.sequence = tombstone.sequence;
    let tombstone = Arc::new(tombstone);
    manifest.tombstones.push(Arc::clone(&tombstone));
    view.tombstones.push(tombstone);
}
