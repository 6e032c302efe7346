//! Logs on disk: segments of streams, in blocks of columns.
//!
//! A segment is three files. `data` holds blocks, each of at most [`BLOCK_BYTES_MAX`] bytes of lines and metadata; `index`
//! the labels of the streams and, for each block, which streams it has, their times, rows and bytes; `filter` which tokens
//! and metadata values are in which block. A [`LogSegmentWriter`] makes them from rows in any order, a [`LogSegment`] reads
//! them.
//!
//! What holds here:
//!
//! * Rows of a stream that have the same time keep the order in which they were pushed.
//! * Lines are bytes: no encoding is assumed, and none of them is changed.
//! * A block that does not have what a [`LogSelect`](weir_signal::LogSelect) asks for may be read; one that has it is
//!   never passed over ([`tokens`] has the rules).

mod bits;
mod block;
mod directory;
mod filter;
mod rows;
mod segment;
pub mod tokens;
mod writer;

pub use rows::{LogRows, RowRef};
pub use segment::{LogCandidates, LogSegment, StreamVolume, decode_block};
pub use writer::{FinishedLogs, LineTooLong, LogSegmentWriter, LogWriterOptions};

pub use directory::{BlockInfo, LogSummary};

use crate::frame::FileKind;

/// A block has at most so many bytes of lines and metadata; a line that is longer has a block for itself.
pub const BLOCK_BYTES_MAX: usize = 8 << 20;
/// A block has at most so many rows.
pub const BLOCK_ROWS_MAX: usize = 1 << 19;
/// A line together with its metadata is not longer.
pub const LINE_BYTES_MAX: usize = 256 << 20;

const DATA: FileKind = FileKind { name: *b"lgd", version: 1 };
const INDEX: FileKind = FileKind { name: *b"lgi", version: 1 };
const FILTER: FileKind = FileKind { name: *b"lgf", version: 1 };

#[cfg(test)]
mod tests;
