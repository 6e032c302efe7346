//! Makes a segment of rows.

use std::collections::HashMap;

use weir_signal::Labels;

use super::block::BlockEncoder;
use super::directory::{BlockEntry, Directory, LogSummary};
use super::filter::FilterWriter;
use super::{BLOCK_BYTES_MAX, BLOCK_ROWS_MAX, DATA, LINE_BYTES_MAX};
use crate::frame::FileWriter;
use crate::pack::Effort;

/// How a segment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogWriterOptions {
    /// [`Effort::Fast`] for what is soon merged, [`Effort::Small`] for what stays.
    pub effort: Effort,
    /// Bytes of lines and metadata in a block, at most [`BLOCK_BYTES_MAX`].
    pub block_bytes: usize,
}

impl Default for LogWriterOptions {
    fn default() -> Self {
        Self { effort: Effort::Small, block_bytes: BLOCK_BYTES_MAX }
    }
}

/// A line that no segment takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a line of {0} bytes, with its metadata, is longer than {LINE_BYTES_MAX}; cut it before it is stored"
)]
pub struct LineTooLong(pub usize);

/// The rest of a segment's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedLogs {
    /// What of the data file was not taken yet.
    pub data: Vec<u8>,
    /// The index file.
    pub index: Vec<u8>,
    /// The filter file.
    pub filter: Vec<u8>,
    /// What is in it.
    pub summary: LogSummary,
}

/// Writes a segment.
///
/// Rows may come in any order; a reader passes over more blocks where they come in the order of time. A row goes to the
/// block that is being filled, whatever its stream.
pub struct LogSegmentWriter {
    options: LogWriterOptions,
    data: FileWriter,
    streams: HashMap<Labels, u32>,
    last: Option<(Labels, u32)>,
    block: BlockEncoder,
    blocks: Vec<BlockEntry>,
    filter: FilterWriter,
    body: Vec<u8>,
    ids: Vec<u8>,
}

impl LogSegmentWriter {
    /// A segment without rows.
    pub fn new(options: LogWriterOptions) -> Self {
        Self {
            options,
            data: FileWriter::new(DATA),
            streams: HashMap::new(),
            last: None,
            block: BlockEncoder::new(options.effort),
            blocks: Vec::new(),
            filter: FilterWriter::default(),
            body: Vec::new(),
            ids: Vec::new(),
        }
    }

    /// Adds a row. What is pushed is in [`LogSegmentWriter::take_data`] once its block is full.
    ///
    /// # Errors
    /// A line that, with its metadata, is longer than [`LINE_BYTES_MAX`]. Nothing of it is kept.
    pub fn push(
        &mut self,
        stream: &Labels,
        time_ns: i64,
        line: &[u8],
        metadata: &Labels,
    ) -> Result<(), LineTooLong> {
        let bytes = line.len() + metadata.as_encoded().len();
        if bytes > LINE_BYTES_MAX {
            return Err(LineTooLong(bytes));
        }
        let limit = self.options.block_bytes.min(BLOCK_BYTES_MAX);
        if self.block.bytes() + bytes > limit || self.block.rows() == BLOCK_ROWS_MAX {
            self.cut();
        }
        let stream = self.stream(stream);
        self.block.push(stream, time_ns, line, metadata);
        Ok(())
    }

    fn stream(&mut self, labels: &Labels) -> u32 {
        if let Some((last, number)) = &self.last
            && last == labels
        {
            return *number;
        }
        let next = self.streams.len() as u32;
        let number = *self.streams.entry(labels.clone()).or_insert(next);
        self.last = Some((labels.clone(), number));
        number
    }

    /// Ends the block that is being filled, so that all that was pushed is in [`LogSegmentWriter::take_data`].
    pub fn cut(&mut self) {
        if self.block.rows() == 0 {
            return;
        }
        let runs = self.block.encode(&mut self.body, &mut self.ids);
        let place = self.data.put(&self.body);
        self.data.put(&self.ids);
        self.filter.add_block(self.blocks.len() as u32, self.block.keys());
        self.blocks.push(BlockEntry { place, ids_bytes: self.ids.len() as u32, runs });
    }

    /// What of the data file is ready, to be appended to what was taken before.
    pub fn take_data(&mut self) -> Vec<u8> {
        self.data.take()
    }

    /// How many bytes the data file has so far.
    pub fn data_bytes(&self) -> u64 {
        self.data.size()
    }

    /// Ends the segment.
    pub fn finish(mut self) -> FinishedLogs {
        self.cut();
        let mut streams: Vec<(Labels, u32)> = self.streams.into_iter().collect();
        streams.sort();
        let mut numbers = vec![0; streams.len()];
        for (number, (_, pushed)) in streams.iter().enumerate() {
            numbers[*pushed as usize] = number as u32;
        }
        for run in self.blocks.iter_mut().flat_map(|block| &mut block.runs) {
            run.stream = numbers[run.stream as usize];
        }
        let directory =
            Directory { streams: streams.len() as u32, blocks: self.blocks, shapes: self.block.shapes() };
        FinishedLogs {
            data: self.data.finish(),
            index: directory.encode(streams.iter().map(|(labels, _)| labels), self.options.effort),
            filter: self.filter.finish(directory.blocks.len() as u32),
            summary: directory.summary(),
        }
    }
}
