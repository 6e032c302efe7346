//! Lines from several places, merged by time and stream.
//!
//! A block is decoded when its turn comes: until then the place of its part among the others is that of the block's
//! earliest time (its latest, where the newest lines come first). Parts that follow each other in time are so read one
//! after the other, and one block of each at most is in memory.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use weir_block::index::IndexBuffers;
use weir_block::logs::{BlockInfo, LogCandidates, LogRows, LogSegment};
use weir_block::{Watch, or_left_out};
use weir_signal::{Direction, Labels, LogRow, ReadError};

use super::head::MemoryRows;
use crate::manifest::Tombstone;

/// Lines of one place.
pub(super) enum Run {
    /// Of a part.
    Part(Box<PartRun>),
    /// Of memory.
    Memory(MemoryRun),
}

pub(super) struct PartRun {
    segment: Arc<LogSegment>,
    file: String,
    /// What is read of a block; `None` for all.
    candidates: Option<LogCandidates>,
    /// In the order in which they are read.
    blocks: std::vec::IntoIter<BlockInfo>,
    rows: LogRows,
    /// The current row; those before (behind, backward) were read.
    at: usize,
    buffers: IndexBuffers,
    /// `None` where the labels are damaged: rows of it are left out.
    streams: HashMap<u32, Option<Stream>>,
    tombstones: Vec<Arc<Tombstone>>,
}

struct Stream {
    labels: Labels,
    /// The times that were deleted of it.
    gone: Vec<(i64, i64)>,
}

pub(super) struct MemoryRun {
    rows: MemoryRows,
    at: usize,
    metadata: Labels,
}

/// Where a run stands.
#[derive(PartialEq, Eq)]
enum Stand {
    /// Before a block that is not decoded.
    Block(i64),
    /// At a row.
    Row(i64, Labels),
    End,
}

impl Run {
    pub(super) fn part(
        segment: Arc<LogSegment>,
        file: String,
        candidates: Option<LogCandidates>,
        tombstones: Vec<Arc<Tombstone>>,
        direction: Direction,
    ) -> Self {
        let mut blocks = match &candidates {
            Some(candidates) => candidates.blocks.clone(),
            None => segment.blocks().collect(),
        };
        if direction == Direction::Backward {
            blocks.reverse();
        }
        Self::Part(Box::new(PartRun {
            segment,
            file,
            candidates,
            blocks: blocks.into_iter(),
            rows: LogRows::new(),
            at: 0,
            buffers: IndexBuffers::default(),
            streams: HashMap::new(),
            tombstones,
        }))
    }

    pub(super) fn memory(rows: MemoryRows, direction: Direction) -> Self {
        let at = match direction {
            Direction::Forward => 0,
            Direction::Backward => rows.len().wrapping_sub(1),
        };
        Self::Memory(MemoryRun { rows, at, metadata: Labels::empty() })
    }

    fn stand(&mut self, direction: Direction, watch: &mut dyn Watch) -> Result<Stand, ReadError> {
        match self {
            Self::Memory(memory) => Ok(memory
                .rows
                .key(memory.at)
                .map_or(Stand::End, |(stream, time)| Stand::Row(time, stream.clone()))),
            Self::Part(part) => part.stand(direction, watch),
        }
    }

    /// Passes over the current row.
    fn pass(&mut self, direction: Direction) {
        let at = match self {
            Self::Memory(memory) => &mut memory.at,
            Self::Part(part) => &mut part.at,
        };
        *at = step(*at, direction);
    }

    fn row(&mut self) -> Result<LogRow<'_>, ReadError> {
        match self {
            Self::Memory(memory) => {
                let (metadata, line) = memory.rows.text(memory.at);
                if metadata != memory.metadata.as_encoded() {
                    memory.metadata = Labels::from_encoded(metadata).unwrap_or_default();
                }
                let (stream, time_ns) = memory.rows.key(memory.at).expect("the run stands at a row");
                Ok(LogRow { stream, time_ns, line, metadata: &memory.metadata })
            }
            Self::Part(part) => {
                let row = part.rows.get(part.at).expect("the run stands at a row");
                let line = std::str::from_utf8(row.line).map_err(|_| ReadError::Damaged {
                    file: part.file.clone(),
                    offset: 0,
                    what: "a line is not UTF-8".to_owned(),
                })?;
                let known = part.streams.get(&row.stream).and_then(Option::as_ref);
                let stream = &known.expect("the run stands at no row without labels").labels;
                Ok(LogRow { stream, time_ns: row.time_ns, line, metadata: row.metadata })
            }
        }
    }
}

fn step(at: usize, direction: Direction) -> usize {
    match direction {
        Direction::Forward => at.wrapping_add(1),
        Direction::Backward => at.wrapping_sub(1),
    }
}

impl PartRun {
    fn stand(&mut self, direction: Direction, watch: &mut dyn Watch) -> Result<Stand, ReadError> {
        loop {
            let Some(row) = self.rows.get(self.at) else {
                return Ok(match (self.blocks.as_slice().first(), direction) {
                    (None, _) => Stand::End,
                    (Some(block), Direction::Forward) => Stand::Block(block.from_ns),
                    (Some(block), Direction::Backward) => Stand::Block(block.to_ns),
                });
            };
            let (stream, time) = (row.stream, row.time_ns);
            let known = match self.streams.get(&stream) {
                Some(known) => known,
                None => {
                    let labels = self.segment.index().labels(stream, &mut self.buffers);
                    let known = or_left_out(labels, watch)?.map(|labels| {
                        let gone = crate::part::deleted(&self.tombstones, &labels);
                        Stream { labels, gone }
                    });
                    self.streams.entry(stream).or_insert(known)
                }
            };
            if let Some(known) = known
                && !known.gone.iter().any(|&(from, to)| (from..=to).contains(&time))
            {
                return Ok(Stand::Row(time, known.labels.clone()));
            }
            self.at = step(self.at, direction);
        }
    }

    /// Decodes the next block. One that is damaged has no rows.
    fn open(&mut self, direction: Direction, watch: &mut dyn Watch) -> Result<(), ReadError> {
        let Some(block) = self.blocks.next() else { return Ok(()) };
        watch.charge(block.rows, block.line_bytes)?;
        let read = match &self.candidates {
            Some(candidates) => self.segment.read(candidates, block.number, &mut self.rows),
            None => self.segment.read_all(block.number, &mut self.rows),
        };
        if or_left_out(read, watch)?.is_none() {
            self.rows = LogRows::new();
        }
        self.at = match direction {
            Direction::Forward => 0,
            Direction::Backward => self.rows.len().wrapping_sub(1),
        };
        Ok(())
    }
}

/// A run and where it stands. The greatest is read next.
struct Turn {
    time: i64,
    /// `None` before a block that is not decoded.
    stream: Option<Labels>,
    run: usize,
    direction: Direction,
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        let forward = self.time.cmp(&other.time).then_with(|| match (&self.stream, &other.stream) {
            (Some(a), Some(b)) => a.cmp(b).then(self.run.cmp(&other.run)),
            // What is not decoded comes first, whichever the direction: it may hold what is next.
            (None, Some(_)) => first(self.direction),
            (Some(_), None) => first(self.direction).reverse(),
            (None, None) => self.run.cmp(&other.run),
        });
        match self.direction {
            Direction::Forward => forward.reverse(),
            Direction::Backward => forward,
        }
    }
}

/// The order that makes something the next in this direction.
fn first(direction: Direction) -> Ordering {
    match direction {
        Direction::Forward => Ordering::Less,
        Direction::Backward => Ordering::Greater,
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Turn {}

/// Merges runs; of one time and stream, the earlier run comes first (last, backward).
pub(super) struct LogRuns {
    /// The earliest commits first.
    runs: Vec<Run>,
    turns: BinaryHeap<Turn>,
    direction: Direction,
    /// The run whose row was given last.
    current: Option<usize>,
}

impl LogRuns {
    pub(super) fn new(
        runs: Vec<Run>,
        direction: Direction,
        watch: &mut dyn Watch,
    ) -> Result<Self, ReadError> {
        let mut merged = Self { runs, turns: BinaryHeap::new(), direction, current: None };
        for run in 0..merged.runs.len() {
            merged.queue(run, watch)?;
        }
        Ok(merged)
    }

    fn queue(&mut self, run: usize, watch: &mut dyn Watch) -> Result<(), ReadError> {
        let (time, stream) = match self.runs[run].stand(self.direction, watch)? {
            Stand::End => return Ok(()),
            Stand::Block(time) => (time, None),
            Stand::Row(time, stream) => (time, Some(stream)),
        };
        self.turns.push(Turn { time, stream, run, direction: self.direction });
        Ok(())
    }

    /// The next line. `watch` is told rows and bytes of each block.
    pub(super) fn next(&mut self, watch: &mut dyn Watch) -> Result<Option<LogRow<'_>>, ReadError> {
        if let Some(run) = self.current.take() {
            self.runs[run].pass(self.direction);
            self.queue(run, watch)?;
        }
        while let Some(Turn { stream, run, .. }) = self.turns.pop() {
            if stream.is_some() {
                self.current = Some(run);
                return self.runs[run].row().map(Some);
            }
            if let Run::Part(part) = &mut self.runs[run] {
                part.open(self.direction, watch)?;
            }
            self.queue(run, watch)?;
        }
        Ok(None)
    }
}
