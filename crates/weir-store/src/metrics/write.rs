//! Metrics become parts.

use weir_block::series::{Finished, Samples, SegmentOptions, SegmentWriter, WriteError};
use weir_signal::{Exemplar, Labels, Metadata};

use super::head::FrozenMetrics;
use crate::error::StoreError;
use crate::manifest::FileMeta;
use crate::part::{Contents, PartWriter};
use crate::signal::Signal;

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
