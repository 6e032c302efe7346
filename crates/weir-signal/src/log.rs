//! Lines of logs.

use crate::labels::Labels;

/// A line that was read, lent until the next one is.
///
/// A stream is named by a few labels of few values; what differs from line to line (a trace id, a user) is in `metadata`
/// (Loki's structured metadata), found by filters and never part of a stream's identity.
#[derive(Debug, Clone, Copy)]
pub struct LogRow<'a> {
    /// The stream that it belongs to.
    pub stream: &'a Labels,
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// The line, without its end.
    pub line: &'a str,
    /// What goes with this line only.
    pub metadata: &'a Labels,
}

/// A line on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// The line, without its end.
    pub line: Box<str>,
    /// What goes with this line only.
    pub metadata: Labels,
}
