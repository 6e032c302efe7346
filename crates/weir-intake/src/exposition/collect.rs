//! All of a payload into a sink, for those who do not relabel.

use weir_signal::{HistogramSample, LabelsBuilder, Metadata, MetricSink, Refusal, Refused, SeriesRef};

use super::{Description, Format, Options, Sample, Visitor, read};
use crate::{Limits, names};

/// What became of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// Floats and native histograms that were taken.
    pub samples: u64,
    /// Exemplars that were taken.
    pub exemplars: u64,
    /// What was not.
    pub refused: Refused,
}

/// Writes what `payload` says into `sink`; samples without a time get `now_ms`.
///
/// # Errors
/// As [`read`]; the caller drops the sink then.
pub fn collect(
    format: Format,
    payload: &[u8],
    options: Options,
    limits: &Limits,
    now_ms: i64,
    sink: &mut (impl MetricSink + ?Sized),
) -> Result<Collected, Refusal> {
    let collected = Collected::default();
    let mut collector = Collector { limits, now_ms, sink, builder: LabelsBuilder::new(), collected };
    read(format, payload, options, limits, &mut collector)?;
    Ok(collector.collected)
}

struct Collector<'a, S: ?Sized> {
    limits: &'a Limits,
    now_ms: i64,
    sink: &'a mut S,
    builder: LabelsBuilder,
    collected: Collected,
}

impl<S: MetricSink + ?Sized> Collector<'_, S> {
    fn take(
        &mut self,
        sample: &Sample<'_>,
        give: impl FnOnce(&mut S, SeriesRef, i64) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        // What is no series at all ends the payload; what may not be one is refused alone.
        sample.labels(&mut self.builder)?;
        let place = format_args!("byte {}", sample.offset());
        let time_ms = sample.time_ms.unwrap_or(self.now_ms);
        let series = names::series_labels(&mut self.builder, self.limits)
            .and_then(|labels| self.sink.series(None, &labels))
            .and_then(|series| give(self.sink, series, time_ms).map(|()| series));
        let series = match series {
            Ok(series) => series,
            Err(refusal) => return self.collected.refused.note(place, refusal, 1),
        };
        self.collected.samples += 1;
        let Self { limits, sink, builder, collected, .. } = self;
        let exemplars = sample.exemplars(time_ms, limits, builder, |exemplar| {
            sink.exemplar(series, exemplar)?;
            collected.exemplars += 1;
            Ok(())
        });
        exemplars.or_else(|refusal| self.collected.refused.note(place, refusal, 1))
    }
}

impl<S: MetricSink + ?Sized> Visitor for Collector<'_, S> {
    fn metadata(&mut self, name: &str, description: Description<'_>) -> Result<(), Refusal> {
        let Description { kind, unit, help } = description;
        self.sink.metadata(name, Metadata { kind, unit: unit.into(), help: help.into() });
        Ok(())
    }

    fn sample(&mut self, sample: &Sample<'_>, value: f64) -> Result<(), Refusal> {
        self.take(sample, |sink, series, time_ms| sink.sample(series, time_ms, value, sample.start_ms))
    }

    fn histogram(&mut self, sample: &Sample<'_>, value: HistogramSample) -> Result<(), Refusal> {
        self.take(sample, |sink, series, time_ms| sink.histogram(series, time_ms, value, sample.start_ms))
    }
}
