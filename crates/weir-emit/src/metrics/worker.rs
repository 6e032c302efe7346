//! Who counts: one worker in its own cells, or anyone in the shared ones.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::cells::Cells;
use super::family::Column;
use super::histogram::{SUM, bucket};
use super::registry::{Counter, Gauge, Histogram};

/// A worker's own cells. There is one per index and it can be used from one thread at a time, so counting is a plain
/// load and store: no lock, no read-modify-write, no shared cache line. Never allocates, never fails.
#[derive(Debug)]
pub struct Worker {
    pub(super) cells: Arc<Cells>,
    /// `Send`, but not `Sync`: a second writer would lose counts.
    pub(super) one_thread: PhantomData<Cell<()>>,
}

impl Worker {
    /// Counts one in a family without columns.
    #[inline]
    pub fn inc(&self, counter: &Counter) {
        self.add(counter, Column::ONLY, 1);
    }

    /// Counts `by` in a column.
    #[inline]
    pub fn add(&self, counter: &Counter, column: Column, by: u64) {
        self.cells.add(counter.0.span, column.0, by);
    }

    /// Moves a gauge. What one worker adds another may take away; the sum is what is shown.
    #[inline]
    pub fn shift(&self, gauge: &Gauge, by: i64) {
        self.cells.add(gauge.0.span, 0, by as u64);
    }

    /// Records a latency. The sum is kept in microseconds, rounded to the nearest.
    #[inline]
    pub fn observe(&self, histogram: &Histogram, nanos: u64) {
        self.cells.add(histogram.0.span, bucket(nanos), 1);
        self.cells.add(histogram.0.span, SUM, nanos.saturating_add(500) / 1_000);
    }
}

/// Cells that every thread may write, for what is off the request's path. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared {
    pub(super) cells: Arc<Cells>,
}

impl Shared {
    /// Counts one in a family without columns.
    pub fn inc(&self, counter: &Counter) {
        self.add(counter, Column::ONLY, 1);
    }

    /// Counts `by` in a column.
    pub fn add(&self, counter: &Counter, column: Column, by: u64) {
        if let Some(cell) = self.cells.cell(counter.0.span, column.0) {
            cell.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Moves a gauge.
    pub fn shift(&self, gauge: &Gauge, by: i64) {
        if let Some(cell) = self.cells.cell(gauge.0.span, 0) {
            cell.fetch_add(by as u64, Ordering::Relaxed);
        }
    }

    /// Sets a gauge that no worker moves.
    pub fn set(&self, gauge: &Gauge, value: i64) {
        if let Some(cell) = self.cells.cell(gauge.0.span, 0) {
            cell.store(value as u64, Ordering::Relaxed);
        }
    }

    /// Records a duration.
    pub fn observe(&self, histogram: &Histogram, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let cells = [(bucket(nanos), 1), (SUM, nanos.saturating_add(500) / 1_000)];
        for (column, by) in cells {
            if let Some(cell) = self.cells.cell(histogram.0.span, column) {
                cell.fetch_add(by, Ordering::Relaxed);
            }
        }
    }
}
