//! Metrics become parts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use weir_block::series::{
    Finished, Samples, Segment, SegmentOptions, SegmentReader, SegmentWriter, SeriesNumber, WriteError,
};
use weir_block::{Watch, or_left_out};
use weir_signal::{Exemplar, Labels, Metadata, ReadError};

use super::head::FrozenMetrics;
use super::runs::{Run, SeriesRuns};
use crate::damage::Salvage;
use crate::error::StoreError;
use crate::manifest::{FileMeta, Tombstone};
use crate::part::{Contents, Part, PartWriter, deleted};
use crate::signal::Signal;
use crate::store::pace::Pace;

/// Data that waits before it is given to the disk.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// Passes what a segment's writer makes on to a part.
pub(super) struct MetricPart {
    segment: SegmentWriter,
    part: PartWriter,
    /// First and last time of exemplars.
    exemplars: Option<(i64, i64)>,
}

impl MetricPart {
    pub(super) fn new(part: PartWriter) -> Self {
        Self { segment: SegmentWriter::new(SegmentOptions { effort: part.effort }), part, exemplars: None }
    }

    /// Adds a series; ascending by labels.
    pub(super) fn series(
        &mut self,
        labels: &Labels,
        samples: &Samples,
        exemplars: &[Exemplar],
    ) -> Result<(), StoreError> {
        let encode = |error: WriteError| StoreError::Encode(error.to_string());
        self.segment.push(labels, samples).map_err(encode)?;
        self.segment.exemplars(labels, exemplars).map_err(encode)?;
        for time in exemplars.iter().map(|exemplar| exemplar.time_ms) {
            let (from, to) = self.exemplars.unwrap_or((time, time));
            self.exemplars = Some((from.min(time), to.max(time)));
        }
        if self.segment.data_waiting() >= WAITING_BYTES_MAX {
            self.part.data(&self.segment.take_data()).map_err(StoreError::io("write a part"))?;
        }
        Ok(())
    }

    pub(super) fn family(&mut self, name: &str, metadata: &Metadata) {
        self.segment.metadata(name, metadata.clone());
    }

    /// `day` is the range of what has no times.
    pub(super) fn finish(self, day: (i64, i64)) -> Result<(Contents, [FileMeta; 3]), StoreError> {
        let Self { segment, mut part, exemplars } = self;
        let Finished { data, index, summary } = segment.finish();
        let done = part.data(&data).and_then(|()| part.finish(&index, &[]));
        let files = done.map_err(StoreError::io("write a part"))?;
        let samples = (summary.samples > 0).then_some((summary.from_ms, summary.to_ms));
        let spans = || samples.into_iter().chain(exemplars);
        let contents = Contents {
            from: spans().map(|(from, _)| from).min().unwrap_or(day.0),
            to: spans().map(|(_, to)| to).max().unwrap_or(day.1),
            rows: summary.samples,
            series: u64::from(summary.series),
        };
        Ok((contents, files))
    }
}

impl FrozenMetrics {
    /// Writes what lies in a day. `first` says that this is the first part of it: what has no time of its own goes there.
    pub(crate) fn write(
        &self,
        day: i64,
        first: bool,
        part: PartWriter,
    ) -> Result<(Contents, [FileMeta; 3]), StoreError> {
        let mut out = MetricPart::new(part);
        let mut order: Vec<_> = self.series.iter().collect();
        order.sort_by(|a, b| a.labels.cmp(&b.labels));
        let range = Signal::Metrics.day_range(day);
        let (mut bytes, mut samples) = (Vec::new(), Samples::default());
        for series in order {
            self.samples(series, range, &mut bytes, &mut samples);
            let within =
                series.exemplars.iter().filter(|exemplar| Signal::Metrics.day(exemplar.time_ms) == day);
            let exemplars: Vec<_> = within.cloned().collect();
            out.series(&series.labels, &samples, &exemplars)?;
        }
        if first {
            self.families.iter().for_each(|(name, metadata)| out.family(name, metadata));
        }
        out.finish(range)
    }
}

/// Exemplars that a part keeps of a series: the newest ones.
const EXEMPLARS_MAX: usize = 1000;

/// Merges parts of one day, the earliest commits first, and leaves out what was deleted.
pub(crate) fn merge_parts(
    inputs: &[(Arc<Part>, Vec<Arc<Tombstone>>)],
    day: i64,
    part: PartWriter,
    pace: &mut Pace<'_>,
    salvage: &mut Salvage,
) -> Result<(Contents, [FileMeta; 3]), StoreError> {
    let damaged = || StoreError::read("merge parts of metrics");
    let mut out = MetricPart::new(part);
    let mut runs = Vec::new();
    let mut exemplars = Vec::new();
    let mut families = BTreeMap::new();
    for (part, tombstones) in inputs {
        // All of it is read once: what queries read is not to go for that.
        let segment = Arc::new(part.metrics().map_err(damaged())?.uncached());
        runs.push(Run::part(Arc::clone(&segment), segment.all_series().collect(), tombstones.clone()));
        families.extend(or_left_out(segment.metadata(), salvage).map_err(damaged())?.unwrap_or_default());
        if segment.summary().exemplars > 0 {
            exemplars.push(ExemplarRun::new(segment, tombstones.clone()));
        }
    }
    let mut series = SeriesRuns::new(runs, (i64::MIN, i64::MAX), salvage).map_err(damaged())?;
    let mut samples = Samples::default();
    while let Some(labels) = series.next(&mut samples, salvage).map_err(damaged())? {
        let mut with = Vec::new();
        for run in &mut exemplars {
            run.take(&labels, &mut with, salvage).map_err(damaged())?;
        }
        with.sort_by(|a: &Exemplar, b| {
            (a.time_ms, &a.labels).cmp(&(b.time_ms, &b.labels)).then(a.value.total_cmp(&b.value))
        });
        with.dedup();
        with.drain(..with.len().saturating_sub(EXEMPLARS_MAX));
        out.series(&labels, &samples, &with)?;
        pace.step()?;
    }
    for (name, metadata) in &families {
        out.family(name, metadata);
    }
    out.finish(Signal::Metrics.day_range(day))
}

/// Series whose exemplars are read at once.
const EXEMPLAR_SERIES: u32 = 4096;

/// The exemplars of a part, ascending by labels.
struct ExemplarRun {
    reader: SegmentReader,
    next: u32,
    read: VecDeque<(Labels, Vec<Exemplar>)>,
    tombstones: Vec<Arc<Tombstone>>,
}

impl ExemplarRun {
    fn new(segment: Arc<Segment>, tombstones: Vec<Arc<Tombstone>>) -> Self {
        Self { reader: SegmentReader::new(segment), next: 0, read: VecDeque::new(), tombstones }
    }

    /// Appends those of a series. Series are asked for ascending.
    fn take(
        &mut self,
        labels: &Labels,
        out: &mut Vec<Exemplar>,
        watch: &mut dyn Watch,
    ) -> Result<(), ReadError> {
        loop {
            self.fill(watch)?;
            match self.read.front() {
                Some((first, _)) if first < labels => {
                    self.read.pop_front();
                }
                Some((first, _)) if first == labels => {
                    let gone = deleted(&self.tombstones, labels);
                    let kept = |exemplar: &Exemplar| {
                        !gone.iter().any(|&(from, to)| (from..=to).contains(&exemplar.time_ms))
                    };
                    let (_, exemplars) = self.read.pop_front().unwrap_or_default();
                    out.extend(exemplars.into_iter().filter(kept));
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
    }

    fn fill(&mut self, watch: &mut dyn Watch) -> Result<(), ReadError> {
        let segment = Arc::clone(self.reader.segment());
        let series = segment.summary().series;
        while self.read.is_empty() && self.next < series {
            let end = series.min(self.next.saturating_add(EXEMPLAR_SERIES));
            let numbers: Vec<_> = (self.next..end).map(SeriesNumber).collect();
            let read = segment.exemplars(Some(&numbers), i64::MIN, i64::MAX, watch);
            for (number, exemplars) in or_left_out(read, watch)?.unwrap_or_default() {
                if let Some(labels) = or_left_out(self.reader.labels(number), watch)? {
                    self.read.push_back((labels, exemplars));
                }
            }
            self.next = end;
        }
        Ok(())
    }
}
