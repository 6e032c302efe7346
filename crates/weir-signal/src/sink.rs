//! Where telemetry goes that comes in.
//!
//! A sink gathers one payload; nothing of it is seen or kept before the one who opened it commits. A decoder that fails
//! half-way drops it, and so nothing is half-stored.

use crate::histogram::HistogramSample;
use crate::labels::Labels;
use crate::metric::{Exemplar, Metadata};
use crate::refusal::Refusal;
use crate::span::Span;

/// A series within one sink. Means nothing to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesRef(pub u32);

/// A log stream within one sink. Means nothing to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamRef(pub u32);

/// Takes metrics. A refusal concerns what was given only; the rest of the payload goes on.
pub trait MetricSink {
    /// The series that was given under `key` before: a 128-bit hash of the labels in the sender's own encoding. Spares
    /// decoding labels that were decoded a moment ago. May forget at any time.
    fn known(&mut self, key: u128) -> Option<SeriesRef>;

    /// The series of `labels`; remembered under `key` where one is given.
    fn series(&mut self, key: Option<u128>, labels: &Labels) -> Result<SeriesRef, Refusal>;

    /// A float sample; `start_ms` 0 where it is not known.
    fn sample(&mut self, series: SeriesRef, time_ms: i64, value: f64, start_ms: i64) -> Result<(), Refusal>;

    /// A native histogram; `start_ms` 0 where it is not known.
    fn histogram(
        &mut self,
        series: SeriesRef,
        time_ms: i64,
        value: HistogramSample,
        start_ms: i64,
    ) -> Result<(), Refusal>;

    /// An exemplar.
    fn exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) -> Result<(), Refusal>;

    /// Type, unit and help of the family `name`.
    fn metadata(&mut self, name: &str, metadata: Metadata);
}

/// Takes lines. A refusal concerns what was given only; the rest of the payload goes on.
pub trait LogSink {
    /// The stream of `labels`.
    fn stream(&mut self, labels: &Labels) -> Result<StreamRef, Refusal>;

    /// A line of a stream, with what goes with this line only.
    fn entry(
        &mut self,
        stream: StreamRef,
        time_ns: i64,
        line: &str,
        metadata: &Labels,
    ) -> Result<(), Refusal>;
}

/// Takes spans. A refusal concerns this span only; the rest of the payload goes on.
pub trait SpanSink {
    /// A span. Spans of one payload share their resource and scope by pointer.
    fn span(&mut self, span: Span) -> Result<(), Refusal>;
}
