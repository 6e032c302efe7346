//! A block: rows as columns.
//!
//! Rows stand by stream, then by time, then in the order in which they were pushed. Each line is cut into the text of a
//! template and values ([`line`]); of each template, each place of a value is a column ([`columns`]); ids have one column
//! for all ([`lanes`]), since they pass from template to template. The parts of like bytes of all columns lie together in
//! *pools*, which are packed on their own.
//!
//! ```text
//! rows, bytes of lines, bytes of metadata, streams; for each stream how many rows it has
//! templates
//! how many ids of 8 bytes there are
//! each pool, packed, in the order of [`pools::Pool`]
//! ```
//!
//! The ids, those of 8 bytes first, are a piece of their own behind that, so that they can be searched without the rest.

mod columns;
mod decode;
mod encode;
mod interner;
mod lanes;
mod line;
mod numbers;
mod pools;
mod stamp;
mod templates;

use memchr::memmem::Finder;
use roaring::RoaringBitmap;

pub(super) use decode::BlockDecoder;
pub(super) use encode::BlockEncoder;
pub(super) use line::bytes_of_hex;

/// Which rows of a block are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pick<'a> {
    /// Inclusive.
    pub(super) from_ns: i64,
    /// Exclusive; `None` without an end.
    pub(super) to_ns: Option<i64>,
    /// By a stream's number in the segment; `None` for all.
    pub(super) streams: Option<&'a RoaringBitmap>,
    /// All of these are in the line.
    pub(super) contains: &'a [Finder<'static>],
    /// All of these are in the metadata.
    pub(super) metadata: &'a [(Box<str>, Box<str>)],
}

impl Pick<'_> {
    pub(super) fn all() -> Self {
        Self { from_ns: i64::MIN, to_ns: None, streams: None, contains: &[], metadata: &[] }
    }

    fn time(&self, time_ns: i64) -> bool {
        time_ns >= self.from_ns && self.to_ns.is_none_or(|to| time_ns < to)
    }

    fn stream(&self, stream: u32) -> bool {
        self.streams.is_none_or(|wanted| wanted.contains(stream))
    }
}
