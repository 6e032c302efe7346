//! The access log: one record per request, off the request's path.
//!
//! ```text
//!   worker: record ──encode──► AccessBuffer (64 KiB) ──swap when full or old──► bounded queue ──► writer thread ──► file
//!                                   ▲──────────────── empty buffers come back ◄────────────────────┘
//! ```
//!
//! A full queue drops the batch and counts its records; nobody waits. No record is split between batches, and each is
//! one line.

mod json;
mod query;
mod record;
mod sink;
mod text;
mod totals;
mod writer;

pub use json::encode_json;
#[cfg(test)]
pub(crate) use record::samples;
pub use record::{Record, Reuse, Timings};
pub use text::encode_text;
pub use totals::{Counts, Totals};
pub use writer::{AccessBuffer, AccessLog, Format, Settings, Target};
