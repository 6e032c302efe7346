//! What holds of segments as a whole.

mod properties;
mod trainticket;

use std::sync::Arc;

use weir_signal::Labels;

use super::{FinishedLogs, LogRows, LogSegment, LogSegmentWriter, LogWriterOptions, RowRef};
use crate::index::IndexBuffers;
use crate::pack::Effort;
use crate::read::InMemory;

/// A row as it is pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    stream: Labels,
    time_ns: i64,
    line: Vec<u8>,
    metadata: Labels,
}

fn write(entries: &[Entry], options: LogWriterOptions) -> FinishedLogs {
    let mut writer = LogSegmentWriter::new(options);
    let mut data = Vec::new();
    for entry in entries {
        writer.push(&entry.stream, entry.time_ns, &entry.line, &entry.metadata).unwrap();
        data.extend(writer.take_data());
    }
    let mut finished = writer.finish();
    data.append(&mut finished.data);
    FinishedLogs { data, ..finished }
}

fn open(files: &FinishedLogs) -> LogSegment {
    let file = |name: &str, bytes: &[u8]| Arc::new(InMemory::new(name, bytes.to_vec()));
    LogSegment::open(
        file("index", &files.index),
        file("data", &files.data),
        Ok(file("filter", &files.filter)),
    )
    .unwrap()
}

/// All rows, by block.
fn read_all(segment: &LogSegment) -> Vec<Entry> {
    let streams = streams(segment);
    let mut rows = LogRows::new();
    let mut found = Vec::new();
    for block in segment.blocks() {
        segment.read_all(block.number, &mut rows).unwrap();
        found.extend(entries(&rows, &streams));
    }
    found
}

fn streams(segment: &LogSegment) -> Vec<Labels> {
    let mut buffers = IndexBuffers::default();
    (0..segment.summary().streams)
        .map(|stream| segment.index().labels(stream, &mut buffers).unwrap())
        .collect()
}

fn entries(rows: &LogRows, streams: &[Labels]) -> Vec<Entry> {
    let entry = |row: RowRef<'_>| Entry {
        stream: streams[row.stream as usize].clone(),
        time_ns: row.time_ns,
        line: row.line.to_vec(),
        metadata: row.metadata.clone(),
    };
    rows.iter().map(entry).collect()
}

/// As the rows of a block, or of a segment, are to stand.
fn sorted(entries: &[Entry]) -> Vec<Entry> {
    let mut sorted = entries.to_vec();
    sorted.sort_by(|a, b| (a.time_ns, &a.stream).cmp(&(b.time_ns, &b.stream)));
    sorted
}

const SMALL: LogWriterOptions = LogWriterOptions { effort: Effort::Small, block_bytes: 8 << 20 };
const FAST: LogWriterOptions = LogWriterOptions { effort: Effort::Fast, block_bytes: 8 << 20 };
