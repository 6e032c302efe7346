//! The index file: which streams a segment has, and what is in each of its blocks.
//!
//! ```text
//! pieces 0, 1: the labels of streams ([`crate::index`])
//! piece 2: how many streams there are, how many blocks; packed, for each block:
//!   offset, length, and length of its ids in the data file, first time, last time - first, bytes of lines
//!   streams in it; for each, in the block's own order: its number, rows, bytes of lines,
//!     first time - the block's first, last time - its first
//! piece 3: the shapes of digits that the filter leaves out
//! ```

use weir_signal::{Labels, ReadError};

use super::{BLOCK_ROWS_MAX, INDEX};
use crate::frame::{Damage, FileReader, FileWriter, PIECE_BYTES_MAX, Place, SEAL_BYTES};
use crate::index::{self, Index, IndexWriter};
use crate::pack::{Effort, Packer, Unpacker};
use crate::varint::{Cursor, put_i64, put_u64};

const LABELS: u8 = 0;
const BLOCKS: u8 = LABELS + index::TAGS;
const SHAPES: u8 = BLOCKS + 1;

/// What a segment has in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSummary {
    /// Rows.
    pub rows: u64,
    /// Bytes of their lines.
    pub line_bytes: u64,
    /// Streams.
    pub streams: u32,
    /// Blocks.
    pub blocks: u32,
    /// The earliest and the latest time, both inclusive; `None` where there is no row.
    pub times_ns: Option<(i64, i64)>,
}

/// What a block has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockInfo {
    /// Its number in the segment.
    pub number: u32,
    /// Rows.
    pub rows: u64,
    /// Bytes of their lines.
    pub line_bytes: u64,
    /// Bytes of the block in the data file.
    pub data_bytes: u64,
    /// Its earliest time.
    pub from_ns: i64,
    /// Its latest time, inclusive.
    pub to_ns: i64,
}

/// A stream in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamRun {
    pub(super) stream: u32,
    pub(super) rows: u32,
    pub(super) line_bytes: u64,
    pub(super) from_ns: i64,
    pub(super) to_ns: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockEntry {
    pub(super) place: Place,
    /// Bytes of its ids, whose piece follows.
    pub(super) ids_bytes: u32,
    pub(super) runs: Vec<StreamRun>,
}

impl BlockEntry {
    /// Where its ids are.
    pub(super) fn ids(&self) -> Place {
        let offset = self.place.offset.saturating_add(u64::from(self.place.length) + SEAL_BYTES as u64);
        Place { offset, length: self.ids_bytes }
    }

    pub(super) fn info(&self, number: u32) -> BlockInfo {
        BlockInfo {
            number,
            rows: self.runs.iter().map(|run| u64::from(run.rows)).sum(),
            line_bytes: self.runs.iter().map(|run| run.line_bytes).sum(),
            data_bytes: u64::from(self.place.length) + u64::from(self.ids_bytes),
            from_ns: self.runs.iter().map(|run| run.from_ns).min().unwrap_or_default(),
            to_ns: self.runs.iter().map(|run| run.to_ns).max().unwrap_or_default(),
        }
    }
}

/// All that the index file says but for the labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Directory {
    /// How many there are.
    pub(super) streams: u32,
    pub(super) blocks: Vec<BlockEntry>,
    /// See [`super::tokens::Shapes`].
    pub(super) shapes: u32,
}

impl Directory {
    pub(super) fn summary(&self) -> LogSummary {
        let mut summary =
            LogSummary { streams: self.streams, blocks: self.blocks.len() as u32, ..LogSummary::default() };
        for block in &self.blocks {
            let info = block.info(0);
            summary.rows += info.rows;
            summary.line_bytes += info.line_bytes;
            let (from, to) = summary.times_ns.unwrap_or((info.from_ns, info.to_ns));
            summary.times_ns = Some((from.min(info.from_ns), to.max(info.to_ns)));
        }
        summary
    }

    /// The index file; `labels` are those of the streams, ascending.
    pub(super) fn encode<'a>(&self, labels: impl Iterator<Item = &'a Labels>, effort: Effort) -> Vec<u8> {
        let mut file = FileWriter::new(INDEX);
        let mut streams = IndexWriter::default();
        for labels in labels {
            streams.push(labels);
        }
        streams.finish(LABELS, effort, &mut file);
        let mut plain = Vec::new();
        for block in &self.blocks {
            block.encode(&mut plain);
        }
        let mut body = Vec::new();
        put_u64(&mut body, u64::from(self.streams));
        put_u64(&mut body, self.blocks.len() as u64);
        Packer::of(effort).pack(&plain, &mut body);
        file.put_named(BLOCKS, &body);
        file.put_named(SHAPES, &self.shapes.to_le_bytes());
        file.finish()
    }

    /// Reads it, and opens the labels.
    pub(super) fn read(file: FileReader) -> Result<(Self, Index), ReadError> {
        let (body, place) = file.read_named(BLOCKS)?;
        let (streams, blocks) = decode_blocks(&body).map_err(|damage| file.damaged(place, damage))?;
        let (body, place) = file.read_named(SHAPES)?;
        let shapes = Cursor::new(&body).array().map_err(|damage| file.damaged(place, damage))?;
        Ok((Self { streams, blocks, shapes: u32::from_le_bytes(shapes) }, Index::new(file, LABELS)))
    }
}

fn decode_blocks(body: &[u8]) -> Result<(u32, Vec<BlockEntry>), Damage> {
    let mut cursor = Cursor::new(body);
    let streams = cursor.length(u32::MAX as usize)?;
    let count = cursor.length(u32::MAX as usize)?;
    let mut plain = Vec::new();
    Unpacker::default().unpack(&mut cursor, PIECE_BYTES_MAX, &mut plain)?;
    cursor.end()?;
    let whole = |damage: Damage| cursor.damage(damage.what);
    let mut entries = Cursor::new(&plain);
    let mut blocks = Vec::new();
    for _ in 0..count {
        blocks.push(BlockEntry::decode(&mut entries, streams).map_err(whole)?);
    }
    entries.end().map_err(whole)?;
    Ok((streams as u32, blocks))
}

impl BlockEntry {
    fn encode(&self, out: &mut Vec<u8>) {
        let info = self.info(0);
        put_u64(out, self.place.offset);
        put_u64(out, u64::from(self.place.length));
        put_u64(out, u64::from(self.ids_bytes));
        put_i64(out, info.from_ns);
        put_u64(out, self.runs.len() as u64);
        let mut last = 0;
        for run in &self.runs {
            put_i64(out, i64::from(run.stream) - last);
            last = i64::from(run.stream);
            put_u64(out, u64::from(run.rows));
            put_u64(out, run.line_bytes);
            put_u64(out, run.from_ns.wrapping_sub(info.from_ns) as u64);
            put_u64(out, run.to_ns.wrapping_sub(run.from_ns) as u64);
        }
    }

    fn decode(cursor: &mut Cursor<'_>, streams: usize) -> Result<Self, Damage> {
        let offset = cursor.u64()?;
        let length = cursor.length(PIECE_BYTES_MAX)? as u32;
        let ids_bytes = cursor.length(PIECE_BYTES_MAX)? as u32;
        let from_ns = cursor.i64()?;
        let count = cursor.length(streams)?;
        let mut runs = Vec::new();
        let (mut last, mut rows_left) = (0, BLOCK_ROWS_MAX);
        for _ in 0..count {
            let stream = cursor.i64()?.wrapping_add(last);
            if stream < 0 || stream >= streams as i64 {
                return Err(cursor.damage("a block has a stream that is not there"));
            }
            last = stream;
            let rows = cursor.length(rows_left)?;
            rows_left -= rows;
            let line_bytes = cursor.length(PIECE_BYTES_MAX)? as u64;
            let from_ns = from_ns.wrapping_add(cursor.u64()? as i64);
            let to_ns = from_ns.wrapping_add(cursor.u64()? as i64);
            runs.push(StreamRun { stream: stream as u32, rows: rows as u32, line_bytes, from_ns, to_ns });
        }
        Ok(Self { place: Place { offset, length }, ids_bytes, runs })
    }
}
