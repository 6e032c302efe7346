//! Segments of logs: blocks, directories and filters whose checksums are right and whose bytes are not.
//!
//! The first byte says what the rest is: `b` a block (two bytes of length, its body, its ids), `d` the blocks that an index
//! speaks of, `f` a filter (how many blocks, two bytes of length, its head, a page).

use std::sync::Arc;

use weir_block::logs::{LogRows, LogSegment, LogSegmentWriter, LogWriterOptions, RowRef, decode_block};
use weir_block::{Effort, FileKind, FileWriter, InMemory, ReadAt, Strict};
use weir_signal::{Labels, LogSelect, ReadError};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "log_segment",
    words: &["\u{1}\u{0}", "\0\0\0\0", "\u{7f}", "b", "d", "f", "x1 ", "16:52:28.243 ", "0123456789abcdef"],
    run,
};

fn run(input: &[u8]) -> u64 {
    let Some((kind, rest)) = input.split_first() else { return 0 };
    let outcome = match kind {
        b'b' => block(rest),
        b'd' => directory(rest),
        b'f' => filter(rest),
        _ => String::new(),
    };
    hash(outcome.as_bytes())
}

/// A part whose length stands before it, and what follows.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk() else { return (bytes, &[]) };
    rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()))
}

/// Rows that are read can be written, and are then read again as they were.
fn block(bytes: &[u8]) -> String {
    let (body, ids) = split(bytes);
    let mut rows = LogRows::new();
    if let Err(damage) = decode_block(body, ids, &mut rows) {
        return damage.what.to_owned();
    }
    let options = LogWriterOptions { effort: Effort::Fast, ..LogWriterOptions::default() };
    let mut writer = LogSegmentWriter::new(options);
    let stream = |row: &RowRef<'_>| {
        Labels::from_pairs([("stream", format!("{:08}", row.stream))]).expect("it has a name and is short")
    };
    for row in rows.iter() {
        writer.push(&stream(&row), row.time_ns, row.line, row.metadata).expect("it came from a block");
    }
    let written = writer.finish();
    let segment = open(written.index, written.data, written.filter).expect("it was written so");
    let mut again = LogRows::new();
    let mut found = Vec::new();
    for block in segment.blocks() {
        segment.read_all(block.number, &mut again).expect("it was written so");
        found.extend(again.iter().map(|row| (row.time_ns, row.line.to_vec(), row.metadata.clone())));
    }
    let expected = rows.iter().map(|row| (row.time_ns, row.line.to_vec(), row.metadata.clone()));
    assert!(found.into_iter().eq(expected), "other rows came back");
    format!("{} rows", rows.len().min(8))
}

fn directory(bytes: &[u8]) -> String {
    let written = LogSegmentWriter::new(LogWriterOptions::default()).finish();
    let mut index = FileWriter::new(FileKind { name: *b"lgi", version: 1 });
    index.put_named(0, &[]);
    index.put_named(1, &[]);
    index.put_named(2, bytes);
    index.put_named(3, &[0; 4]);
    let filter = filter_of(&[0, 7, bytes.get(1).copied().unwrap_or_default() & 0x7f], &[]);
    look_around(open(index.finish(), written.data, filter))
}

fn filter(bytes: &[u8]) -> String {
    let Some((&blocks, rest)) = bytes.split_first() else { return String::new() };
    let (head, page) = split(rest);
    let options = LogWriterOptions { block_bytes: 1, ..LogWriterOptions::default() };
    let mut writer = LogSegmentWriter::new(options);
    for time in 0..i64::from(blocks) {
        writer.push(&Labels::empty(), time, b"a line", &Labels::empty()).expect("it is short");
    }
    let written = writer.finish();
    look_around(open(written.index, written.data, filter_of(head, page)))
}

fn filter_of(head: &[u8], page: &[u8]) -> Vec<u8> {
    let mut filter = FileWriter::new(FileKind { name: *b"lgf", version: 1 });
    filter.put(page);
    filter.put_named(1, head);
    filter.finish()
}

fn open(index: Vec<u8>, data: Vec<u8>, filter: Vec<u8>) -> Result<LogSegment, ReadError> {
    let file = |name, bytes: Vec<u8>| Arc::new(InMemory::new(name, bytes)) as Arc<dyn ReadAt>;
    LogSegment::open(file("index", index), file("data", data), Ok(file("filter", filter)))
}

/// Asks everything of a segment; only errors may come of it.
fn look_around(segment: Result<LogSegment, ReadError>) -> String {
    let segment = match segment {
        Ok(segment) => segment,
        // Not where: each place would be an outcome of its own.
        Err(ReadError::Damaged { what, .. }) => return what,
        Err(error) => return error.to_string(),
    };
    let select = LogSelect {
        from_ns: i64::MIN,
        to_ns: i64::MAX,
        contains: vec!["a line of words, 0123456789abcdef0123456789abcdef:12345678".into()],
        ..LogSelect::default()
    };
    let candidates = segment.candidates(&select, &mut Strict).map(|candidates| candidates.blocks.len()).ok();
    let volume = segment.volume(&select, &mut Strict).map(|volume| volume.len()).ok();
    let streams = segment.streams(&select).map(|streams| streams.len()).ok();
    format!("{candidates:?} {volume:?} {streams:?} {}", segment.verify().len())
}
