//! The words of telemetry, shared by everything that takes it in, keeps it, and asks for it.
//!
//! Metrics are series of [`Points`] named by [`Labels`]; logs are lines in streams named by labels; traces are [`Span`]s.
//! What takes telemetry in writes to a sink ([`MetricSink`], [`LogSink`], [`SpanSink`]); what asks for it reads from a
//! source ([`SeriesSource`], [`LogSource`], [`TraceSource`]), and never without a [`Scope`].
//!
//! This crate knows no encoding, no file, no socket and no clock. Times of metrics are milliseconds, times of logs and
//! spans nanoseconds, both since 1970 (UTC) and signed.

mod base64;
mod date;
mod histogram;
mod labels;
mod left_out;
mod log;
mod matcher;
mod metric;
mod points;
mod re2;
mod refusal;
mod refused;
mod scope;
mod sink;
mod source;
mod span;
mod value;

pub use base64::{base64, unbase64};
pub use date::{DAY_SECONDS, Date, parse_rfc3339, rfc3339_ms};
pub use histogram::{
    Bucket, BucketRun, Buckets, CUSTOM_SCHEMA, Histogram, HistogramMean, HistogramSample, HistogramSum,
    IntBuckets, IntHistogram, InvalidHistogram, Joined, MixedSchemas, QuantileNote, ResetHint, go_g,
    kahan_add,
};
pub use labels::{Labels, LabelsBuilder, LabelsError, METRIC_NAME, STRING_BYTES_MAX};
pub use left_out::LeftOut;
pub use log::{LogEntry, LogRow};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use metric::{Exemplar, Metadata, MetricKind};
pub use points::{Points, STALE_NAN_BITS, is_stale, stale_nan};
pub use re2::{re2, re2_whole};
pub use refusal::{Reason, Refusal};
pub use refused::Refused;
pub use scope::{Budget, Limits, ReadError, Scope, Tenant};
pub use sink::{LogSink, MetricSink, SeriesRef, SpanSink, StreamRef};
pub use source::{
    Direction, LogSelect, LogSource, LogStream, SeriesHints, SeriesSelect, SeriesSource, SeriesStream,
    SpanCondition, SpanField, SpanSelect, SpanTest, Trace, TraceSource, TraceStream,
};
pub use span::{InstrumentationScope, Link, Resource, Span, SpanEvent, SpanId, SpanKind, Status, TraceId};
pub use value::{Attribute, Value};
