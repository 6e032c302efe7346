//! What all workers share for the life of the process.

use std::sync::atomic::{AtomicU32, AtomicU64};

use weir_emit::metrics::Counter;
use weir_traffic::{GcraTable, KeyHasher};

use crate::live::RouteMetrics;

/// Tables and series that no change of configuration replaces.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) workers: usize,
    /// Buckets of all keyed limits.
    pub(crate) limits: GcraTable,
    pub(crate) key_hasher: KeyHasher,
    /// Series of requests that no route matched.
    pub(crate) unrouted: RouteMetrics,
    pub(crate) failures: Counter,
    /// Open tunnels.
    pub(crate) tunnels: AtomicU32,
    /// Copies of requests that were not made, for want of room.
    pub(crate) copies_dropped: AtomicU64,
    /// Copies whose service did not answer them.
    pub(crate) copies_failed: AtomicU64,
}
