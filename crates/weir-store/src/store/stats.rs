//! How a store is.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use weir_signal::{ReadError, Reason, Tenant};

use super::Store;
use super::inner::{locked, reading};
use crate::disk::Space;
use crate::manifest::PartMeta;
use crate::signal::Signal;
use crate::wal::WalStats;

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// The log. Its failure says why the store takes nothing any more.
    pub wal: WalStats,
    /// Bytes of samples and lines that wait in memory for the next flush.
    pub head_bytes: u64,
    /// Whether what an earlier flush took out could not be written yet.
    pub flush_waits: bool,
    /// Tombstones that are applied when parts are read.
    pub tombstones: u64,
    /// Folders of parts that are removed when their last reader is gone.
    pub doomed: u64,
    /// Files of parts that are open.
    pub files_open: u64,
    /// What is damaged.
    pub damage: DamageStats,
    /// Room on the disk, where it can say.
    pub space: Option<Space>,
    /// By tenant, ascending.
    pub tenants: Vec<TenantStats>,
    /// Parts of all tenants by signal and level, ascending.
    pub levels: Vec<LevelStats>,
    /// By signal.
    pub counters: Vec<SignalCounts>,
    /// What was done since the store was opened.
    pub done: Done,
}

/// What was done since the store was opened. What failed is tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Flushes.
    pub flushes: u64,
    /// Flushes that failed.
    pub flushes_failed: u64,
    /// Merges.
    pub merges: u64,
    /// Merges that failed.
    pub merges_failed: u64,
}

/// Parts of a level, of all tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelStats {
    /// Of which signal.
    pub signal: Signal,
    /// How often they were merged; 100 for what holds a day that is over.
    pub level: u8,
    /// Parts.
    pub parts: u64,
}

/// What is damaged, as far as is known without reading everything (which [`Store::verify`] does).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DamageStats {
    /// What was met since the store was opened, each place once: at most 256.
    pub known: Vec<ReadError>,
    /// How often a read left something out that is damaged or cannot be read.
    pub left_out: u64,
    /// Folders of parts that are kept as they were because they were damaged when they were merged; what was whole in them
    /// is in other parts now. Remove what is needed no more.
    pub aside: Vec<String>,
}

/// What a tenant has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantStats {
    /// Who.
    pub tenant: Tenant,
    /// Series that are written to.
    pub active_series: u64,
    /// Bytes of their labels and tables.
    pub series_bytes: u64,
    /// Log streams with lines in memory.
    pub streams: u64,
    /// By signal.
    pub signals: Vec<SignalStats>,
}

/// What a tenant has of a signal in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalStats {
    /// Which.
    pub signal: Signal,
    /// Parts.
    pub parts: u64,
    /// Bytes of their files, indexes and filters included.
    pub bytes: u64,
    /// Samples, lines or spans.
    pub rows: u64,
    /// First and last time, in the signal's unit.
    pub times: Option<(i64, i64)>,
}

/// What was taken and refused since the store was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalCounts {
    /// Which.
    pub signal: Signal,
    /// Samples, lines or spans.
    pub accepted: u64,
    /// Batches that were there already.
    pub batches_again: u64,
    /// Samples, lines or spans, for every reason.
    pub refused: Vec<(Reason, u64)>,
    /// Parts that were older, or more, than is kept.
    pub removed_parts: u64,
    /// Bytes of their files.
    pub removed_bytes: u64,
}

impl Store {
    /// How the store is now.
    pub fn stats(&self) -> Stats {
        let inner = &self.inner;
        let view = inner.view();
        let mut tenants: BTreeMap<Tenant, TenantStats> = BTreeMap::new();
        let new = |tenant: &Tenant| TenantStats {
            tenant: tenant.clone(),
            active_series: 0,
            series_bytes: 0,
            streams: 0,
            signals: Signal::ALL
                .map(|signal| SignalStats { signal, parts: 0, bytes: 0, rows: 0, times: None })
                .to_vec(),
        };
        for (tenant, state) in reading(&inner.tenants).iter() {
            let stats = tenants.entry(tenant.clone()).or_insert_with_key(new);
            let metrics = locked(&state.metrics.head);
            stats.active_series = metrics.active_series() as u64;
            stats.series_bytes = metrics.series_bytes() as u64;
            drop(metrics);
            stats.streams = locked(&state.logs.head).streams() as u64;
        }
        let mut levels: BTreeMap<(Signal, u8), u64> = BTreeMap::new();
        for part in &view.parts {
            let meta = &part.meta;
            *levels.entry((meta.signal, meta.level)).or_default() += 1;
            let stats = tenants.entry(meta.tenant.clone()).or_insert_with_key(new);
            for stats in stats.signals.iter_mut().filter(|stats| stats.signal == meta.signal) {
                stats.parts += 1;
                stats.bytes += meta.bytes();
                stats.rows += meta.rows;
                let (from, to) = stats.times.unwrap_or((meta.from, meta.to));
                stats.times = Some((from.min(meta.from), to.max(meta.to)));
            }
        }
        let counts = |signal| {
            let (removed_parts, removed_bytes) = inner.counters.removals(signal);
            SignalCounts {
                signal,
                accepted: inner.counters.accepted(signal),
                batches_again: inner.counters.again(signal),
                refused: inner.counters.refused(signal),
                removed_parts,
                removed_bytes,
            }
        };
        Stats {
            wal: inner.wal.as_ref().map(|wal| wal.stats()).unwrap_or_default(),
            head_bytes: inner.head_bytes.load(Ordering::Relaxed),
            flush_waits: view.frozen.is_some(),
            tombstones: view.tombstones.len() as u64,
            doomed: locked(&inner.doomed).len() as u64,
            files_open: inner.open_parts.files() as u64,
            damage: DamageStats {
                known: inner.damages.known(),
                left_out: inner.damages.left_out(),
                aside: locked(&inner.aside).clone(),
            },
            space: inner.disk.space().ok(),
            tenants: tenants.into_values().collect(),
            levels: levels
                .into_iter()
                .map(|((signal, level), parts)| LevelStats { signal, level, parts })
                .collect(),
            counters: Signal::ALL.map(counts).to_vec(),
            done: inner.counters.done(),
        }
    }

    /// What turned out to be damaged since this was asked last, a sentence each, for a log. What [`Store::open`] found is not
    /// told again.
    pub fn news_of_damage(&self) -> Vec<String> {
        self.inner.damages.take_news()
    }

    /// All parts, in the order of their commits.
    pub fn parts(&self) -> Vec<PartMeta> {
        self.inner.view().parts.iter().map(|part| part.meta.clone()).collect()
    }
}
