//! Lines of a tenant that are not in parts yet.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use weir_block::Damage;
use weir_signal::{Labels, Matcher};

use super::record::{self, NewRow, text_at};
use crate::days::Days;
use crate::signal::Signal;

/// A page that holds more is closed: readers share closed pages, and copy the open one.
const PAGE_BYTES: usize = 256 << 10;

/// Lines of a tenant since the last flush, as they came.
pub(crate) struct LogHead {
    streams: Vec<Labels>,
    /// Whether the current generation of the log names them.
    logged: Vec<bool>,
    by_labels: HashMap<Labels, u32>,
    rows: Vec<Row>,
    pages: Vec<Arc<[u8]>>,
    open: Vec<u8>,
    page_bytes: usize,
    days: Days,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    time_ns: i64,
    stream: u32,
    /// The page that it is in; the open one has the number after the last.
    page: u32,
    /// Where its metadata begins.
    at: u32,
}

impl Default for LogHead {
    fn default() -> Self {
        Self {
            streams: Vec::new(),
            logged: Vec::new(),
            by_labels: HashMap::new(),
            rows: Vec::new(),
            pages: Vec::new(),
            open: Vec::new(),
            page_bytes: 0,
            days: Days::new(Signal::Logs),
        }
    }
}

impl LogHead {
    pub(crate) fn bytes(&self) -> usize {
        self.page_bytes + self.open.len() + self.rows.len() * size_of::<Row>() + self.streams.len() * 256
    }

    pub(crate) fn streams(&self) -> usize {
        self.streams.len()
    }

    pub(super) fn has_stream(&self, labels: &Labels) -> bool {
        self.by_labels.contains_key(labels)
    }

    /// The number of a stream.
    fn number(&mut self, labels: &Labels) -> u32 {
        if let Some(&number) = self.by_labels.get(labels) {
            return number;
        }
        let number = self.streams.len() as u32;
        self.streams.push(labels.clone());
        self.logged.push(false);
        self.by_labels.insert(labels.clone(), number);
        number
    }

    /// The number of a stream, and whether the log has to be told whose that is.
    pub(super) fn stream(&mut self, labels: &Labels) -> (u32, bool) {
        let number = self.number(labels);
        let logged = std::mem::replace(&mut self.logged[number as usize], true);
        (number, !logged)
    }

    /// Adds the rows of a payload; `numbers` are those of its streams.
    pub(super) fn add(&mut self, rows: &[NewRow], bytes: &[u8], numbers: &[u32]) {
        if self.open.len() + bytes.len() > PAGE_BYTES && !self.open.is_empty() {
            self.page_bytes += self.open.len();
            self.pages.push(Arc::from(&*self.open));
            self.open.clear();
        }
        let (page, base) = (self.pages.len() as u32, self.open.len() as u32);
        self.open.extend_from_slice(bytes);
        self.rows.extend(rows.iter().map(|row| {
            let &NewRow { stream, time_ns, at } = row;
            Row { time_ns, stream: numbers[stream as usize], page, at: base + at }
        }));
        for row in rows {
            self.days.note(row.time_ns);
        }
    }

    /// Takes out what a flush writes; `None` where there is nothing.
    pub(crate) fn freeze(&mut self) -> Option<FrozenLogs> {
        let mut head = std::mem::take(self);
        if head.rows.is_empty() {
            return None;
        }
        let days = head.days.take();
        Some(FrozenLogs { rows: head.memory(), days, sorted: OnceLock::new() })
    }

    /// Everything, as readers see it.
    fn memory(mut self) -> MemoryRows {
        self.pages.push(Arc::from(self.open));
        MemoryRows { streams: self.streams, rows: self.rows, pages: self.pages }
    }

    /// The rows that match, in order.
    pub(super) fn copy(&self, matchers: &[&Matcher], range: (i64, i64)) -> MemoryRows {
        let rows = select(&self.streams, &self.rows, matchers, range);
        let mut pages = self.pages.clone();
        pages.push(Arc::from(&*self.open));
        let mut copy = MemoryRows { streams: self.streams.clone(), rows, pages };
        copy.sort();
        copy
    }

    /// Takes a record of the log in.
    ///
    /// # Errors
    /// It is not a record.
    pub(crate) fn replay(&mut self, payload: &[u8], replay: &mut LogReplay) -> Result<(), Damage> {
        let record = record::read(payload)?;
        let mut numbers = Vec::new();
        let mut whole = true;
        for (number, labels) in &record.streams {
            if let Some(labels) = labels {
                let found = self.number(labels);
                replay.numbers.insert(*number, found);
            }
            let found = replay.numbers.get(number);
            whole &= found.is_some();
            numbers.push(found.copied().unwrap_or(u32::MAX));
        }
        if whole {
            self.add(&record.rows, record.bytes, &numbers);
            return Ok(());
        }
        let named = |row: &&NewRow| numbers[row.stream as usize] != u32::MAX;
        let rows: Vec<NewRow> = record.rows.iter().filter(named).copied().collect();
        replay.orphans += (record.rows.len() - rows.len()) as u64;
        self.add(&rows, record.bytes, &numbers);
        Ok(())
    }
}

/// The rows of the streams that match, within the range, as they came.
fn select(streams: &[Labels], rows: &[Row], matchers: &[&Matcher], (from, to): (i64, i64)) -> Vec<Row> {
    let wanted: Vec<bool> =
        streams.iter().map(|labels| matchers.iter().all(|matcher| matcher.selects(labels))).collect();
    let within = |row: &&Row| wanted[row.stream as usize] && row.time_ns >= from && row.time_ns <= to;
    rows.iter().filter(within).copied().collect()
}

/// What replaying a generation of a tenant's logs knows.
#[derive(Debug, Default)]
pub(crate) struct LogReplay {
    numbers: HashMap<u32, u32>,
    /// Lines whose stream was named in a record that is damaged.
    pub(crate) orphans: u64,
}

/// What a flush writes of a tenant's logs.
pub(crate) struct FrozenLogs {
    rows: MemoryRows,
    pub(crate) days: Vec<i64>,
    sorted: OnceLock<MemoryRows>,
}

impl FrozenLogs {
    /// As [`LogHead::copy`].
    pub(super) fn copy(&self, matchers: &[&Matcher], range: (i64, i64)) -> MemoryRows {
        let sorted = self.sorted();
        let rows = select(&sorted.streams, &sorted.rows, matchers, range);
        MemoryRows { streams: sorted.streams.clone(), rows, pages: sorted.pages.clone() }
    }

    /// All rows in order.
    pub(super) fn sorted(&self) -> &MemoryRows {
        self.sorted.get_or_init(|| {
            let mut rows = self.rows.clone();
            rows.sort();
            rows
        })
    }
}

/// Rows in memory, to be read.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryRows {
    streams: Vec<Labels>,
    rows: Vec<Row>,
    pages: Vec<Arc<[u8]>>,
}

impl MemoryRows {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Stream and time of a row.
    pub(super) fn key(&self, at: usize) -> Option<(&Labels, i64)> {
        self.rows.get(at).map(|row| (&self.streams[row.stream as usize], row.time_ns))
    }

    /// Metadata, encoded, and line of a row.
    pub(super) fn text(&self, at: usize) -> (&str, &str) {
        let Some(row) = self.rows.get(at) else { return ("", "") };
        text_at(&self.pages[row.page as usize], row.at as usize)
    }

    /// By time, then by stream, then as they came.
    fn sort(&mut self) {
        let mut order: Vec<u32> = (0..self.streams.len() as u32).collect();
        order.sort_by(|&a, &b| self.streams[a as usize].cmp(&self.streams[b as usize]));
        let mut ranks = vec![0_u32; order.len()];
        for (rank, &stream) in (0..).zip(&order) {
            ranks[stream as usize] = rank;
        }
        self.rows.sort_by_key(|row| (row.time_ns, ranks[row.stream as usize]));
    }
}
