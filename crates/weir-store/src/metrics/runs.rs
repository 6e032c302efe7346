//! Series from several places, merged by labels and time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use weir_block::series::{Segment, SegmentReader, SeriesNumber};
use weir_block::{Watch, or_left_out};
use weir_signal::{Labels, ReadError};

use super::head::MemorySeries;
use super::merge::{Columns, Joiner};
use crate::manifest::Tombstone;
use crate::part::deleted;

/// The series of one place, ascending by labels.
pub(super) enum Run {
    /// Of a part.
    Part(Box<PartRun>),
    /// Of memory.
    Memory {
        /// All of them.
        series: MemorySeries,
        /// The one that its labels were given of last.
        current: usize,
    },
}

pub(super) struct PartRun {
    reader: SegmentReader,
    numbers: std::vec::IntoIter<SeriesNumber>,
    current: SeriesNumber,
    tombstones: Vec<Arc<Tombstone>>,
}

impl Run {
    pub(super) fn part(
        segment: Arc<Segment>,
        numbers: Vec<SeriesNumber>,
        tombstones: Vec<Arc<Tombstone>>,
    ) -> Self {
        let reader = SegmentReader::new(segment);
        Self::Part(Box::new(PartRun {
            reader,
            numbers: numbers.into_iter(),
            current: SeriesNumber(0),
            tombstones,
        }))
    }

    pub(super) fn memory(series: MemorySeries) -> Self {
        Self::Memory { series, current: usize::MAX }
    }

    /// The labels of the next series. One whose labels are damaged is passed over.
    fn advance(&mut self, watch: &mut dyn Watch) -> Result<Option<Labels>, ReadError> {
        match self {
            Self::Part(part) => {
                for number in part.numbers.by_ref() {
                    part.current = number;
                    if let Some(labels) = or_left_out(part.reader.labels(number), watch)? {
                        return Ok(Some(labels));
                    }
                }
                Ok(None)
            }
            Self::Memory { series, current } => {
                *current = current.wrapping_add(1);
                Ok(series.labels(*current).cloned())
            }
        }
    }

    /// Appends the samples of the current series. Gives rows and bytes that were decoded.
    fn samples<C: Columns>(
        &mut self,
        labels: &Labels,
        range: (i64, i64),
        joiner: &mut Joiner<C>,
        out: &mut C,
        watch: &mut dyn Watch,
    ) -> Result<(u64, u64), ReadError> {
        match self {
            Self::Part(part) => {
                let bytes = out.read(&mut part.reader, part.current, range, watch)?;
                let rows = out.times().len() as u64;
                if !part.tombstones.is_empty() {
                    let gone = deleted(&part.tombstones, labels);
                    joiner.remove(out, |time| gone.iter().any(|&(from, to)| (from..=to).contains(&time)));
                }
                Ok((rows, bytes))
            }
            Self::Memory { series, current } => Ok(series.samples(*current, range, out)),
        }
    }
}

/// Merges runs by labels; of one time, the later run wins.
#[derive(Default)]
pub(super) struct SeriesRuns<C> {
    /// The earliest commits first.
    runs: Vec<Run>,
    /// The next series of each run; of the same labels, the earliest commits first.
    heap: BinaryHeap<Reverse<(Labels, usize)>>,
    range: (i64, i64),
    joiner: Joiner<C>,
    spare: C,
}

impl<C: Columns> SeriesRuns<C> {
    /// `runs` are given with the earliest commits first.
    pub(super) fn new(runs: Vec<Run>, range: (i64, i64), watch: &mut dyn Watch) -> Result<Self, ReadError> {
        let mut series =
            Self { runs, heap: BinaryHeap::new(), range, joiner: Joiner::default(), spare: C::default() };
        for run in 0..series.runs.len() {
            series.advance(run, watch)?;
        }
        Ok(series)
    }

    fn advance(&mut self, run: usize, watch: &mut dyn Watch) -> Result<(), ReadError> {
        if let Some(labels) = self.runs[run].advance(watch)? {
            self.heap.push(Reverse((labels, run)));
        }
        Ok(())
    }

    /// Replaces what is in `out` by the samples of the next series, which may be none. `watch` is told what it costs.
    pub(super) fn next(&mut self, out: &mut C, watch: &mut dyn Watch) -> Result<Option<Labels>, ReadError> {
        let Some(Reverse((labels, run))) = self.heap.pop() else { return Ok(None) };
        out.clear();
        let (rows, bytes) = self.runs[run].samples(&labels, self.range, &mut self.joiner, out, watch)?;
        watch.charge(rows, bytes)?;
        self.advance(run, watch)?;
        while self.heap.peek().is_some_and(|Reverse((next, _))| *next == labels) {
            let Some(Reverse((_, run))) = self.heap.pop() else { break };
            self.spare.clear();
            let (rows, bytes) =
                self.runs[run].samples(&labels, self.range, &mut self.joiner, &mut self.spare, watch)?;
            watch.charge(rows, bytes)?;
            self.joiner.join(out, &self.spare);
            self.advance(run, watch)?;
        }
        Ok(Some(labels))
    }
}
