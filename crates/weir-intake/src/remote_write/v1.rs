//! `prometheus.WriteRequest`.

use std::fmt;

use weir_signal::{Exemplar, LabelsBuilder, Metadata, MetricSink, Reason, Refusal, SeriesRef};
use xxhash_rust::xxh3::xxh3_128;

use super::{Outcome, Scratch, histogram, metric_kind};
use crate::wire::{Field, Reader, WireError};
use crate::{Limits, names};

const LABELS: u32 = 1;
const SAMPLES: u32 = 2;
const EXEMPLARS: u32 = 3;
const HISTOGRAMS: u32 = 4;

pub(super) fn decode(
    payload: &[u8],
    limits: &Limits,
    scratch: &mut Scratch,
    sink: &mut (impl MetricSink + ?Sized),
) -> Result<Outcome, Refusal> {
    let mut request = Reader::new(payload);
    let mut outcome = Outcome::default();
    let mut index = 0;
    while let Some(field) = request.next()? {
        match field.number {
            1 => {
                let place = Place { index, offset: field.offset() };
                series(field.message()?, place, limits, &mut scratch.labels, sink, &mut outcome)?;
                index += 1;
            }
            3 => {
                let (name, metadata) = metadata(field)?;
                sink.metadata(name, metadata);
            }
            _ => {}
        }
    }
    Ok(outcome)
}

/// Which series of the payload, from 0, and where it begins.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) offset: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "series {} (byte {})", self.index, self.offset)
    }
}

#[inline]
fn series(
    message: Reader<'_>,
    place: Place,
    limits: &Limits,
    builder: &mut LabelsBuilder,
    sink: &mut (impl MetricSink + ?Sized),
    outcome: &mut Outcome,
) -> Result<(), Refusal> {
    // Senders write the labels first. Their bytes, as they stand, are what the series is known by.
    let whole = message.rest();
    let mut rest = message;
    rest.skip_run(LABELS)?;
    let labels = &whole[..whole.len() - rest.rest().len()];
    // What follows is looked at before anything is given to the sink: labels may stand there, too.
    let mut count = Count::default();
    let mut tail = rest;
    while let Some(field) = tail.next()? {
        match field.number {
            LABELS => count.stray_labels = true,
            SAMPLES | HISTOGRAMS => count.samples += 1,
            EXEMPLARS => count.exemplars += 1,
            _ => {}
        }
    }
    let key = (!count.stray_labels).then(|| xxh3_128(labels));
    let series = match key.and_then(|key| sink.known(key)) {
        Some(series) => series,
        None => {
            let taken = read_labels(message, limits, builder)?
                .and_then(|()| names::series_labels(builder, limits))
                .and_then(|labels| sink.series(key, &labels));
            match taken {
                Ok(series) => series,
                Err(refusal) => {
                    return outcome.refused.note(place, refusal, (count.samples + count.exemplars).max(1));
                }
            }
        }
    };
    let mut last_ms = 0;
    let mut tail = rest;
    while let Some(field) = tail.next()? {
        match field.number {
            SAMPLES => {
                let (value, time_ms) = sample(field)?;
                last_ms = time_ms;
                match sink.sample(series, time_ms, value, 0) {
                    Ok(()) => outcome.written.samples += 1,
                    Err(refusal) => outcome.refused.note(place, refusal, 1)?,
                }
            }
            HISTOGRAMS => {
                let raw = histogram::read(field.message()?, limits)?;
                last_ms = raw.time_ms;
                match raw.check(limits).and_then(|value| sink.histogram(series, last_ms, value, 0)) {
                    Ok(()) => outcome.written.histograms += 1,
                    Err(refusal) => outcome.refused.note(place, refusal, 1)?,
                }
            }
            _ => {}
        }
    }
    if count.exemplars > 0 {
        exemplars(rest, series, last_ms, place, limits, builder, sink, outcome)?;
    }
    Ok(())
}

#[derive(Default)]
struct Count {
    samples: u64,
    exemplars: u64,
    stray_labels: bool,
}

/// All labels of a series or exemplar, wherever they stand; unchecked, but for a refusal where one is not UTF-8 or there
/// are too many.
fn read_labels(
    mut message: Reader<'_>,
    limits: &Limits,
    builder: &mut LabelsBuilder,
) -> Result<Result<(), Refusal>, WireError> {
    builder.clear();
    let mut count = 0;
    while let Some(field) = message.next()? {
        if field.number != LABELS {
            continue;
        }
        let mut label = field.message()?;
        let (mut name, mut value) = (&b""[..], &b""[..]);
        while let Some(field) = label.next()? {
            match field.number {
                1 => name = field.bytes()?,
                2 => value = field.bytes()?,
                _ => {}
            }
        }
        count += 1;
        if count > limits.labels {
            return Ok(Err(names::too_many_labels(limits)));
        }
        let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) else {
            let message = format!("label `{}` is not UTF-8", String::from_utf8_lossy(name).escape_debug());
            return Ok(Err(Refusal::new(Reason::Labels, message)));
        };
        builder.push(name, value);
    }
    Ok(Ok(()))
}

#[inline]
fn sample(field: Field<'_>) -> Result<(f64, i64), WireError> {
    let mut message = field.message()?;
    let (mut value, mut time_ms) = (0.0, 0);
    while let Some(field) = message.next()? {
        match field.number {
            1 => value = field.double()?,
            2 => time_ms = field.int()?,
            _ => {}
        }
    }
    Ok((value, time_ms))
}

/// Exemplars without a time have that of the last sample beside them.
#[allow(clippy::too_many_arguments, reason = "one step of `series`, apart because it is rare")]
fn exemplars(
    mut message: Reader<'_>,
    series: SeriesRef,
    last_ms: i64,
    place: Place,
    limits: &Limits,
    builder: &mut LabelsBuilder,
    sink: &mut (impl MetricSink + ?Sized),
    outcome: &mut Outcome,
) -> Result<(), Refusal> {
    while let Some(field) = message.next()? {
        if field.number != EXEMPLARS {
            continue;
        }
        let message = field.message()?;
        // An exemplar has its labels under the same number as a series.
        let labels = read_labels(message, limits, builder)?;
        let (mut value, mut time_ms) = (0.0, 0);
        let mut parts = message;
        while let Some(field) = parts.next()? {
            match field.number {
                2 => value = field.double()?,
                3 => time_ms = field.int()?,
                _ => {}
            }
        }
        let time_ms = if time_ms == 0 { last_ms } else { time_ms };
        let taken = labels
            .and_then(|()| names::labels(builder, limits))
            .and_then(|labels| sink.exemplar(series, Exemplar { labels, value, time_ms }));
        match taken {
            Ok(()) => outcome.written.exemplars += 1,
            Err(refusal) => outcome.refused.note(place, refusal, 1)?,
        }
    }
    Ok(())
}

fn metadata(field: Field<'_>) -> Result<(&str, Metadata), WireError> {
    let mut message = field.message()?;
    let mut metadata = Metadata::default();
    let mut name = "";
    while let Some(field) = message.next()? {
        match field.number {
            1 => metadata.kind = metric_kind(field.uint()?),
            2 => name = field.text()?,
            4 => metadata.help = field.text()?.into(),
            5 => metadata.unit = field.text()?.into(),
            _ => {}
        }
    }
    Ok((name, metadata))
}
