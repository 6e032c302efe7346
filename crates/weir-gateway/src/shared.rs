//! What all workers share for the life of the process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64};

use weir_emit::metrics::Counter;
use weir_emit::trail::Trail;
use weir_traffic::{GcraTable, KeyHasher, Rng};

use crate::live::RouteMetrics;

/// Tables and series that no change of configuration replaces.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) workers: usize,
    /// Buckets of all keyed limits; made when the first such limit is put in force.
    limits: OnceLock<GcraTable>,
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
    /// The way to the store in the same process.
    pub(crate) trail: Option<Trail>,
}

/// Cells of the table that holds all keyed limits: 18 bytes each, so 4.7 MB for a quarter of a million callers that are
/// not at rest. More callers at once share overflow cells, counted.
const LIMIT_CELLS: usize = 1 << 18;

impl Shared {
    pub(crate) fn new(
        workers: usize,
        rng: &mut Rng,
        unrouted: RouteMetrics,
        failures: Counter,
        trail: Option<Trail>,
    ) -> Self {
        Self {
            workers,
            limits: OnceLock::new(),
            key_hasher: KeyHasher::seeded(rng.next_u64(), rng.next_u64()),
            unrouted,
            failures,
            tunnels: AtomicU32::new(0),
            copies_dropped: AtomicU64::new(0),
            copies_failed: AtomicU64::new(0),
            trail,
        }
    }

    /// Buckets of all keyed limits.
    #[inline]
    pub(crate) fn limits(&self) -> &GcraTable {
        self.limits.get_or_init(|| GcraTable::new(LIMIT_CELLS))
    }

    /// The same, where a keyed limit has ever been asked.
    pub(crate) fn limits_in_use(&self) -> Option<&GcraTable> {
        self.limits.get()
    }
}
