//! The three kinds of telemetry.

use std::fmt;

/// A kind of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// Series of samples; their times are milliseconds.
    Metrics,
    /// Streams of lines; their times are nanoseconds.
    Logs,
    /// Spans of traces; their times are nanoseconds.
    Spans,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Metrics, Self::Logs, Self::Spans];

    /// Its name, which is also its folder's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Spans => "spans",
        }
    }

    /// How many of its units of time are a millisecond.
    pub fn units_per_ms(self) -> i64 {
        match self {
            Self::Metrics => 1,
            Self::Logs | Self::Spans => 1_000_000,
        }
    }

    /// How it is written down.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Metrics => 1,
            Self::Logs => 2,
            Self::Spans => 3,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.code() == code)
    }

    /// The day that a time lies in, counted from 1970 (UTC): parts never hold more than one.
    pub(crate) fn day(self, time: i64) -> i64 {
        time.div_euclid(self.day_units())
    }

    /// First and last time of a day.
    pub(crate) fn day_range(self, day: i64) -> (i64, i64) {
        let first = day.saturating_mul(self.day_units());
        (first, first.saturating_add(self.day_units() - 1))
    }

    fn day_units(self) -> i64 {
        86_400_000 * self.units_per_ms()
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
