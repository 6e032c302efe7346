//! Many small parts become few large ones, and what was deleted leaves the disk.
//!
//! Parts of one day, tenant and signal stand in the order of their commits; only neighbours are merged, so that of two parts
//! one is always later as a whole. A run of parts of one level becomes a part of the next. Once a day is over, what it has
//! becomes one part, and what comes late is merged into that when it is worth rewriting it.
//!
//! Of a part that is damaged, what is whole is merged, and the part is kept as it was in the folder `aside`, where nothing
//! reads or removes it: whoever can mend it, or needs it no more, finds it there. One that cannot be opened stays where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_block::Effort;
use weir_signal::{ReadError, Tenant};

use super::drafts::{Drafts, Place};
use super::inner::{Doomed, Inner, View, locked};
use super::pace::Pace;
use crate::damage::{Salvage, is_within};
use crate::disk::{Disk, create_dirs, join, remove_all};
use crate::error::StoreError;
use crate::manifest::{Manifest, PART_FILES, PartMeta};
use crate::part::{Part, folder};
use crate::signal::Signal;
use crate::{logs, metrics, spans};

/// The level of a part that holds what a day had when it was over.
const LEVEL_DAY: u8 = 100;
/// So long after its end a day is over: what is on its way has come.
const SETTLE_MS: i64 = 3_600_000;
/// Parts of whole days are merged again when the smaller ones are an eighth of the largest, or so many.
const LATE_PARTS_MAX: usize = 64;

/// Where parts are kept that were damaged when they were merged.
pub(super) const ASIDE: &str = "aside";

/// Where a damaged part is kept.
pub(super) fn aside_folder(meta: &PartMeta) -> String {
    join(ASIDE, folder(meta).trim_start_matches("tenants/"))
}

/// A file of a damaged part may be the very thing that is missing.
fn link_if_there(disk: &dyn Disk, from: &str, to: &str) -> std::io::Result<()> {
    match disk.link(from, to) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        linked => linked,
    }
}

/// Parts that become one.
struct Plan {
    parts: Vec<Arc<Part>>,
    level: u8,
}

impl Inner {
    /// Removes what is no longer kept, and merges until nothing is left to be merged. Gives how many merges were made.
    ///
    /// # Errors
    /// What there was before is there still.
    pub(crate) fn merge(&self, pace: &mut Pace<'_>) -> Result<u64, StoreError> {
        let _one = locked(&self.merging);
        self.retain()?;
        let mut merged = 0;
        // Parts that cannot be opened are left as they are.
        let mut damaged = BTreeSet::new();
        let mut failure = None;
        while let Some(plan) = self.plan(&damaged) {
            let done = self.merge_parts(&plan, pace);
            self.counters.merged(&done);
            match done {
                Ok(()) => merged += 1,
                Err(StoreError::Read { what, error }) => {
                    self.damages.found(&error);
                    let of = |part: &&Arc<Part>| {
                        error.file().is_some_and(|file| is_within(file, &folder(&part.meta)))
                    };
                    let one = plan.parts.iter().find(of);
                    let parts = one.map_or(&plan.parts[..], std::slice::from_ref);
                    damaged.extend(parts.iter().map(|part| part.meta.name.clone()));
                    failure = Some(StoreError::Read { what, error });
                }
                Err(error) => return Err(error),
            }
            self.sweep();
        }
        self.sweep();
        failure.map_or(Ok(merged), Err)
    }

    fn plan(&self, damaged: &BTreeSet<String>) -> Option<Plan> {
        let view = self.view();
        let settings = &self.settings().merge;
        let mut days: BTreeMap<(&Tenant, Signal, i64), Vec<&Arc<Part>>> = BTreeMap::new();
        for part in &view.parts {
            let meta = &part.meta;
            days.entry((&meta.tenant, meta.signal, meta.day)).or_default().push(part);
        }
        for ((_, signal, day), parts) in days {
            let ends_ms = signal.day_range(day).1 / signal.units_per_ms();
            let over = self.now_ms() > ends_ms.saturating_add(SETTLE_MS);
            // Runs of neighbours, broken by what is damaged or large.
            let usable = |part: &&Arc<Part>| {
                !damaged.contains(&part.meta.name) && (over || part.meta.bytes() < settings.part_bytes_max)
            };
            for run in parts.split(|part| !usable(part)) {
                if let Some(plan) = plan_run(run, over, settings.parts.max(2), settings.part_bytes_max) {
                    return Some(plan);
                }
            }
            // What was deleted leaves the disk even where there is nothing to merge with.
            let deleted = parts.iter().find(|part| usable(part) && !view.tombstones_of(part).is_empty());
            if let Some(part) = deleted {
                return Some(Plan { parts: vec![Arc::clone(part)], level: part.meta.level });
            }
        }
        None
    }

    fn merge_parts(&self, plan: &Plan, pace: &mut Pace<'_>) -> Result<(), StoreError> {
        let Some(first) = plan.parts.first() else { return Ok(()) };
        let (tenant, signal, day) = (&first.meta.tenant, first.meta.signal, first.meta.day);
        let view = self.view();
        let cleared = view.tombstones.iter().map(|tombstone| tombstone.sequence).max().unwrap_or(0);
        let inputs: Vec<_> =
            plan.parts.iter().map(|part| (Arc::clone(part), view.tombstones_of(part))).collect();
        drop(view);
        let mut drafts = Drafts::new(self);
        let mut salvage = Salvage::default();
        let meta = drafts.write(&Place { tenant, signal, day }, Effort::Small, |part| match signal {
            Signal::Metrics => metrics::merge_parts(&inputs, day, part, pace, &mut salvage),
            Signal::Logs => logs::merge_parts(&inputs, day, part, pace, &mut salvage),
            Signal::Spans => spans::merge_parts(&inputs, day, part, pace, &mut salvage),
        })?;
        let metas = || plan.parts.iter().map(|part| &part.meta);
        let meta = PartMeta {
            level: plan.level,
            sequences: (
                metas().map(|meta| meta.sequences.0).min().unwrap_or(0),
                metas().map(|meta| meta.sequences.1).max().unwrap_or(0),
            ),
            cleared,
            ..meta
        };
        // Where all was deleted, nothing takes the place of the inputs.
        let output = (meta.series > 0).then_some(meta);
        if output.is_some() {
            drafts.named();
        }
        let aside = self.put_aside(&plan.parts, &salvage).map_err(StoreError::io(ASIDE))?;
        self.replace(&plan.parts, output.as_ref())?;
        if output.is_some() {
            drafts.kept();
        }
        for (part, to, error) in aside {
            self.damages.kept_aside(&part, &to, &error);
            let mut aside = locked(&self.aside);
            aside.push(to);
            aside.sort();
        }
        Ok(())
    }

    /// Gives the files of damaged parts second names, before the manifest forgets the first ones. Gives the folder of each
    /// part, where it is kept, and a damage of it.
    fn put_aside(
        &self,
        parts: &[Arc<Part>],
        salvage: &Salvage,
    ) -> std::io::Result<Vec<(String, String, ReadError)>> {
        let disk = &*self.disk;
        let mut kept = Vec::new();
        for part in parts {
            let from = folder(&part.meta);
            let Some(error) = salvage.of(&from) else { continue };
            let to = aside_folder(&part.meta);
            // One that was begun before is made anew.
            remove_all(disk, &to)?;
            create_dirs(disk, &to)?;
            for (name, file) in PART_FILES.iter().zip(&part.meta.files) {
                if file.bytes > 0 {
                    link_if_there(disk, &join(&from, name), &join(&to, name))?;
                }
            }
            disk.sync_dir(&to)?;
            kept.push((from, to, error.clone()));
        }
        Ok(kept)
    }

    /// Puts a part in the place of others, or nothing.
    fn replace(&self, parts: &[Arc<Part>], by: Option<&PartMeta>) -> Result<(), StoreError> {
        let gone: BTreeSet<&str> = parts.iter().map(|part| &*part.meta.name).collect();
        self.change(|manifest, view| {
            manifest.parts.retain(|meta| !gone.contains(&*meta.name));
            view.parts.retain(|part| !gone.contains(&*part.meta.name));
            if let Some(meta) = by {
                manifest.parts.push(Arc::new(meta.clone()));
                view.parts.push(Arc::new(Part::new(meta.clone(), &self.disk, &self.open_parts)));
            }
            in_order(manifest, view);
            forget_tombstones(manifest, view);
        })?;
        let doomed =
            parts.iter().map(|part| Doomed { folder: folder(&part.meta), part: Some(Arc::clone(part)) });
        locked(&self.doomed).extend(doomed);
        Ok(())
    }

    /// Removes parts that are older, or more, than is kept.
    fn retain(&self) -> Result<(), StoreError> {
        let view = self.view();
        let mut held: BTreeMap<(&Tenant, Signal), Vec<&Arc<Part>>> = BTreeMap::new();
        for part in &view.parts {
            held.entry((&part.meta.tenant, part.meta.signal)).or_default().push(part);
        }
        let mut gone = Vec::new();
        for ((tenant, signal), mut parts) in held {
            let from = self.kept_from(tenant, signal);
            parts.sort_by_key(|part| (part.meta.day, part.meta.sequences));
            let bytes_max = self.settings().of(tenant).retention(signal).bytes_max;
            let mut bytes: u64 = parts.iter().map(|part| part.meta.bytes()).sum();
            for part in parts {
                if part.meta.to < from || bytes_max.is_some_and(|max| bytes > max) {
                    bytes -= part.meta.bytes();
                    gone.push(Arc::clone(part));
                }
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.replace(&gone, None)?;
        gone.iter().for_each(|part| self.counters.removed(&part.meta));
        Ok(())
    }
}

/// What of a run of neighbours of one day is merged next.
fn plan_run(run: &[&Arc<Part>], over: bool, parts_min: usize, bytes_max: u64) -> Option<Plan> {
    let plan = |parts: &[&Arc<Part>], level: u8| {
        let parts = parts.iter().map(|part| Arc::clone(part)).collect();
        Some(Plan { parts, level })
    };
    let bytes = |parts: &[&Arc<Part>]| parts.iter().map(|part| part.meta.bytes()).sum::<u64>();
    if over {
        // Late parts behind the one of the day become one, and that is merged in when it is worth it.
        let late = run.iter().position(|part| part.meta.level < LEVEL_DAY);
        if let Some(late) = late {
            let end = run[late..].iter().position(|part| part.meta.level == LEVEL_DAY);
            return plan(&run[late..end.map_or(run.len(), |end| late + end)], LEVEL_DAY);
        }
        if run.len() < 2 {
            return None;
        }
        let largest = run.iter().map(|part| part.meta.bytes()).max().unwrap_or(0);
        let worth = (bytes(run) - largest) * 8 >= largest || run.len() >= LATE_PARTS_MAX;
        return if worth { plan(run, LEVEL_DAY) } else { None };
    }
    // The lowest level first: it has the most parts.
    let levels: BTreeSet<u8> = run.iter().map(|part| part.meta.level).collect();
    for level in levels {
        for same in run.chunk_by(|a, b| (a.meta.level <= level) == (b.meta.level <= level)) {
            let within = same.first().is_some_and(|part| part.meta.level <= level);
            if within && same.len() >= parts_min && bytes(same) <= bytes_max {
                return plan(same, level.saturating_add(1).min(LEVEL_DAY - 1));
            }
        }
    }
    None
}

/// Parts stand in the order of their commits.
fn in_order(manifest: &mut Manifest, view: &mut View) {
    let key = |meta: &PartMeta| (meta.sequences.1, meta.day, meta.name.clone());
    manifest.parts.sort_by_cached_key(|meta| key(meta));
    view.parts.sort_by_cached_key(|part| key(&part.meta));
}

/// Forgets tombstones that delete nothing any more.
fn forget_tombstones(manifest: &mut Manifest, view: &mut View) {
    let parts = &manifest.parts;
    manifest.tombstones.retain(|tombstone| parts.iter().any(|meta| tombstone.concerns(meta)));
    view.tombstones.clone_from(&manifest.tombstones);
}
