//! Who writes which series, so that "it ended" is said of a series only where nobody goes on with it: neither the same
//! target asked anew after a change of the configuration, nor another one, nor the same one that names it otherwise.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names a run of scrapes.
pub(super) type Owner = u64;

/// All series that are being written. The latest owner is the one who says when a series ended.
#[derive(Debug, Default)]
pub(super) struct Owners(Mutex<Series>);

/// By [`Labels::id`](weir_signal::Labels::id): who, and under how many names.
#[derive(Debug, Default)]
pub(super) struct Series(HashMap<u128, (Owner, u32)>);

impl Owners {
    pub(super) fn lock(&self) -> MutexGuard<'_, Series> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Series {
    /// `owner` writes the series from now on.
    pub(super) fn take(&mut self, series: u128, owner: Owner) {
        let entry = self.0.entry(series).or_insert((owner, 0));
        *entry = if entry.0 == owner { (owner, entry.1 + 1) } else { (owner, 1) };
    }

    /// `owner` does not write it any more under one of its names. Says whether it ended.
    pub(super) fn release(&mut self, series: u128, owner: Owner) -> bool {
        match self.0.get_mut(&series) {
            Some((who, names)) if *who == owner && *names > 1 => {
                *names -= 1;
                false
            }
            Some((who, _)) if *who == owner => {
                self.0.remove(&series);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_ends_with_its_last_owner() {
        let owners = Owners::default();
        let mut series = owners.lock();
        series.take(7, 1);
        assert!(series.release(7, 1));
        assert!(!series.release(7, 1));
        // Under two names.
        series.take(7, 1);
        series.take(7, 1);
        assert!(!series.release(7, 1));
        assert!(series.release(7, 1));
        // Somebody else goes on.
        series.take(7, 1);
        series.take(7, 2);
        assert!(!series.release(7, 1));
        assert!(series.release(7, 2));
    }
}
