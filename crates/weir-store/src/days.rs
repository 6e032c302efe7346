//! Which days something has rows in.

use std::collections::BTreeSet;

use crate::signal::Signal;

/// A set of days that is cheap to add the same one to.
#[derive(Debug)]
pub(crate) struct Days {
    signal: Signal,
    noted: BTreeSet<i64>,
    /// First and last time of the day that was noted last.
    last: (i64, i64),
}

impl Days {
    pub(crate) fn new(signal: Signal) -> Self {
        Self { signal, noted: BTreeSet::new(), last: (1, 0) }
    }

    #[inline]
    pub(crate) fn note(&mut self, time: i64) {
        if time < self.last.0 || time > self.last.1 {
            let day = self.signal.day(time);
            self.noted.insert(day);
            self.last = self.signal.day_range(day);
        }
    }

    /// All of them, ascending; none is left.
    pub(crate) fn take(&mut self) -> Vec<i64> {
        self.last = (1, 0);
        std::mem::take(&mut self.noted).into_iter().collect()
    }
}
