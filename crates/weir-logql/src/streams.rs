//! Lines to answers: streams, ascending by labels, with their lines in the order that was asked for.

use std::collections::BTreeMap;

use weir_signal::{Direction, Labels, LogSource, ReadError, Scope};

use crate::ast::LogExpr;
use crate::pipeline::Pipeline;
use crate::select::select;

/// Which lines are wanted.
#[derive(Debug, Clone)]
pub struct LogQuery {
    /// The query.
    pub logs: LogExpr,
    /// The earliest time, inclusive, in nanoseconds since 1970.
    pub from_ns: i64,
    /// The latest time, exclusive.
    pub to_ns: i64,
    /// What `now` is in templates.
    pub now_ns: i64,
    /// How many lines at most.
    pub limit: usize,
    /// Which end of time comes first.
    pub direction: Direction,
    /// How far apart two lines have to be at least, in nanoseconds; 0: all are wanted.
    pub interval_ns: i64,
    /// Whether streams are named by their own labels only, rather than by all that their lines have.
    pub by_stream_labels: bool,
}

impl LogQuery {
    /// The newest `limit` lines of a time range.
    pub fn newest(logs: LogExpr, from_ns: i64, to_ns: i64, limit: usize) -> Self {
        Self {
            logs,
            from_ns,
            to_ns,
            now_ns: to_ns,
            limit,
            direction: Direction::Backward,
            interval_ns: 0,
            by_stream_labels: false,
        }
    }
}

/// Lines that have the same labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamResult {
    /// Which.
    pub labels: Labels,
    /// In the order that was asked for.
    pub entries: Vec<Entry>,
}

/// A line of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// The line, as the query's stages left it.
    pub line: Box<str>,
    /// The labels that are its metadata.
    pub metadata: Labels,
    /// The labels that were parsed or formatted, and what went wrong.
    pub parsed: Labels,
}

/// Answers a query with lines.
///
/// # Errors
/// Lines could not be read, or more than the scope's budget allows.
pub fn run_logs(
    query: &LogQuery,
    source: &dyn LogSource,
    scope: &Scope,
) -> Result<Vec<StreamResult>, ReadError> {
    let mut streams: BTreeMap<Labels, Vec<Entry>> = BTreeMap::new();
    if query.limit == 0 || query.from_ns >= query.to_ns {
        return Ok(Vec::new());
    }
    // The parser has checked that every stage can be done.
    let Ok(mut pipeline) = Pipeline::new(&query.logs.stages, query.now_ns) else { return Ok(Vec::new()) };
    let select = select(&query.logs, query.from_ns, query.to_ns, query.direction, source, scope)?;
    let mut rows = source.select(scope, &select)?;
    let mut left = query.limit;
    let mut last_ns: Option<i64> = None;
    while let Some(row) = rows.next()? {
        let Some(line) = pipeline.process(row) else { continue };
        let time_ns = line.time_ns();
        let is_near = |last: i64| last.abs_diff(time_ns) < query.interval_ns.unsigned_abs();
        if query.interval_ns > 0 && last_ns.is_some_and(is_near) {
            continue;
        }
        last_ns = Some(time_ns);
        let labels = if query.by_stream_labels { line.stream() } else { line.labels() };
        let entry =
            Entry { time_ns, line: line.text().into(), metadata: line.metadata(), parsed: line.parsed() };
        streams.entry(labels).or_default().push(entry);
        left -= 1;
        if left == 0 {
            break;
        }
    }
    Ok(streams.into_iter().map(|(labels, entries)| StreamResult { labels, entries }).collect())
}
