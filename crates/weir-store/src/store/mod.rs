//! The store: opened once, shared by handles.

pub(crate) mod commit;
pub(crate) mod counters;
mod drafts;
mod flush;
pub(crate) mod inner;
mod merge;
mod open;
pub(crate) mod pace;
mod snapshot;
mod stats;
mod threads;
mod verify;

use std::sync::Arc;

use weir_signal::{Matcher, Scope, Tenant};

pub use inner::Clock;
use inner::Inner;
pub use open::{LogDamage, Recovery};
use pace::Pace;
pub use snapshot::{Copied, restore};
pub use stats::{DamageStats, Done, LevelStats, SignalCounts, SignalStats, Stats, TenantStats};
use threads::Threads;
pub use verify::{Concern, Finding};

use crate::disk::Disk;
use crate::error::{OpenError, StoreError};
use crate::logs::LogAppender;
use crate::manifest::Tombstone;
use crate::metrics::MetricAppender;
use crate::settings::Settings;
use crate::signal::Signal;
use crate::spans::SpanAppender;

/// A store of metrics, logs and traces. Handles are cheap to clone; when the last one is gone, or at [`Store::close`], its
/// threads end.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
    threads: Arc<Threads>,
}

impl Store {
    /// Opens the store on a disk, or makes one where there is none. Says what was found.
    ///
    /// Damaged parts and log files do not keep it from opening: they are named in [`Recovery`], and everything else is
    /// there.
    ///
    /// # Errors
    /// [`OpenError`]: somebody else has it open, a file cannot be read or written, or both copies of the manifest are
    /// damaged.
    pub fn open(
        disk: Arc<dyn Disk>,
        settings: Settings,
        clock: Clock,
    ) -> Result<(Self, Recovery), OpenError> {
        let (inner, recovery) = open::for_writing(disk, settings, clock)?;
        let inner = Arc::new(inner);
        let threads = Arc::new(Threads::start(&inner));
        Ok((Self { inner, threads }, recovery))
    }

    /// Opens the store for reading, also while another process has it open for writing: what was on the disk at this
    /// moment is answered, and nothing is changed.
    ///
    /// # Errors
    /// As [`Store::open`], and where there is no store.
    #[expect(clippy::needless_pass_by_value, reason = "as `open` takes them")]
    pub fn open_read_only(
        disk: Arc<dyn Disk>,
        settings: Settings,
        clock: Clock,
    ) -> Result<(Self, Recovery), OpenError> {
        let (inner, recovery) = open::for_reading(&disk, &settings, &clock)?;
        Ok((Self { inner: Arc::new(inner), threads: Arc::new(Threads::none()) }, recovery))
    }

    /// Takes one payload of metrics.
    pub fn metrics(&self, tenant: &Tenant) -> MetricAppender {
        MetricAppender::new(Arc::clone(&self.inner), self.inner.tenant(tenant))
    }

    /// Takes one payload of lines.
    pub fn logs(&self, tenant: &Tenant) -> LogAppender {
        LogAppender::new(Arc::clone(&self.inner), self.inner.tenant(tenant))
    }

    /// Takes one payload of spans.
    pub fn spans(&self, tenant: &Tenant) -> SpanAppender {
        SpanAppender::new(Arc::clone(&self.inner), self.inner.tenant(tenant))
    }

    /// Writes what is in memory to parts. Blocks until it is on the disk.
    ///
    /// # Errors
    /// Nothing is lost: what was not written stays in memory and in the log.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush(None)
    }

    /// Removes what is no longer kept, and merges parts until nothing is left to be merged. Gives how many merges were made.
    /// With [`Work::Threads`](crate::Work::Threads) a thread does so, at its pace.
    ///
    /// # Errors
    /// Nothing is lost: what was not merged stays as it was. Parts that cannot be opened are left alone, and the rest is
    /// merged; of those that are damaged within, what is whole, and they are kept in the folder `aside`.
    pub fn merge(&self) -> Result<u64, StoreError> {
        self.inner.merge(&mut Pace::fast(&self.inner))
    }

    /// Puts other limits and another retention in force, for all payloads that begin from now on and for all reads. `work`,
    /// `flush_ms` and `wal_bytes_max` stay as the store was opened with.
    pub fn change_settings(&self, settings: Settings) {
        self.inner.change_settings(settings);
    }

    /// Deletes what was committed so far of a signal, and matches, within the times (in the signal's unit, both ends
    /// included). When it returns, nobody reads it any more, and a crash does not bring it back; its bytes leave the disk
    /// when its parts are merged, which comes soon. What is committed later is not deleted.
    ///
    /// What memory holds is flushed first.
    ///
    /// # Errors
    /// Nothing was deleted.
    pub fn delete(
        &self,
        scope: &Scope,
        signal: Signal,
        matchers: &[Matcher],
        from: i64,
        to: i64,
    ) -> Result<(), StoreError> {
        let tombstone = Tombstone {
            tenant: scope.tenant.clone(),
            signal,
            matchers: scope.matchers.iter().chain(matchers).cloned().collect(),
            from,
            to,
            sequence: 0,
        };
        self.inner.flush(Some(tombstone))
    }

    /// Flushes, ends the threads, and gives the folder free. Handles that are left refuse to write.
    ///
    /// # Errors
    /// As [`Store::flush`]; the store is closed nevertheless, and what was acknowledged is in its log.
    pub fn close(&self) -> Result<(), StoreError> {
        let flushed = if self.inner.wal.is_some() { self.inner.flush(None) } else { Ok(()) };
        self.threads.end();
        flushed
    }
}
