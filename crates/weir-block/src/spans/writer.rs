//! Makes a segment of spans.

use weir_signal::{Span, TraceId};

use super::block::BlockEncoder;
use super::directory::{BlockEntry, Directory, SpanSummary};
use super::fingerprints::FingerprintWriter;
use super::keys::KeysWriter;
use super::operations::OperationsWriter;
use super::{BLOCK_BYTES_MAX, BLOCK_SPANS_MAX, DATA, FILTER, INDEX, SPAN_BYTES_MAX, SPAN_PARTS_MAX, tokens};
use crate::frame::FileWriter;
use crate::pack::{Effort, Packer};

/// Named pieces of the index file; those of the filter file have one name.
pub(super) mod tags {
    pub(in super::super) const BLOCKS: u8 = 0;
    pub(in super::super) const TRACES: u8 = 1;
    pub(in super::super) const OPERATIONS: u8 = 2;
    pub(in super::super) const KEYS: u8 = 3;
    pub(in super::super) const TOKENS: u8 = 1;
}

/// How a segment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanWriterOptions {
    /// [`Effort::Fast`] for what is soon merged, [`Effort::Small`] for what stays.
    pub effort: Effort,
    /// Spans in a block, at most half of [`BLOCK_SPANS_MAX`]; up to as many again where they are of one trace.
    pub block_spans: usize,
}

impl Default for SpanWriterOptions {
    fn default() -> Self {
        Self { effort: Effort::Small, block_spans: 8192 }
    }
}

/// A span that no segment takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unstorable {
    /// Its texts are too long.
    #[error("a span of {0} bytes is longer than {SPAN_BYTES_MAX}; cut its attributes before it is stored")]
    Bytes(usize),
    /// It has too much.
    #[error(
        "a span has {0} attributes, events and links, more than {SPAN_PARTS_MAX}; leave some of them out"
    )]
    Parts(usize),
    /// A value holds values that hold values, and so on.
    #[error("a span has a value that is nested deeper than {}; send it as text", super::nested::DEPTH_MAX)]
    Depth,
}

/// The rest of a segment's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedSpans {
    /// What of the data file was not taken yet.
    pub data: Vec<u8>,
    /// The index file.
    pub index: Vec<u8>,
    /// The filter file.
    pub filter: Vec<u8>,
    /// What is in it.
    pub summary: SpanSummary,
}

/// Writes a segment.
///
/// Spans may come in any order. A reader passes over more blocks where they come in the order of time, and reads fewer where
/// those of a trace come together: neighbours of one trace are not parted, unless they are more than a block takes.
pub struct SpanSegmentWriter {
    options: SpanWriterOptions,
    data: FileWriter,
    block: BlockEncoder,
    last: TraceId,
    blocks: Vec<BlockEntry>,
    traces: FingerprintWriter,
    filter: FingerprintWriter,
    keys: KeysWriter,
    operations: OperationsWriter,
    body: Vec<u8>,
}

impl SpanSegmentWriter {
    /// A segment without spans.
    pub fn new(options: SpanWriterOptions) -> Self {
        Self {
            options,
            data: FileWriter::new(DATA),
            block: BlockEncoder::new(options.effort),
            last: TraceId::default(),
            blocks: Vec::new(),
            traces: FingerprintWriter::default(),
            filter: FingerprintWriter::default(),
            keys: KeysWriter::default(),
            operations: OperationsWriter::default(),
            body: Vec::new(),
        }
    }

    /// Adds a span. What is pushed is in [`SpanSegmentWriter::take_data`] once its block is full.
    ///
    /// # Errors
    /// No segment takes such a span. Nothing of it is kept.
    pub fn push(&mut self, span: &Span) -> Result<(), Unstorable> {
        let limit = self.options.block_spans.clamp(1, BLOCK_SPANS_MAX / 2);
        let spans = self.block.spans();
        if spans >= limit && (span.trace != self.last || spans >= limit * 2)
            || self.block.bytes() > BLOCK_BYTES_MAX
            || self.block.parts() > SPAN_PARTS_MAX
        {
            self.cut();
        }
        self.block.push(span)?;
        self.last = span.trace;
        Ok(())
    }

    /// Ends the block that is being filled, so that all that was pushed is in [`SpanSegmentWriter::take_data`].
    pub fn cut(&mut self) {
        if self.block.spans() == 0 {
            return;
        }
        let number = self.blocks.len() as u32;
        let encoded = self.block.encode(number, &mut self.keys, &mut self.operations, &mut self.body);
        let place = self.data.put(&self.body);
        encoded.traces.iter().for_each(|&trace| self.traces.add(tokens::trace(trace), number));
        encoded.tokens.iter().for_each(|&token| self.filter.add(token, number));
        self.blocks.push(BlockEntry::new(number, place, &encoded));
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
    pub fn finish(mut self) -> FinishedSpans {
        self.cut();
        let count = self.blocks.len() as u32;
        let mut packer = Packer::of(self.options.effort);
        let mut index = FileWriter::new(INDEX);
        let traces = self.traces.finish(count, tags::TRACES, &mut index);
        let directory = Directory { traces, blocks: self.blocks };
        index.put_named(tags::BLOCKS, &directory.encode(&mut packer));
        index.put_named(tags::OPERATIONS, &self.operations.encode(&mut packer));
        index.put_named(tags::KEYS, &self.keys.encode(count, &mut packer));
        let mut filter = FileWriter::new(FILTER);
        self.filter.finish(count, tags::TOKENS, &mut filter);
        FinishedSpans {
            data: self.data.finish(),
            index: index.finish(),
            filter: filter.finish(),
            summary: directory.summary(),
        }
    }
}
