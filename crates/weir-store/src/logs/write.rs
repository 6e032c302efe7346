//! Logs become parts.

use std::sync::Arc;

use weir_block::logs::{FinishedLogs, LogSegmentWriter, LogWriterOptions};
use weir_signal::{Direction, Labels};

use super::head::FrozenLogs;
use super::runs::{LogRuns, Run};
use crate::damage::Salvage;
use crate::error::StoreError;
use crate::manifest::{FileMeta, Tombstone};
use crate::part::{Contents, Part, PartWriter};
use crate::signal::Signal;
use crate::store::pace::Pace;

/// Rows between two looks at whether data is ready.
const ROWS_PER_STEP: u64 = 1024;

/// Passes what a segment's writer makes on to a part.
struct LogPart {
    segment: LogSegmentWriter,
    part: PartWriter,
    rows: u64,
}

impl LogPart {
    fn new(part: PartWriter) -> Self {
        let options = LogWriterOptions { effort: part.effort, ..LogWriterOptions::default() };
        Self { segment: LogSegmentWriter::new(options), part, rows: 0 }
    }

    /// Adds a row; ascending by time, then by stream.
    fn row(
        &mut self,
        stream: &Labels,
        time_ns: i64,
        line: &str,
        metadata: &Labels,
    ) -> Result<bool, StoreError> {
        let pushed = self.segment.push(stream, time_ns, line.as_bytes(), metadata);
        pushed.map_err(|error| StoreError::Encode(error.to_string()))?;
        self.rows += 1;
        let step = self.rows.is_multiple_of(ROWS_PER_STEP);
        if step {
            let data = self.segment.take_data();
            self.part.data(&data).map_err(StoreError::io("write a part"))?;
        }
        Ok(step)
    }

    fn finish(self, day: (i64, i64)) -> Result<(Contents, [FileMeta; 3]), StoreError> {
        let Self { segment, mut part, .. } = self;
        let FinishedLogs { data, index, filter, summary } = segment.finish();
        let done = part.data(&data).and_then(|()| part.finish(&index, &filter));
        let files = done.map_err(StoreError::io("write a part"))?;
        let (from, to) = summary.times_ns.unwrap_or(day);
        Ok((Contents { from, to, rows: summary.rows, series: u64::from(summary.streams) }, files))
    }
}

impl FrozenLogs {
    /// Writes what lies in a day.
    pub(crate) fn write(&self, day: i64, part: PartWriter) -> Result<(Contents, [FileMeta; 3]), StoreError> {
        let mut out = LogPart::new(part);
        let (from, to) = Signal::Logs.day_range(day);
        let rows = self.sorted();
        let mut metadata = Labels::empty();
        for at in 0..rows.len() {
            let Some((stream, time_ns)) = rows.key(at) else { break };
            if time_ns < from || time_ns > to {
                continue;
            }
            let (encoded, line) = rows.text(at);
            if encoded != metadata.as_encoded() {
                metadata = Labels::from_encoded(encoded).unwrap_or_default();
            }
            out.row(stream, time_ns, line, &metadata)?;
        }
        out.finish((from, to))
    }
}

/// Merges parts of one day, the earliest commits first, and leaves out what was deleted.
pub(crate) fn merge_parts(
    inputs: &[(Arc<Part>, Vec<Arc<Tombstone>>)],
    day: i64,
    part: PartWriter,
    pace: &mut Pace<'_>,
    salvage: &mut Salvage,
) -> Result<(Contents, [FileMeta; 3]), StoreError> {
    let damaged = || StoreError::read("merge parts of logs");
    let mut runs = Vec::new();
    for (part, tombstones) in inputs {
        let segment = part.logs().map_err(damaged())?;
        runs.push(Run::part(segment, part.path(0), None, tombstones.clone(), Direction::Forward));
    }
    let mut rows = LogRuns::new(runs, Direction::Forward, salvage).map_err(damaged())?;
    let mut out = LogPart::new(part);
    while let Some(row) = rows.next(salvage).map_err(damaged())? {
        if out.row(row.stream, row.time_ns, row.line, row.metadata)? {
            pace.step()?;
        }
    }
    out.finish(Signal::Logs.day_range(day))
}
