//! Lines in memory: what a test's lines are asked from.

use std::collections::BTreeMap;
use std::ops::Range;

use weir_signal::{Direction, Labels, LogEntry, LogRow, LogSelect, LogSource, LogStream, ReadError, Scope};

/// Streams, kept whole. Lines may come in any order.
///
/// Of its lines it answers only those that a select's hints allow, so that a hint that is wrong is noticed. It knows no
/// tenants: whoever has it may read all of it that the scope's matchers select.
#[derive(Debug, Clone, Default)]
pub struct MemoryLogs {
    /// The lines of each stream, ascending by time, those of one time in the order in which they came.
    streams: BTreeMap<Labels, Vec<LogEntry>>,
}

impl MemoryLogs {
    /// No lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line.
    pub fn push(&mut self, stream: &Labels, time_ns: i64, line: &str, metadata: &Labels) {
        let entries = self.streams.entry(stream.clone()).or_default();
        let at = entries.partition_point(|entry| entry.time_ns <= time_ns);
        entries.insert(at, LogEntry { time_ns, line: line.into(), metadata: metadata.clone() });
    }

    fn matching<'a>(
        &'a self,
        scope: &'a Scope,
        select: &'a LogSelect,
    ) -> impl Iterator<Item = (&'a Labels, &'a [LogEntry])> {
        let wanted = self.streams.iter().filter(move |(labels, _)| {
            select.matchers.iter().chain(&*scope.matchers).all(|matcher| matcher.selects(labels))
        });
        wanted.filter_map(move |(labels, entries)| {
            let within = &entries[range(entries, select)];
            (!within.is_empty()).then_some((labels, within))
        })
    }
}

fn range(entries: &[LogEntry], select: &LogSelect) -> Range<usize> {
    let at = |time_ns: i64| entries.partition_point(|entry| entry.time_ns < time_ns);
    let from = at(select.from_ns);
    from..at(select.to_ns).max(from)
}

impl LogSource for MemoryLogs {
    fn select<'a>(&'a self, scope: &Scope, select: &LogSelect) -> Result<Box<dyn LogStream + 'a>, ReadError> {
        let has = |entry: &LogEntry| {
            select.contains.iter().all(|text| entry.line.contains(&**text))
                && select.metadata.iter().all(|(name, value)| entry.metadata.get(name) == Some(value))
        };
        let mut rows: Vec<(&Labels, &LogEntry)> = Vec::new();
        for (labels, entries) in &self.streams {
            let selected =
                select.matchers.iter().chain(&*scope.matchers).all(|matcher| matcher.selects(labels));
            if selected {
                let within = entries[range(entries, select)].iter();
                rows.extend(within.filter(|entry| has(entry)).map(|entry| (labels, entry)));
            }
        }
        rows.sort_by_key(|(_, entry)| entry.time_ns);
        if select.direction == Direction::Backward {
            rows.reverse();
        }
        Ok(Box::new(Stream { rows: rows.into_iter(), scope: scope.clone() }))
    }

    fn streams(&self, scope: &Scope, select: &LogSelect) -> Result<Vec<Labels>, ReadError> {
        Ok(self.matching(scope, select).map(|(labels, _)| labels.clone()).collect())
    }

    fn volume(&self, scope: &Scope, select: &LogSelect) -> Result<Vec<(Labels, u64, u64)>, ReadError> {
        let volume = |(labels, entries): (&Labels, &[LogEntry])| {
            let bytes: usize = entries.iter().map(|entry| entry.line.len()).sum();
            (labels.clone(), entries.len() as u64, bytes as u64)
        };
        Ok(self.matching(scope, select).map(volume).collect())
    }
}

struct Stream<'a> {
    rows: std::vec::IntoIter<(&'a Labels, &'a LogEntry)>,
    scope: Scope,
}

impl LogStream for Stream<'_> {
    fn next(&mut self) -> Result<Option<LogRow<'_>>, ReadError> {
        let Some((stream, entry)) = self.rows.next() else { return Ok(None) };
        self.scope.budget.charge(1, entry.line.len() as u64)?;
        Ok(Some(LogRow { stream, time_ns: entry.time_ns, line: &entry.line, metadata: &entry.metadata }))
    }
}
