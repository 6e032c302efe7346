//! Rows as they come out of a block.

use weir_signal::Labels;

/// A row, lent by [`LogRows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRef<'a> {
    /// Its stream's number in the segment.
    pub stream: u32,
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// The line, without its end.
    pub line: &'a [u8],
    /// What goes with this line only.
    pub metadata: &'a Labels,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    time_ns: i64,
    stream: u32,
    /// An index into the sets of metadata.
    metadata: u32,
    start: u32,
    end: u32,
}

/// Rows of one block: ascending by time, of one time by stream, of one stream in the order in which they were pushed.
#[derive(Debug, Clone)]
pub struct LogRows {
    lines: Vec<u8>,
    rows: Vec<Row>,
    /// The first is the empty one.
    metadata: Vec<Labels>,
}

impl Default for LogRows {
    fn default() -> Self {
        Self { lines: Vec::new(), rows: Vec::new(), metadata: vec![Labels::empty()] }
    }
}

impl LogRows {
    /// None yet. Its memory is used again by each read into it.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row at `index`.
    pub fn get(&self, index: usize) -> Option<RowRef<'_>> {
        self.rows.get(index).map(|row| self.lend(row))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RowRef<'_>> + ExactSizeIterator {
        self.rows.iter().map(|row| self.lend(row))
    }

    /// Bytes of all lines.
    pub fn line_bytes(&self) -> usize {
        self.lines.len()
    }

    fn lend(&self, row: &Row) -> RowRef<'_> {
        RowRef {
            stream: row.stream,
            time_ns: row.time_ns,
            line: &self.lines[row.start as usize..row.end as usize],
            metadata: &self.metadata[row.metadata as usize],
        }
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.rows.clear();
        self.metadata.truncate(1);
    }

    /// Where the next line is written; [`LogRows::close`] makes a row of what was appended.
    pub(super) fn lines_mut(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }

    /// The bytes that were appended since the last row was closed, if that ended at `start`.
    pub(super) fn open_line(&self, start: usize) -> &[u8] {
        &self.lines[start..]
    }

    /// Forgets what was appended from `start` on.
    pub(super) fn reopen(&mut self, start: usize) {
        self.lines.truncate(start);
    }

    /// Makes a row of the bytes from `start` on.
    pub(super) fn close(&mut self, stream: u32, time_ns: i64, start: usize, metadata: Labels) {
        let index = if metadata.is_empty() {
            0
        } else {
            if self.metadata.last() != Some(&metadata) {
                self.metadata.push(metadata);
            }
            self.metadata.len() as u32 - 1
        };
        let end = self.lines.len() as u32;
        self.rows.push(Row { time_ns, stream, metadata: index, start: start as u32, end });
    }

    /// Puts the rows into the order that the type promises. Those that have it all but for other streams are only merged.
    pub(super) fn sort(&mut self) {
        self.rows.sort_by_key(|row| (row.time_ns, row.stream));
    }
}
