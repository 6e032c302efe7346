//! What the index says of each block.
//!
//! ```text
//! how many traces, how many blocks; packed, for each block:
//!   offset, length; spans, fragments; first start, last start - first; shortest duration, longest - shortest;
//!   statuses and kinds, each as bits
//! ```

use weir_signal::{SpanKind, Status};

use super::{BLOCK_SPANS_MAX, PLAIN_BYTES_MAX};
use crate::frame::{Damage, PIECE_BYTES_MAX, Place};
use crate::pack::{Packer, Unpacker};
use crate::varint::{Cursor, put_i64, put_u64};

/// What a segment has in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpanSummary {
    /// Spans.
    pub spans: u64,
    /// Traces.
    pub traces: u64,
    /// Pieces of traces: one for each trace in each block.
    pub fragments: u64,
    /// Blocks.
    pub blocks: u32,
    /// The earliest and the latest start, both inclusive; `None` where there is no span.
    pub times_ns: Option<(i64, i64)>,
}

/// What a block has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanBlockInfo {
    /// Its number in the segment.
    pub number: u32,
    /// Spans.
    pub spans: u32,
    /// Traces that it has spans of.
    pub fragments: u32,
    /// Bytes of the block in the data file.
    pub data_bytes: u64,
    /// The earliest start of a span.
    pub from_ns: i64,
    /// The latest start of a span, inclusive.
    pub to_ns: i64,
    /// The shortest duration of a span.
    pub duration_min_ns: u64,
    /// The longest.
    pub duration_max_ns: u64,
    statuses: u8,
    kinds: u8,
}

impl SpanBlockInfo {
    /// Whether a span of it ended so.
    pub fn has_status(&self, status: Status) -> bool {
        self.statuses >> status as u8 & 1 == 1
    }

    /// Whether a span of it is of this kind.
    pub fn has_kind(&self, kind: SpanKind) -> bool {
        self.kinds >> kind as u8 & 1 == 1
    }
}

/// A block and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockEntry {
    pub(super) place: Place,
    pub(super) info: SpanBlockInfo,
}

impl BlockEntry {
    pub(super) fn new(number: u32, place: Place, encoded: &super::block::Encoded) -> Self {
        let info = SpanBlockInfo {
            number,
            spans: encoded.spans,
            fragments: encoded.traces.len() as u32,
            data_bytes: u64::from(place.length),
            from_ns: encoded.from_ns,
            to_ns: encoded.to_ns,
            duration_min_ns: encoded.duration_min_ns,
            duration_max_ns: encoded.duration_max_ns,
            statuses: encoded.statuses,
            kinds: encoded.kinds,
        };
        Self { place, info }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let info = &self.info;
        put_u64(out, self.place.offset);
        put_u64(out, u64::from(self.place.length));
        put_u64(out, u64::from(info.spans));
        put_u64(out, u64::from(info.fragments));
        put_i64(out, info.from_ns);
        put_u64(out, info.to_ns.wrapping_sub(info.from_ns) as u64);
        put_u64(out, info.duration_min_ns);
        put_u64(out, info.duration_max_ns - info.duration_min_ns);
        out.extend([info.statuses, info.kinds]);
    }

    fn decode(number: u32, cursor: &mut Cursor<'_>) -> Result<Self, Damage> {
        let place = Place { offset: cursor.u64()?, length: cursor.length(PIECE_BYTES_MAX)? as u32 };
        let spans = cursor.length(BLOCK_SPANS_MAX)?;
        let fragments = cursor.length(spans)? as u32;
        let from_ns = cursor.i64()?;
        let to_ns = from_ns.wrapping_add(cursor.u64()?.cast_signed());
        let duration_min_ns = cursor.u64()?;
        let duration_max_ns = duration_min_ns.saturating_add(cursor.u64()?);
        let info = SpanBlockInfo {
            number,
            spans: spans as u32,
            fragments,
            data_bytes: u64::from(place.length),
            from_ns,
            to_ns,
            duration_min_ns,
            duration_max_ns,
            statuses: cursor.u8()?,
            kinds: cursor.u8()?,
        };
        Ok(Self { place, info })
    }
}

/// All blocks of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Directory {
    pub(super) traces: u64,
    pub(super) blocks: Vec<BlockEntry>,
}

impl Directory {
    pub(super) fn summary(&self) -> SpanSummary {
        let mut summary =
            SpanSummary { traces: self.traces, blocks: self.blocks.len() as u32, ..SpanSummary::default() };
        for BlockEntry { info, .. } in &self.blocks {
            summary.spans += u64::from(info.spans);
            summary.fragments += u64::from(info.fragments);
            let (from, to) = summary.times_ns.unwrap_or((info.from_ns, info.to_ns));
            summary.times_ns = Some((from.min(info.from_ns), to.max(info.to_ns)));
        }
        summary
    }

    pub(super) fn encode(&self, packer: &mut Packer) -> Vec<u8> {
        let mut plain = Vec::new();
        self.blocks.iter().for_each(|block| block.encode(&mut plain));
        let mut out = Vec::new();
        put_u64(&mut out, self.traces);
        put_u64(&mut out, self.blocks.len() as u64);
        packer.pack(&plain, &mut out);
        out
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, Damage> {
        let mut cursor = Cursor::new(body);
        let traces = cursor.u64()?;
        let count = cursor.length(u32::MAX as usize)? as u32;
        let mut plain = Vec::new();
        Unpacker::default().unpack(&mut cursor, PLAIN_BYTES_MAX, &mut plain)?;
        cursor.end()?;
        let mut entries = Cursor::new(&plain);
        let mut blocks = Vec::new();
        let mut read = || {
            for number in 0..count {
                blocks.push(BlockEntry::decode(number, &mut entries)?);
            }
            entries.end()
        };
        read().map_err(|damage: Damage| cursor.damage(damage.what))?;
        Ok(Self { traces, blocks })
    }
}
