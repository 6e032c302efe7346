//! Traces: spans, found by trace and by what they say.

mod appender;
mod head;
mod matching;
mod operations;
mod read;
mod record;
mod search;
mod write;

pub use appender::SpanAppender;
pub(crate) use appender::SpanTenant;
pub(crate) use head::FrozenSpans;
pub(crate) use write::merge_parts;
