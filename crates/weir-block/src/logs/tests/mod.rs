//! What holds of segments as a whole.

mod properties;
mod trainticket;

use std::sync::Arc;

use weir_signal::Labels;

use super::{FinishedLogs, LogRows, LogSegment, LogSegmentWriter, LogWriterOptions};
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
    LogSegment::open(file("index", &files.index), file("data", &files.data), file("filter", &files.filter))
        .unwrap()
}

/// All rows, by block.
fn read_all(segment: &LogSegment) -> Vec<Entry> {
    let mut rows = LogRows::new();
    let mut found = Vec::new();
    for block in segment.blocks() {
        segment.read_all(block.number, &mut rows).unwrap();
        found.extend(rows.iter().map(|row| Entry {
            stream: segment.streams()[row.stream as usize].clone(),
            time_ns: row.time_ns,
            line: row.line.to_vec(),
            metadata: row.metadata.clone(),
        }));
    }
    found
}

/// As the rows of a block, or of a segment, are to stand.
fn sorted(entries: &[Entry]) -> Vec<Entry> {
    let mut sorted = entries.to_vec();
    sorted.sort_by(|a, b| (a.time_ns, &a.stream).cmp(&(b.time_ns, &b.stream)));
    sorted
}

const SMALL: LogWriterOptions = LogWriterOptions { effort: Effort::Small, block_bytes: 8 << 20 };
const FAST: LogWriterOptions = LogWriterOptions { effort: Effort::Fast, block_bytes: 8 << 20 };
