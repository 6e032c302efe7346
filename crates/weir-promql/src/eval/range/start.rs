//! What start timestamps say about counters that begin anew.

use super::samples::View;

/// A sample's time, and when counting began for it (0 where it is not known).
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub time: i64,
    pub start: i64,
}

impl<T> View<'_, T> {
    pub(super) fn stamp(&self, at: usize) -> Stamp {
        Stamp { time: self.times[at], start: self.start(at) }
    }
}

/// Whether counting began anew between two neighbouring samples.
pub(super) fn is_reset(previous: Stamp, current: Stamp) -> bool {
    // Not known, or nonsense; equal to the sample's time is how OpenTelemetry says that it does not know.
    if current.start == 0 || current.start >= current.time || current.start < previous.time {
        return false;
    }
    if current.start > previous.time {
        return true;
    }
    // It begins where the previous sample ends: a delta, or a counter whose start nobody knows. The latter shows in the
    // sample before.
    previous.start <= previous.time && previous.start != 0 && previous.start != previous.time
}

/// Whether a sample counts again what the one before had counted: its start lies before that one's time and is another.
pub(super) fn overlaps(previous: Stamp, current: Stamp) -> bool {
    current.start != 0 && current.start < previous.time && current.start != previous.start
}
