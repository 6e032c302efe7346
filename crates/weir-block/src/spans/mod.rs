//! Traces on disk: segments of spans, in blocks of columns.
//!
//! A segment is three files. `data` holds blocks of some thousand spans; `index` what is in each block (times, durations),
//! the blocks of each trace by its fingerprint, and what services, operations and attributes there are; `filter` the blocks
//! of each name, service and attribute value. A [`SpanSegmentWriter`] makes them from spans in any order, a [`SpanSegment`]
//! reads them.
//!
//! What holds here:
//!
//! * What a block has of one trace is a *fragment*. Its spans stand by start, then by id, then in the order in which they
//!   were pushed; fragments stand by the start of their first span, then by trace.
//! * A trace is as many fragments as there are blocks that its spans came into. A condition that some span of a trace meets
//!   is met by one of the fragments, not by each: a search is led by *one* condition, the same in all segments, and puts
//!   the traces together before it looks at the others.
//! * A block that has a span which meets a condition is never passed over.

mod attributes;
mod block;
mod columns;
mod directory;
mod fingerprints;
mod interner;
mod keys;
mod nested;
mod operations;
mod segment;
mod test;
mod tokens;
mod values;
mod writer;

pub use block::SpanBlock;
pub use directory::{SpanBlockInfo, SpanSummary};
pub use operations::Operation;
pub use segment::SpanSegment;
pub use values::Values;
pub use writer::{FinishedSpans, SpanSegmentWriter, SpanWriterOptions, Unstorable};

use crate::frame::FileKind;

/// A block has at most so many spans.
pub const BLOCK_SPANS_MAX: usize = 1 << 16;
/// A block of more bytes of texts is cut; a span that is longer has a block for itself.
pub const BLOCK_BYTES_MAX: usize = 8 << 20;
/// A span is not longer.
pub const SPAN_BYTES_MAX: usize = 64 << 20;
/// Attributes, events and links of a span together are not more.
pub const SPAN_PARTS_MAX: usize = 1 << 20;

/// What is unpacked at once is not longer: the texts of a block with the lengths before them.
const PLAIN_BYTES_MAX: usize = 160 << 20;

const DATA: FileKind = FileKind { name: *b"spd", version: 1 };
const INDEX: FileKind = FileKind { name: *b"spi", version: 1 };
const FILTER: FileKind = FileKind { name: *b"spf", version: 1 };

#[cfg(test)]
mod tests;
