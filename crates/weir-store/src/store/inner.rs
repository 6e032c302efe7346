//! What all handles of a store share, and who may touch what.
//!
//! Locks are taken in this order, and none is held across a wait for the disk except those that exist for it:
//!
//! 1. `flushing`, `merging`: one flush and one merge at a time.
//! 2. `gate`: read while a payload is committed or a reader copies; written while a flush takes the heads out.
//! 3. a tenant's head of one signal; `keys` beside it.
//! 4. `manifest`, then `view`.
//! 5. `batches`, the log's queue.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use weir_signal::{Reason, Refusal, Scope, Tenant};

use crate::batches::Batches;
use crate::damage::{Damages, Lenient};
use crate::disk::{Disk, remove_all};
use crate::error::StoreError;
use crate::logs::{FrozenLogs, LogTenant};
use crate::manifest::{FileMeta, Manifest, Tombstone};
use crate::metrics::{FrozenMetrics, MetricTenant};
use crate::part::{Contents, OpenParts, Part, PartWriter};
use crate::settings::Settings;
use crate::signal::Signal;
use crate::spans::{FrozenSpans, SpanTenant};
use crate::store::counters::Counters;
use crate::wal::{Ticket, Wal, read_only};

/// What time it is, in milliseconds since 1970. Given to the store, so that a simulation has its own.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

pub(crate) struct Inner {
    pub(crate) disk: Arc<dyn Disk>,
    /// As they are now; read once for each payload.
    pub(super) settings: RwLock<Arc<Settings>>,
    pub(crate) clock: Clock,
    /// `None` where the store was opened for reading only.
    pub(crate) wal: Option<Arc<Wal>>,
    pub(crate) gate: RwLock<()>,
    pub(crate) tenants: RwLock<BTreeMap<Tenant, Arc<TenantState>>>,
    pub(crate) view: RwLock<Arc<View>>,
    pub(crate) manifest: Mutex<Manifest>,
    pub(crate) batches: Mutex<Batches>,
    /// The last sequence that was given.
    pub(crate) sequence: AtomicU64,
    /// Bytes in the heads.
    pub(crate) head_bytes: AtomicU64,
    pub(crate) counters: Counters,
    pub(crate) open_parts: Arc<OpenParts>,
    pub(crate) damages: Arc<Damages>,
    /// Folders of parts that a merge kept as they were, ascending.
    pub(crate) aside: Mutex<Vec<String>>,
    pub(crate) flushing: Mutex<()>,
    pub(crate) merging: Mutex<()>,
    /// Parts that are in no manifest any more, until their last reader is gone.
    pub(crate) doomed: Mutex<Vec<Doomed>>,
    /// Folders of parts that a manifest names which could not be written for sure.
    pub(crate) orphans: Mutex<Vec<String>>,
    pub(crate) space: SpaceWatch,
    pub(crate) bell: Bell,
    /// Held as long as the store is open.
    pub(crate) lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

/// A folder that is to be removed.
pub(crate) struct Doomed {
    pub(crate) folder: String,
    /// Who may still read it.
    pub(crate) part: Option<Arc<Part>>,
}

/// What a tenant has in memory.
#[derive(Default)]
pub(crate) struct TenantState {
    pub(crate) tenant: Tenant,
    pub(crate) metrics: MetricTenant,
    pub(crate) logs: LogTenant,
    pub(crate) spans: SpanTenant,
}

impl TenantState {
    /// Bytes that a flush would take out.
    pub(crate) fn bytes(&self) -> usize {
        locked(&self.metrics.head).bytes()
            + locked(&self.logs.head).bytes()
            + locked(&self.spans.head).bytes()
    }
}

/// What there is to read beside the heads. Replaced as a whole.
#[derive(Default, Clone)]
pub(crate) struct View {
    pub(crate) parts: Vec<Arc<Part>>,
    pub(crate) tombstones: Vec<Arc<Tombstone>>,
    /// Taken out of the heads, not in parts yet.
    pub(crate) frozen: Option<Arc<Frozen>>,
}

/// All that a flush took out.
pub(crate) struct Frozen {
    /// It is in the files of the log up to this one.
    pub(crate) log_file: u64,
    pub(crate) sequences: (u64, u64),
    /// Done when that generation is whole on the disk.
    pub(crate) turned: Ticket,
    pub(crate) batches: Vec<u128>,
    pub(crate) tenants: BTreeMap<Tenant, FrozenTenant>,
}

#[derive(Default)]
pub(crate) struct FrozenTenant {
    pub(crate) metrics: Option<FrozenMetrics>,
    pub(crate) logs: Option<FrozenLogs>,
    pub(crate) spans: Option<FrozenSpans>,
}

/// Writes what lies in one day.
type WriteDay<'a> = Box<dyn FnOnce(PartWriter) -> Result<(Contents, [FileMeta; 3]), StoreError> + 'a>;

impl FrozenTenant {
    /// The parts that it becomes: of which signal, of which day, and what writes it.
    pub(crate) fn parts(&self, now_ms: i64) -> Vec<(Signal, i64, WriteDay<'_>)> {
        let mut parts: Vec<(Signal, i64, WriteDay<'_>)> = Vec::new();
        if let Some(metrics) = &self.metrics {
            for (at, day) in metrics.days_or(now_ms).into_iter().enumerate() {
                parts.push((Signal::Metrics, day, Box::new(move |part| metrics.write(day, at == 0, part))));
            }
        }
        if let Some(logs) = &self.logs {
            let day = |&day| (Signal::Logs, day, Box::new(move |part| logs.write(day, part)) as WriteDay<'_>);
            parts.extend(logs.days.iter().map(day));
        }
        if let Some(spans) = &self.spans {
            let day =
                |&day| (Signal::Spans, day, Box::new(move |part| spans.write(day, part)) as WriteDay<'_>);
            parts.extend(spans.days.iter().map(day));
        }
        parts
    }
}

impl View {
    /// The parts of a signal that may have rows in the range, the oldest sequences first.
    pub(crate) fn parts_of<'a>(
        &'a self,
        tenant: &'a Tenant,
        signal: Signal,
        (from, to): (i64, i64),
    ) -> impl Iterator<Item = &'a Arc<Part>> {
        self.parts.iter().filter(move |part| {
            let meta = &part.meta;
            meta.tenant == *tenant && meta.signal == signal && meta.from <= to && meta.to >= from
        })
    }

    /// The tombstones that delete something of a part.
    pub(crate) fn tombstones_of(&self, part: &Part) -> Vec<Arc<Tombstone>> {
        self.tombstones.iter().filter(|tombstone| tombstone.concerns(&part.meta)).cloned().collect()
    }
}

/// Whether there is room on the disk, asked once a second.
#[derive(Default)]
pub(crate) struct SpaceWatch {
    asked_ms: AtomicI64,
    low: AtomicBool,
}

/// Wakes the threads of the store.
#[derive(Default)]
pub(crate) struct Bell {
    pub(crate) state: Mutex<BellState>,
    pub(crate) rung: Condvar,
}

#[derive(Default)]
pub(crate) struct BellState {
    pub(crate) flush: bool,
    pub(crate) merge: bool,
    pub(crate) closed: bool,
}

impl Bell {
    pub(crate) fn ring(&self, change: impl FnOnce(&mut BellState)) {
        change(&mut locked(&self.state));
        self.rung.notify_all();
    }
}

/// A panic elsewhere leaves nothing half-changed that these protect: what is written is written whole.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn reading<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn writing<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    pub(crate) fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&reading(&self.settings))
    }

    /// Puts settings in force, but for those that hold as long as the store is open.
    pub(crate) fn change_settings(&self, new: Settings) {
        let mut settings = writing(&self.settings);
        let Settings { work, flush_ms, wal_bytes_max, .. } = **settings;
        *settings = Arc::new(Settings { work, flush_ms, wal_bytes_max, ..new });
        drop(settings);
        // What is kept may be less now.
        self.bell.ring(|bell| bell.merge = true);
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&reading(&self.view))
    }

    /// How a query reads.
    pub(crate) fn lenient(&self, scope: &Scope) -> Lenient {
        Lenient::new(scope, &self.damages)
    }

    /// The state of a tenant; made where it is new.
    pub(crate) fn tenant(&self, tenant: &Tenant) -> Arc<TenantState> {
        if let Some(found) = reading(&self.tenants).get(tenant) {
            return Arc::clone(found);
        }
        let mut tenants = writing(&self.tenants);
        let new = || Arc::new(TenantState { tenant: tenant.clone(), ..TenantState::default() });
        Arc::clone(tenants.entry(tenant.clone()).or_insert_with(new))
    }

    /// The state of a tenant that has one.
    pub(crate) fn known_tenant(&self, tenant: &Tenant) -> Option<Arc<TenantState>> {
        reading(&self.tenants).get(tenant).map(Arc::clone)
    }

    /// The earliest time that is kept of a signal, in its unit.
    pub(crate) fn kept_from(&self, tenant: &Tenant, signal: Signal) -> i64 {
        let kept_ms = self.settings().of(tenant).retention(signal).time_ms;
        self.now_ms().saturating_sub(kept_ms).saturating_mul(signal.units_per_ms())
    }

    /// The latest time that is taken, in the signal's unit.
    pub(crate) fn taken_to(&self, signal: Signal) -> i64 {
        self.now_ms().saturating_add(self.settings().ahead_ms).saturating_mul(signal.units_per_ms())
    }

    /// The log, and whether there is room for more.
    pub(crate) fn admit(&self) -> Result<&Arc<Wal>, Refusal> {
        let wal = self.wal.as_ref().ok_or_else(read_only)?;
        wal.admit()?;
        let held = self.head_bytes.load(Ordering::Relaxed);
        let settings = self.settings();
        if held > settings.flush_bytes.saturating_mul(4) {
            return Err(Refusal::new(
                Reason::Overloaded,
                format!(
                    "{} MiB wait in memory to be written: more comes in than the disk takes; send it again later",
                    held >> 20
                ),
            ));
        }
        if self.space.is_low(self) {
            return Err(Refusal::new(
                Reason::Overloaded,
                format!(
                    "less than {} MiB are free on the store's disk; make room, or keep telemetry for a shorter time",
                    settings.free_bytes_min >> 20
                ),
            ));
        }
        Ok(wal)
    }
}

impl Inner {
    /// Removes folders that nobody reads any more.
    pub(crate) fn sweep(&self) {
        let mut doomed = locked(&self.doomed);
        doomed.retain(|doomed| {
            let read = doomed.part.as_ref().is_some_and(|part| Arc::strong_count(part) > 1 || part.is_read());
            read || remove_all(&*self.disk, &doomed.folder).is_err()
        });
    }
}

impl SpaceWatch {
    fn is_low(&self, inner: &Inner) -> bool {
        let now_ms = inner.now_ms();
        if now_ms.abs_diff(self.asked_ms.load(Ordering::Relaxed)) >= 1000 {
            self.asked_ms.store(now_ms, Ordering::Relaxed);
            // A disk that cannot say is not held to be full: writing to it will tell.
            let low =
                inner.disk.space().is_ok_and(|space| space.free_bytes < inner.settings().free_bytes_min);
            self.low.store(low, Ordering::Relaxed);
        }
        self.low.load(Ordering::Relaxed)
    }
}
