//! One store for metrics, logs and traces: log, head, parts, merges.
//!
//! ```text
//!  payload ─► appender ─► commit ─► log (group commit, fdatasync) ─► ticket: may be acknowledged
//!                            └────► head (read at once)
//!  every 5 minutes or 64 MiB: head ─► parts of level 0 ─► manifest; merges make fewer and larger ones
//!  reads: parts + frozen + head, merged by labels and time; the latest commit wins
//! ```
//!
//! What holds here:
//!
//! * What a ticket said is done survives any crash, once: nothing acknowledged is lost or doubled.
//! * A payload is applied as a whole or not at all.
//! * All files are reached through [`Disk`], so that every crash can be simulated from a seed.
//! * There is no reading without a [`Scope`](weir_signal::Scope).
//! * What is damaged is left out of answers that say so, never of the disk.
//! * Everything that grows has a bound: log, heads, series, batches, exemplars, open files.
//!
//! It knows no protocol, no query language, no socket, and how blocks are encoded only through `weir-block`.

mod batches;
mod damage;
mod days;
mod disk;
mod error;
mod logs;
mod manifest;
mod metrics;
mod outcome;
mod part;
mod recent;
mod settings;
mod signal;
mod spans;
mod store;
mod wal;

pub use disk::{Crash, Disk, Entry, EntryKind, Faults, ReadFile, RealDisk, SimDisk, Space, WriteFile};
pub use error::{OpenError, StoreError};
pub use logs::LogAppender;
pub use manifest::{FileMeta, PART_FILES, PartMeta, Tombstone};
pub use metrics::MetricAppender;
pub use outcome::Outcome;
pub use settings::{MergeSettings, Retention, Settings, TenantSettings, Work};
pub use signal::Signal;
pub use spans::SpanAppender;
pub use store::{
    Clock, Concern, Copied, DamageStats, Done, Finding, LevelStats, LogDamage, Recovery, SignalCounts,
    SignalStats, Stats, Store, TenantStats, restore,
};
pub use wal::{Ticket, WalStats};
