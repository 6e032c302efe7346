//! Segments of metrics: samples and their index in two files.
//!
//! `data` has pages of blocks (`page`) and pages of columns of times (`times`), in the order in which they became full,
//! and can be written as it grows. `index` knows where they are, which series there are ([`crate::index`]), and has what is
//! known of metrics beside samples. Within a segment a series is a number; numbers ascend with labels.

mod directory;
mod exemplars;
mod extras;
mod metadata;
mod page;
mod reader;
mod samples;
mod spans;
mod summary;
mod times;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use reader::{Segment, SegmentReader};
pub use samples::Samples;
pub use summary::Summary;
pub use verify::verify;
pub use writer::{Finished, SegmentOptions, SegmentWriter, WriteError};

use crate::frame::FileKind;

/// The number of a series within its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesNumber(pub u32);

/// The longest block. Longer series are cut into several.
pub const ROW_SAMPLES_MAX: usize = 16 * 1024;

const DATA: FileKind = FileKind { name: *b"smp", version: 1 };
const INDEX: FileKind = FileKind { name: *b"six", version: 1 };

/// Pieces of `index`.
mod tag {
    pub(super) const SUMMARY: u8 = 1;
    pub(super) const PAGES: u8 = 2;
    pub(super) const TIMES: u8 = 3;
    pub(super) const EXEMPLARS: u8 = 4;
    pub(super) const METADATA: u8 = 5;
    pub(super) const SPANS: u8 = 6;
    /// The label index takes the tags from here on.
    pub(super) const LABELS: u8 = 16;
}
