//! How telemetry is asked for: planners of the query languages emit a select, the store answers with a pull stream.
//!
//! Streams decode as they are pulled and charge the scope's budget for it; dropping one ends its work.

use crate::labels::Labels;
use crate::log::LogRow;
use crate::matcher::Matcher;
use crate::metric::{Exemplar, Metadata};
use crate::points::Points;
use crate::scope::{ReadError, Scope};
use crate::span::{Span, SpanKind, TraceId};
use crate::value::Value;

/// What the reader is going to do with the samples: it may spare work and never changes an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeriesHints {
    /// The query's step in milliseconds; 0 for an instant.
    pub step_ms: i64,
    /// The range of a range selector in milliseconds; 0 for an instant selector.
    pub range_ms: i64,
    /// The function right around the selector.
    pub function: Option<&'static str>,
}

/// Which samples are wanted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesSelect {
    /// All have to match.
    pub matchers: Vec<Matcher>,
    /// The earliest time, inclusive.
    pub from_ms: i64,
    /// The latest time, inclusive.
    pub to_ms: i64,
    /// What for.
    pub hints: SeriesHints,
}

/// Metrics that can be read.
pub trait SeriesSource {
    /// The series that match and have a sample in the range.
    fn select<'a>(
        &'a self,
        scope: &Scope,
        select: &SeriesSelect,
    ) -> Result<Box<dyn SeriesStream + 'a>, ReadError>;

    /// The labels of the series that match and may have a sample in the range, ascending.
    fn series(&self, scope: &Scope, select: &SeriesSelect) -> Result<Vec<Labels>, ReadError>;

    /// The names of labels of those series, ascending.
    fn label_names(&self, scope: &Scope, select: &SeriesSelect) -> Result<Vec<String>, ReadError>;

    /// The values of one label of those series, ascending.
    fn label_values(
        &self,
        scope: &Scope,
        select: &SeriesSelect,
        name: &str,
    ) -> Result<Vec<String>, ReadError>;

    /// Exemplars of the series that match, ascending by labels and time.
    fn exemplars(
        &self,
        scope: &Scope,
        select: &SeriesSelect,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, ReadError>;

    /// Type, unit and help of metric families, ascending by name; of one where `name` is given.
    fn metadata(&self, scope: &Scope, name: Option<&str>) -> Result<Vec<(String, Metadata)>, ReadError>;
}

/// Series, one at a time, ascending by labels, each once, none without a sample.
pub trait SeriesStream {
    /// Fills `points` (whose memory is used again) with the next series; `None` at the end.
    fn next(&mut self, points: &mut Points) -> Result<Option<Labels>, ReadError>;
}

/// Which end of time comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    #[default]
    Backward,
}

/// Which lines are wanted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LogSelect {
    /// What the stream's labels have to match.
    pub matchers: Vec<Matcher>,
    /// The earliest time, inclusive.
    pub from_ns: i64,
    /// The latest time, exclusive.
    pub to_ns: i64,
    /// The order.
    pub direction: Direction,
    /// Texts that every wanted line contains, as they stand. The store may use them to pass over blocks and lines; it may
    /// also answer lines without them.
    pub contains: Vec<Box<str>>,
    /// Metadata that every wanted line has, name and value. As with `contains`, a hint.
    pub metadata: Vec<(Box<str>, Box<str>)>,
}

/// Logs that can be read.
pub trait LogSource {
    /// The lines that match, in order of time; of one time, by stream, then in the order in which they came (reversed
    /// where the direction is backward).
    fn select<'a>(&'a self, scope: &Scope, select: &LogSelect) -> Result<Box<dyn LogStream + 'a>, ReadError>;

    /// The streams that match and may have a line in the range, ascending.
    fn streams(&self, scope: &Scope, select: &LogSelect) -> Result<Vec<Labels>, ReadError>;

    /// For each stream that matches: lines and bytes of lines in the range, from statistics where they suffice.
    fn volume(&self, scope: &Scope, select: &LogSelect) -> Result<Vec<(Labels, u64, u64)>, ReadError>;
}

/// Lines, one at a time.
pub trait LogStream {
    /// The next line, lent until the next call; `None` at the end.
    fn next(&mut self) -> Result<Option<LogRow<'_>>, ReadError>;
}

/// A place in a span that a search looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SpanField {
    /// What is done.
    Name,
    /// The resource's `service.name`.
    Service,
    /// Nanoseconds.
    Duration,
    /// Its status, as TraceQL writes it.
    Status,
    /// Its kind, as TraceQL writes it.
    Kind,
    /// An attribute of the span.
    Span(Box<str>),
    /// An attribute of the resource.
    Resource(Box<str>),
    /// An attribute of either.
    Either(Box<str>),
}

/// How a search compares.
#[derive(Debug, Clone, PartialEq)]
pub enum SpanTest {
    /// Equal to this value.
    Equal(Value),
    /// Numbers: at least this.
    AtLeast(f64),
    /// Numbers: at most this.
    AtMost(f64),
    /// There at all.
    Exists,
}

/// One necessary condition.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanCondition {
    /// Where.
    pub field: SpanField,
    /// What.
    pub test: SpanTest,
}

/// Which traces are wanted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpanSelect {
    /// A span of the trace begins at or after this time.
    pub from_ns: i64,
    /// A span of the trace begins before this time.
    pub to_ns: i64,
    /// For a wanted trace, each of these holds for at least one of its spans. Hints: the store may answer more.
    pub conditions: Vec<SpanCondition>,
}

/// A trace: its spans ascending by start, then by id.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// Its id.
    pub id: TraceId,
    /// Its spans.
    pub spans: Vec<Span>,
}

/// Traces that can be read.
pub trait TraceSource {
    /// One trace, all of it; `None` where no span of it is known. `within` may narrow the time range searched.
    fn trace(
        &self,
        scope: &Scope,
        id: TraceId,
        within: Option<(i64, i64)>,
    ) -> Result<Option<Trace>, ReadError>;

    /// Whole traces that may match, newest first by the start of their first span in the range, then by id.
    fn search<'a>(
        &'a self,
        scope: &Scope,
        select: &SpanSelect,
    ) -> Result<Box<dyn TraceStream + 'a>, ReadError>;

    /// The names of attributes of spans and of resources, ascending, where spans begin in a range of nanoseconds since 1970,
    /// its end excluded. Names of what begins shortly before or after it may be among them.
    fn attribute_names(
        &self,
        scope: &Scope,
        range: (i64, i64),
    ) -> Result<(Vec<String>, Vec<String>), ReadError>;

    /// The values of a field, ascending as text, at most `limit`, in such a range; again with those shortly outside of it.
    fn values(
        &self,
        scope: &Scope,
        range: (i64, i64),
        field: &SpanField,
        limit: usize,
    ) -> Result<Vec<Value>, ReadError>;

    /// The names and kinds of a service's spans, ascending, in such a range; again with those shortly outside of it.
    fn operations(
        &self,
        scope: &Scope,
        range: (i64, i64),
        service: &str,
    ) -> Result<Vec<(Box<str>, SpanKind)>, ReadError>;
}

/// Traces, one at a time.
pub trait TraceStream {
    /// The next trace; `None` at the end.
    fn next(&mut self) -> Result<Option<Trace>, ReadError>;
}
