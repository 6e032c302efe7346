//! A store is opened: its manifest, its parts, its log.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use weir_block::Damage;
use weir_signal::{ReadError, Tenant};

use super::counters::Counters;
use super::inner::{Bell, Clock, Inner, SpaceWatch, TenantState, View, locked};
use super::merge::{ASIDE, aside_folder};
use crate::batches::{self, Batches};
use crate::disk::{Disk, EntryKind, create_dirs, join, remove_all};
use crate::error::OpenError;
use crate::logs::LogReplay;
use crate::manifest::{Manifest, PartMeta};
use crate::metrics::MetricReplay;
use crate::part::{OpenParts, Part};
use crate::settings::Settings;
use crate::signal::Signal;
use crate::wal::{self, Ended, RecordHead, Replayed, Wal};

/// What was found when a store was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records of the log that were not in parts yet.
    pub records: u64,
    /// Bytes at the end of the log that were never acknowledged and not whole: what a crash leaves.
    pub torn_bytes: u64,
    /// Acknowledged records of the log that are damaged.
    pub log_damages: Vec<LogDamage>,
    /// Samples, lines or spans whose series was named in a damaged record.
    pub orphans: u64,
    /// What else is damaged: copies of the manifest, files of parts that are missing or cut off.
    pub damages: Vec<ReadError>,
    /// Folders of parts that a flush or merge had not finished; removed.
    pub leftovers: Vec<String>,
}

/// Damaged bytes in the log. What is before and behind them was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDamage {
    /// The file.
    pub file: String,
    /// The first byte that is damaged.
    pub offset: u64,
    /// How many are lost.
    pub bytes: u64,
}

impl Recovery {
    /// Whether nothing that was acknowledged is damaged.
    pub fn is_clean(&self) -> bool {
        self.log_damages.is_empty() && self.damages.is_empty() && self.orphans == 0
    }
}

fn at(path: &str) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |error| OpenError::Io { path, error }
}

pub(super) fn for_writing(
    disk: Arc<dyn Disk>,
    settings: Settings,
    clock: Clock,
) -> Result<(Inner, Recovery), OpenError> {
    let lock = disk.lock("lock").map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse,
        _ => at("lock")(error),
    })?;
    let mut recovery = Recovery::default();
    let mut manifest = manifest(&*disk, &mut recovery)?.unwrap_or_else(|| Manifest {
        store: clock().unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15),
        ..Manifest::default()
    });
    create_dirs(&*disk, wal::FOLDER).map_err(at(wal::FOLDER))?;
    create_dirs(&*disk, "tenants").map_err(at("tenants"))?;
    // The names that were read may not be on the disk yet: a process that was killed may not have come to sync them.
    // Nothing is removed before what is kept is known to last.
    manifest.save(&*disk).map_err(at("manifest"))?;
    remove_leftovers(&*disk, &manifest, &mut recovery).map_err(at("tenants"))?;
    let aside = parts_aside(&*disk, &manifest, OnDisk::MakeWhole).map_err(at(ASIDE))?;
    let mut inner = inner(disk, settings, clock, manifest, &mut recovery);
    inner.aside = Mutex::new(aside);
    let kept = replay(&mut inner, OnDisk::MakeWhole, &mut recovery)?;
    let next = kept.keys().last().copied().unwrap_or(0).max(locked(&inner.manifest).flushed_log) + 1;
    let wal = Wal::create(Arc::clone(&inner.disk), inner.settings().wal_bytes_max, next, kept);
    inner.wal = Some(Arc::new(wal.map_err(at(wal::FOLDER))?));
    inner.lock = Mutex::new(Some(lock));
    inner.note(&recovery);
    Ok((inner, recovery))
}

/// A store that is written to may remove files between two looks at it; then it is looked at again.
const LOOKS_MAX: usize = 10;

pub(super) fn for_reading(
    disk: &Arc<dyn Disk>,
    settings: &Settings,
    clock: &Clock,
) -> Result<(Inner, Recovery), OpenError> {
    for look in 1.. {
        let mut recovery = Recovery::default();
        let manifest = manifest(&**disk, &mut recovery)?.ok_or(OpenError::Missing)?;
        let edition = manifest.edition;
        let mut found =
            inner(Arc::clone(disk), for_reader(settings), Arc::clone(clock), manifest, &mut recovery);
        let replayed = replay(&mut found, OnDisk::Leave, &mut recovery);
        let now = self::manifest(&**disk, &mut Recovery::default())?;
        if now.is_some_and(|now| now.edition == edition) || look == LOOKS_MAX {
            replayed?;
            found.aside =
                Mutex::new(parts_aside(&**disk, &locked(&found.manifest), OnDisk::Leave).unwrap_or_default());
            found.note(&recovery);
            return Ok((found, recovery));
        }
    }
    unreachable!("the last look is taken as it is")
}

/// A reader beside a writer keeps more files open: what the writer removes meanwhile could not be opened again.
fn for_reader(settings: &Settings) -> Settings {
    Settings { files_open_max: settings.files_open_max.max(READER_FILES_OPEN), ..settings.clone() }
}

const READER_FILES_OPEN: u64 = 768;

fn manifest(disk: &dyn Disk, recovery: &mut Recovery) -> Result<Option<Manifest>, OpenError> {
    let found = Manifest::load(disk).map_err(at("manifest"))?;
    let damages = found.damaged.iter().map(|(name, damage)| damage.within(name, 0));
    recovery.damages.extend(damages.clone());
    match found.manifest {
        None if !found.damaged.is_empty() => {
            let said: Vec<_> = damages.map(|damage| damage.to_string()).collect();
            Err(OpenError::Manifest(said.join("; ")))
        }
        manifest => Ok(manifest),
    }
}

fn inner(
    disk: Arc<dyn Disk>,
    settings: Settings,
    clock: Clock,
    manifest: Manifest,
    recovery: &mut Recovery,
) -> Inner {
    let open_parts = OpenParts::new(&settings);
    let part = |meta: &Arc<PartMeta>| Arc::new(Part::new((**meta).clone(), &disk, &open_parts));
    let parts: Vec<_> = manifest.parts.iter().map(part).collect();
    // What cannot be opened is named now, and left out whenever it is read.
    recovery.damages.extend(parts.iter().filter_map(|part| part.check().and_then(|()| part.open()).err()));
    let mut batches = Batches::default();
    manifest.batches.iter().for_each(|&batch| batches.add(batch));
    let view = View { parts, tombstones: manifest.tombstones.clone(), frozen: None };
    let mut tenants: BTreeMap<Tenant, Arc<TenantState>> = BTreeMap::new();
    for part in view.parts.iter().filter(|part| part.meta.signal == Signal::Metrics) {
        let tenant = tenants.entry(part.meta.tenant.clone()).or_insert_with_key(|tenant| {
            Arc::new(TenantState { tenant: tenant.clone(), ..TenantState::default() })
        });
        // A part that is damaged has been named, or will be when it is read.
        if let Ok(families) = part.metrics().and_then(|segment| segment.metadata()) {
            locked(&tenant.metrics.head).know_families(families);
        }
    }
    Inner {
        disk,
        settings: RwLock::new(Arc::new(settings)),
        clock,
        wal: None,
        gate: RwLock::default(),
        tenants: RwLock::new(tenants),
        view: RwLock::new(Arc::new(view)),
        sequence: AtomicU64::new(manifest.sequence),
        manifest: Mutex::new(manifest),
        batches: Mutex::new(batches),
        head_bytes: AtomicU64::new(0),
        counters: Counters::default(),
        open_parts,
        damages: Arc::default(),
        aside: Mutex::default(),
        flushing: Mutex::default(),
        merging: Mutex::default(),
        doomed: Mutex::default(),
        orphans: Mutex::default(),
        space: SpaceWatch::default(),
        bell: Bell::default(),
        lock: Mutex::new(None),
    }
}

/// Whether replaying may change what is on the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnDisk {
    MakeWhole,
    Leave,
}

/// Takes in what the log has that is not in parts. Gives the files that are kept, with their lengths.
fn replay(
    inner: &mut Inner,
    on_disk: OnDisk,
    recovery: &mut Recovery,
) -> Result<BTreeMap<u64, u64>, OpenError> {
    let flushed = locked(&inner.manifest).flushed_log;
    let mut files: BTreeMap<u64, u64> = BTreeMap::new();
    let entries = match inner.disk.list(wal::FOLDER) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        entries => entries.map_err(at(wal::FOLDER))?,
    };
    for entry in entries {
        let bytes = match entry.kind {
            EntryKind::File { bytes } => bytes,
            EntryKind::Folder => continue,
        };
        match wal::file_number(&entry.name) {
            Some(number) if number > flushed => {
                files.insert(number, bytes);
            }
            _ if on_disk == OnDisk::MakeWhole => {
                let path = join(wal::FOLDER, &entry.name);
                inner.disk.remove(&path).map_err(at(&path))?;
            }
            _ => {}
        }
    }
    let last = files.keys().last().copied();
    let mut replay = Replay::default();
    for (&number, bytes) in &mut files {
        let path = wal::path(number);
        let ended = if Some(number) == last { Ended::Anyhow } else { Ended::Whole };
        let found = replay.file(inner, number, ended, recovery).map_err(at(&path))?;
        recovery.records += found.records;
        recovery.torn_bytes += found.torn_bytes;
        recovery.log_damages.extend(found.damaged.iter().map(|range| LogDamage {
            file: path.clone(),
            offset: range.start,
            bytes: range.end - range.start,
        }));
        if ended == Ended::Anyhow && on_disk == OnDisk::MakeWhole {
            wal::make_whole(&*inner.disk, number, &found).map_err(at(&path))?;
            *bytes = found.end;
        }
    }
    replay.end_generation();
    recovery.orphans += replay.orphans;
    let heads =
        super::inner::reading(&inner.tenants).values().map(|tenant| tenant.bytes()).sum::<usize>() as u64;
    inner.head_bytes.store(heads, Ordering::Relaxed);
    if heads >= inner.settings().flush_bytes {
        inner.bell.ring(|bell| bell.flush = true);
    }
    Ok(files)
}

/// What is known while the log is replayed. Kept from file to file, as a generation may go on in further ones.
#[derive(Default)]
struct Replay {
    generation: u64,
    orphans: u64,
    metrics: BTreeMap<Tenant, (Arc<TenantState>, MetricReplay)>,
    logs: BTreeMap<Tenant, (Arc<TenantState>, LogReplay)>,
}

impl Replay {
    fn end_generation(&mut self) {
        let metrics = std::mem::take(&mut self.metrics).into_values().map(|(_, replay)| replay.orphans);
        let logs = std::mem::take(&mut self.logs).into_values().map(|(_, replay)| replay.orphans);
        self.orphans += metrics.chain(logs).sum::<u64>();
    }

    fn file(
        &mut self,
        inner: &Inner,
        number: u64,
        ended: Ended,
        recovery: &mut Recovery,
    ) -> io::Result<Replayed> {
        let path = wal::path(number);
        let file = inner.disk.open(&path)?;
        let now_s = (inner.now_ms() / 1000).clamp(0, i64::from(u32::MAX)) as u32;
        wal::replay(file, number, ended, |at, head, payload| {
            let done = self.record(inner, &head, payload, now_s);
            recovery.damages.extend(done.err().map(|damage| damage.within(&path, at)));
        })
    }

    fn record(
        &mut self,
        inner: &Inner,
        head: &RecordHead<'_>,
        payload: &[u8],
        now_s: u32,
    ) -> Result<(), Damage> {
        if head.generation != self.generation {
            // It names its series anew, and what it calls them is not what the one before did.
            self.generation = head.generation;
            self.end_generation();
        }
        let unknown = |what| Damage { at: 0, what };
        let tenant = Tenant::new(head.tenant).ok_or_else(|| unknown("a tenant's name cannot be one"))?;
        let signal = Signal::from_code(head.kind)
            .ok_or_else(|| unknown("a record is of a kind that this program does not know"))?;
        inner.sequence.fetch_max(head.sequence, Ordering::Relaxed);
        if head.batch != 0 {
            locked(&inner.batches).add(batches::key(&tenant, signal, head.batch));
        }
        match signal {
            Signal::Metrics => {
                let new =
                    |tenant: &Tenant| (inner.tenant(tenant), MetricReplay::new(now_s, &inner.settings()));
                let (state, replay) = self.metrics.entry(tenant).or_insert_with_key(new);
                locked(&state.metrics.head).replay(payload, replay)
            }
            Signal::Logs => {
                let new = |tenant: &Tenant| (inner.tenant(tenant), LogReplay::default());
                let (state, replay) = self.logs.entry(tenant).or_insert_with_key(new);
                locked(&state.logs.head).replay(payload, replay)
            }
            Signal::Spans => locked(&inner.tenant(&tenant).spans.head).replay(payload),
        }
    }
}

impl Inner {
    /// Notes what was found; whoever opens the store tells it.
    fn note(&self, recovery: &Recovery) {
        recovery.damages.iter().for_each(|error| self.damages.told(error));
        for damage in &recovery.log_damages {
            self.damages.told(&ReadError::Damaged {
                file: damage.file.clone(),
                offset: damage.offset,
                what: format!("{} bytes of acknowledged records were lost", damage.bytes),
            });
        }
    }
}

/// The folders of parts that were kept as they were. One whose part is still in use was begun and never finished.
fn parts_aside(disk: &dyn Disk, manifest: &Manifest, on_disk: OnDisk) -> io::Result<Vec<String>> {
    let in_use: BTreeSet<String> = manifest.parts.iter().map(|meta| aside_folder(meta)).collect();
    let mut aside = Vec::new();
    for tenant in folders_if_any(disk, ASIDE)? {
        for signal in folders(disk, &tenant)? {
            for part in folders(disk, &signal)? {
                if !in_use.contains(&part) {
                    aside.push(part);
                } else if on_disk == OnDisk::MakeWhole {
                    remove_all(disk, &part)?;
                }
            }
        }
    }
    Ok(aside)
}

fn folders_if_any(disk: &dyn Disk, folder: &str) -> io::Result<Vec<String>> {
    match folders(disk, folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        found => found,
    }
}

/// Removes folders of parts that the manifest does not name.
fn remove_leftovers(disk: &dyn Disk, manifest: &Manifest, recovery: &mut Recovery) -> io::Result<()> {
    let named: BTreeSet<String> = manifest.parts.iter().map(|part| crate::part::folder(part)).collect();
    for tenant in folders(disk, "tenants")? {
        for signal in folders(disk, &tenant)? {
            for part in folders(disk, &signal)? {
                if !named.contains(&part) {
                    remove_all(disk, &part)?;
                    recovery.leftovers.push(part);
                }
            }
        }
    }
    Ok(())
}

fn folders(disk: &dyn Disk, folder: &str) -> io::Result<Vec<String>> {
    let entries = disk.list(folder)?.into_iter();
    let folders = entries.filter(|entry| entry.kind == EntryKind::Folder);
    Ok(folders.map(|entry| join(folder, &entry.name)).collect())
}
