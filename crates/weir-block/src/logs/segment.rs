//! Reads a segment.

use std::collections::BTreeMap;
use std::sync::Arc;

use memchr::memmem::{self, Finder};
use roaring::RoaringBitmap;
use weir_signal::{LogSelect, ReadError};

use super::block::{BlockDecoder, Pick, bytes_of_hex};
use super::directory::{BlockEntry, BlockInfo, Directory, LogSummary, StreamRun};
use super::filter::FilterReader;
use super::rows::LogRows;
use super::tokens::{self, Need, Shapes};
use super::{DATA, FILTER, INDEX};
use crate::frame::{Damage, FileReader};
use crate::index::Index;
use crate::read::{ReadAt, Watch};

/// A segment that can be read. Opening it reads the index, and of the filter what says where its pages are.
pub struct LogSegment {
    index: Index,
    data: FileReader,
    data_file: Arc<dyn ReadAt>,
    /// Damaged, it can be done without.
    filter: Result<FilterReader, ReadError>,
    directory: Directory,
    summary: LogSummary,
}

/// What a select means for one segment: its streams, and the blocks that may have what is wanted.
#[derive(Debug, Clone)]
pub struct LogCandidates {
    from_ns: i64,
    to_ns: i64,
    streams: RoaringBitmap,
    contains: Vec<Finder<'static>>,
    metadata: Vec<(Box<str>, Box<str>)>,
    /// Ascending by number.
    pub blocks: Vec<BlockInfo>,
}

/// Lines of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamVolume {
    /// Its number in the segment.
    pub stream: u32,
    /// Rows.
    pub rows: u64,
    /// Bytes of their lines.
    pub line_bytes: u64,
}

impl LogSegment {
    /// Opens the three files of a segment. It can be read without its filter, only slower: whoever cannot open that gives the
    /// error, which is told when the filter is needed.
    ///
    /// # Errors
    /// Index or data are damaged or cannot be read.
    pub fn open(
        index: Arc<dyn ReadAt>,
        data: Arc<dyn ReadAt>,
        filter: Result<Arc<dyn ReadAt>, ReadError>,
    ) -> Result<Self, ReadError> {
        let (directory, index) = Directory::read(FileReader::open(index, INDEX)?)?;
        let data_file = data.clone();
        // The index knows where its pieces are: what only its end says is not needed to read it.
        let data = FileReader::open_without_table(data, DATA)?;
        let filter = filter
            .and_then(|filter| FilterReader::open(FileReader::open(filter, FILTER)?, directory.blocks.len()));
        let summary = directory.summary();
        Ok(Self { index, data, data_file, filter, directory, summary })
    }

    /// What it has in all.
    pub fn summary(&self) -> LogSummary {
        self.summary
    }

    /// The labels of its streams, which are numbered in the order of these: which streams match, what each is called.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Its blocks, in the order in which they were written.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = BlockInfo> {
        self.directory.blocks.iter().enumerate().map(|(number, block)| block.info(number as u32))
    }

    /// The streams that match and have a row in the range, by what the index says: one whose rows in a block lie around the
    /// range counts.
    ///
    /// # Errors
    /// The index is damaged or cannot be read.
    pub fn streams(&self, select: &LogSelect) -> Result<RoaringBitmap, ReadError> {
        let wanted = self.index.select(&select.matchers)?;
        let runs = self.directory.blocks.iter().flat_map(|block| &block.runs);
        let within = |run: &&StreamRun| run.from_ns < select.to_ns && run.to_ns >= select.from_ns;
        let found: RoaringBitmap = runs.filter(within).map(|run| run.stream).collect();
        Ok(wanted & found)
    }

    /// The blocks that may have rows that are wanted: by time, stream and filter. Where the filter is damaged, all that may
    /// have some by time and stream.
    ///
    /// # Errors
    /// The index is damaged or cannot be read, or `watch` ends it.
    pub fn candidates(&self, select: &LogSelect, watch: &mut dyn Watch) -> Result<LogCandidates, ReadError> {
        let mut candidates = LogCandidates {
            from_ns: select.from_ns,
            to_ns: select.to_ns,
            streams: self.index.select(&select.matchers)?,
            contains: select
                .contains
                .iter()
                .filter(|text| !text.is_empty())
                .map(|text| Finder::new(text.as_bytes()).into_owned())
                .collect(),
            metadata: select.metadata.clone(),
            blocks: Vec::new(),
        };
        let within = |block: &BlockEntry| {
            block.runs.iter().any(|run| {
                run.from_ns < select.to_ns
                    && run.to_ns >= select.from_ns
                    && candidates.streams.contains(run.stream)
            })
        };
        let mut numbers: Vec<u32> = (0..)
            .zip(&self.directory.blocks)
            .filter_map(|(number, block)| within(block).then_some(number))
            .collect();
        if !numbers.is_empty() {
            let shapes = Shapes(self.directory.shapes);
            let mut needs: Vec<Need> = Vec::new();
            for text in &select.contains {
                tokens::needed_by_text(text.as_bytes(), shapes, &mut needs);
            }
            for (_, value) in &select.metadata {
                tokens::needed_by_value(value.as_bytes(), &mut needs);
            }
            if !needs.is_empty() {
                numbers = self.filtered(numbers, &needs, watch)?;
            }
        }
        let info = |&number: &u32| self.directory.blocks[number as usize].info(number);
        candidates.blocks = numbers.iter().map(info).collect();
        Ok(candidates)
    }

    /// The blocks that may meet needs.
    fn filtered(
        &self,
        numbers: Vec<u32>,
        needs: &[Need],
        watch: &mut dyn Watch,
    ) -> Result<Vec<u32>, ReadError> {
        let found = match self.filter.as_ref().map_err(Clone::clone).and_then(|filter| filter.find(needs)) {
            Ok(found) => found,
            Err(error) => {
                watch.leave_out(error)?;
                return Ok(numbers);
            }
        };
        let mut kept = Vec::with_capacity(numbers.len());
        for number in numbers {
            if self.may_have(&self.directory.blocks[number as usize], found.missing(number), watch)? {
                kept.push(number);
            }
        }
        Ok(kept)
    }

    /// Whether a block may yet meet the needs that its keys do not.
    fn may_have<'a>(
        &self,
        block: &BlockEntry,
        missing: impl Iterator<Item = &'a Need>,
        watch: &mut dyn Watch,
    ) -> Result<bool, ReadError> {
        let mut ids: Option<Vec<u8>> = None;
        for need in missing {
            let Some(digits) = &need.or_in_id else { return Ok(false) };
            if ids.is_none() {
                watch.charge(0, u64::from(block.ids_bytes))?;
                match self.data.read(block.ids()) {
                    Ok(read) => ids = Some(read),
                    // Whoever reads the block is told.
                    Err(_) => return Ok(true),
                }
            }
            if !ids.as_ref().is_some_and(|ids| may_have_digits(ids, digits)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Replaces what is in `rows` by the rows of a block that are wanted: those of the streams and times that were selected
    /// whose lines have all the texts and whose metadata is as asked for. What it costs is [`BlockInfo::line_bytes`].
    ///
    /// # Errors
    /// The block is damaged or cannot be read.
    pub fn read(&self, candidates: &LogCandidates, block: u32, rows: &mut LogRows) -> Result<(), ReadError> {
        let pick = Pick {
            from_ns: candidates.from_ns,
            to_ns: Some(candidates.to_ns),
            streams: Some(&candidates.streams),
            contains: &candidates.contains,
            metadata: &candidates.metadata,
        };
        self.decode(block, &pick, rows)
    }

    /// Replaces what is in `rows` by all rows of a block.
    ///
    /// # Errors
    /// The block is damaged or cannot be read.
    pub fn read_all(&self, block: u32, rows: &mut LogRows) -> Result<(), ReadError> {
        self.decode(block, &Pick::all(), rows)
    }

    fn decode(&self, block: u32, pick: &Pick<'_>, rows: &mut LogRows) -> Result<(), ReadError> {
        rows.clear();
        let Some(entry) = self.directory.blocks.get(block as usize) else {
            return Ok(());
        };
        let body = self.data.read(entry.place)?;
        let ids = self.data.read(entry.ids())?;
        BlockDecoder::default()
            .decode(&body, &ids, Some(&entry.runs), pick, rows)
            .map_err(|damage| self.data.damaged(entry.place, damage))
    }

    /// Rows and bytes of the streams that match, in the range, ascending by stream, none without a row. Blocks are read
    /// only where a stream crosses an end of the range; those that are damaged count for nothing then.
    ///
    /// # Errors
    /// The index is damaged or cannot be read, or `watch` ends it.
    pub fn volume(&self, select: &LogSelect, watch: &mut dyn Watch) -> Result<Vec<StreamVolume>, ReadError> {
        let wanted = self.index.select(&select.matchers)?;
        let mut volumes: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        let mut add = |stream: u32, rows: u64, line_bytes: u64| {
            let volume = volumes.entry(stream).or_default();
            *volume = (volume.0 + rows, volume.1 + line_bytes);
        };
        let mut rows = LogRows::new();
        for (number, block) in (0..).zip(&self.directory.blocks) {
            let mut crossing = RoaringBitmap::new();
            for run in block.runs.iter().filter(|run| wanted.contains(run.stream)) {
                if run.from_ns >= select.from_ns && run.to_ns < select.to_ns {
                    add(run.stream, u64::from(run.rows), run.line_bytes);
                } else if run.from_ns < select.to_ns && run.to_ns >= select.from_ns {
                    crossing.insert(run.stream);
                }
            }
            if !crossing.is_empty() {
                let pick = Pick {
                    from_ns: select.from_ns,
                    to_ns: Some(select.to_ns),
                    streams: Some(&crossing),
                    ..Pick::all()
                };
                let info = block.info(number);
                watch.charge(info.rows, info.line_bytes)?;
                if let Err(error) = self.decode(number, &pick, &mut rows) {
                    watch.leave_out(error)?;
                    continue;
                }
                for row in rows.iter() {
                    add(row.stream, 1, row.line.len() as u64);
                }
            }
        }
        let volume = |(stream, (rows, line_bytes))| StreamVolume { stream, rows, line_bytes };
        Ok(volumes.into_iter().map(volume).collect())
    }

    /// Reads everything, and says what of it is damaged: a block, the index, or a page of the filter each.
    pub fn verify(&self) -> Vec<ReadError> {
        let mut found = Vec::new();
        let mut rows = LogRows::new();
        self.index.verify(&mut found);
        found.extend(FileReader::open(self.data_file.clone(), DATA).err());
        for (number, entry) in (0..).zip(&self.directory.blocks) {
            match self.read_all(number, &mut rows) {
                Err(error) => found.push(error),
                Ok(()) => {
                    let info = entry.info(number);
                    if (rows.len() as u64, rows.line_bytes() as u64) != (info.rows, info.line_bytes) {
                        found.push(ReadError::Damaged {
                            file: self.data.file().name().to_owned(),
                            offset: entry.place.offset,
                            what: "the block has other rows than the index says".to_owned(),
                        });
                    }
                }
            }
        }
        match &self.filter {
            Ok(filter) => found.extend(filter.verify()),
            Err(error) => found.push(error.clone()),
        }
        found
    }
}

/// Replaces what is in `rows` by all rows of a block, from the bodies of its two pieces alone; its streams are numbered as
/// they lie in it.
///
/// # Errors
/// The bodies are not those of a block.
pub fn decode_block(body: &[u8], ids: &[u8], rows: &mut LogRows) -> Result<(), Damage> {
    rows.clear();
    BlockDecoder::default().decode(body, ids, None, &Pick::all(), rows)
}

/// Whether some of these digits are in ids: those that are whole bytes of an id, whether or not the first digit begins one.
fn may_have_digits(ids: &[u8], digits: &[u8]) -> bool {
    [digits, &digits[1..]].iter().any(|digits| {
        let mut bytes = Vec::new();
        bytes_of_hex(&digits[..digits.len() / 2 * 2], &mut bytes);
        memmem::find(ids, &bytes).is_some()
    })
}
