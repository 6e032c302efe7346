//! Logs: streams of lines.

mod appender;
mod head;
mod read;
mod record;
mod runs;
mod write;

pub use appender::LogAppender;
pub(crate) use appender::LogTenant;
pub(crate) use head::{FrozenLogs, LogReplay};
pub(crate) use write::merge_parts;
