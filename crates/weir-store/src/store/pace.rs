//! How fast work in the background goes.

use std::time::{Duration, Instant};

use super::inner::{Inner, locked};
use crate::error::StoreError;

/// Work goes on for so long before it rests.
const STRETCH: Duration = Duration::from_millis(20);

/// Lets a merge rest, so that it takes no more than its share of a core, and ends it when the store is closed.
pub(crate) struct Pace<'a> {
    inner: &'a Inner,
    /// `None`: as fast as it can.
    percent: Option<u32>,
    since: Instant,
}

impl<'a> Pace<'a> {
    pub(crate) fn fast(inner: &'a Inner) -> Self {
        Self { inner, percent: None, since: Instant::now() }
    }

    pub(crate) fn steady(inner: &'a Inner) -> Self {
        let percent = u32::from(inner.settings().merge.pace_percent.clamp(1, 100));
        Self { inner, percent: Some(percent), since: Instant::now() }
    }

    /// Called every few microseconds to milliseconds of work.
    ///
    /// # Errors
    /// The store is being closed.
    pub(crate) fn step(&mut self) -> Result<(), StoreError> {
        let Some(percent) = self.percent else { return Ok(()) };
        let worked = self.since.elapsed();
        if worked < STRETCH {
            return Ok(());
        }
        let rest = worked * (100 - percent) / percent;
        if !self.inner.bell.rest(rest) {
            return Err(StoreError::Closed);
        }
        self.since = Instant::now();
        Ok(())
    }
}

impl super::inner::Bell {
    /// Waits; `false` where the store is closed.
    fn rest(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = locked(&self.state);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return !state.closed;
            }
            state = self.rung.wait_timeout(state, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }
}
