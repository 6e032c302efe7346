//! What the store is told: bounds, limits, how long what is kept.

use std::collections::BTreeMap;

use weir_signal::Tenant;

use crate::signal::Signal;

/// Settings of a store. [`Settings::default`] is what a machine of any size can start with.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Who writes, flushes and merges.
    pub work: Work,
    /// How long what came in stays in memory only (and in the log) at most, in milliseconds.
    pub flush_ms: u64,
    /// How much of it is flushed earlier, in bytes.
    pub flush_bytes: u64,
    /// How long the log may grow, in bytes: more is refused as overload. Bounds how long a start takes.
    pub wal_bytes_max: u64,
    /// Where less than this is free on the disk, nothing more is taken, in bytes.
    pub free_bytes_min: u64,
    /// How far ahead of the clock a time may lie, in milliseconds.
    pub ahead_ms: i64,
    /// Labels of a series or stream.
    pub labels_max: usize,
    /// A label's name or value, in bytes.
    pub label_bytes_max: usize,
    /// A line of a log or the attributes of a span, in bytes.
    pub line_bytes_max: usize,
    /// Exemplars of a series in memory; further ones push out the oldest.
    pub exemplars_max: usize,
    /// Metric families whose type, unit and help are kept, per tenant.
    pub families_max: usize,
    /// After so many milliseconds without a sample a series is not active, and makes room for others.
    pub idle_ms: i64,
    /// Files of parts that are open at once. A query that reads more of them has the others opened again: with the default, a
    /// process that may open 1,024 has enough left for its connections.
    pub files_open_max: u64,
    /// What the directories of parts that were read may take in memory together, in bytes, by the sizes of their files.
    pub directory_bytes_max: u64,
    /// What pages of metrics that were read lately, unpacked, may take in memory, in bytes.
    pub page_bytes_max: usize,
    /// Rows of a merge between two looks at whether it shall stop, and what it may hold in memory at once.
    pub merge: MergeSettings,
    /// Those without settings of their own.
    pub tenant: TenantSettings,
    /// Those with.
    pub tenants: BTreeMap<Tenant, TenantSettings>,
}

/// Settings of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantSettings {
    /// Active series.
    pub series_max: u64,
    /// Log streams in memory.
    pub streams_max: u64,
    /// How long, and how much, of its metrics is kept.
    pub metrics: Retention,
    /// The same of its logs.
    pub logs: Retention,
    /// The same of its spans.
    pub spans: Retention,
}

/// How long, and how much, is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// What is older than so many milliseconds is neither taken nor answered, and is removed.
    pub time_ms: i64,
    /// While there is more than this on disk, the oldest is removed.
    pub bytes_max: Option<u64>,
}

/// Who writes, flushes and merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Threads of the store.
    Threads,
    /// The caller: whoever waits for a ticket writes the log, and [`Store::flush`](crate::Store::flush) and
    /// [`Store::merge`](crate::Store::merge) are called by hand. On a [`SimDisk`](crate::SimDisk) a run then replays
    /// from its seed.
    Caller,
}

/// How parts are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeSettings {
    /// So many neighbouring parts of one level make one of the next.
    pub parts: usize,
    /// A part of this size, in bytes, is not merged again while its day lasts.
    pub part_bytes_max: u64,
    /// The share of one core that merging takes, in percent.
    pub pace_percent: u8,
}

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

impl Default for Settings {
    fn default() -> Self {
        Self {
            work: Work::Threads,
            flush_ms: 5 * MINUTE_MS as u64,
            flush_bytes: 64 << 20,
            wal_bytes_max: 512 << 20,
            free_bytes_min: 256 << 20,
            ahead_ms: 10 * MINUTE_MS,
            labels_max: 128,
            label_bytes_max: 64 << 10,
            line_bytes_max: 1 << 20,
            exemplars_max: 10,
            families_max: 20_000,
            idle_ms: 30 * MINUTE_MS,
            files_open_max: 256,
            directory_bytes_max: 256 << 20,
            page_bytes_max: 32 << 20,
            merge: MergeSettings::default(),
            tenant: TenantSettings::default(),
            tenants: BTreeMap::new(),
        }
    }
}

impl Default for MergeSettings {
    fn default() -> Self {
        Self { parts: 24, part_bytes_max: 2 << 30, pace_percent: 50 }
    }
}

impl Default for TenantSettings {
    fn default() -> Self {
        let days = |days| Retention { time_ms: days * DAY_MS, bytes_max: None };
        Self { series_max: 1_000_000, streams_max: 20_000, metrics: days(30), logs: days(14), spans: days(7) }
    }
}

impl Settings {
    /// The settings of a tenant.
    pub fn of(&self, tenant: &Tenant) -> &TenantSettings {
        self.tenants.get(tenant).unwrap_or(&self.tenant)
    }
}

impl TenantSettings {
    /// How long, and how much, of a signal is kept.
    pub fn retention(&self, signal: Signal) -> Retention {
        match signal {
            Signal::Metrics => self.metrics,
            Signal::Logs => self.logs,
            Signal::Spans => self.spans,
        }
    }
}
