//! Metrics: series of samples.

mod appender;
mod chunk;
mod head;
mod merge;
mod read;
mod record;
mod runs;
mod series;
mod write;

pub use appender::MetricAppender;
pub(crate) use appender::{MetricTenant, check_labels};
pub(crate) use head::{FrozenMetrics, MetricReplay};
pub(crate) use write::merge_parts;
