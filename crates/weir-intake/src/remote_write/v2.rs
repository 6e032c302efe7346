//! `io.prometheus.write.v2.Request`: every string once, and references to it.

use weir_signal::{Exemplar, METRIC_NAME, Metadata, MetricKind, MetricSink, Reason, Refusal, SeriesRef};
use xxhash_rust::xxh3::xxh3_128;

use super::v1::Place;
use super::{Outcome, Scratch, histogram, metric_kind};
use crate::wire::{Field, Reader, WireError};
use crate::{Limits, names};

const SYMBOLS: u32 = 4;
const TIMESERIES: u32 = 5;

const LABELS_REFS: u32 = 1;
const SAMPLES: u32 = 2;
const HISTOGRAMS: u32 = 3;
const EXEMPLARS: u32 = 4;
const METADATA: u32 = 5;
/// When counting began, as the first draft of 2.0 said it once for all samples of a series.
const CREATED_TIMESTAMP: u32 = 6;

/// Keeps keys of 2.0 apart from those of 1.0, which hash other bytes.
const KEY_SALT: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Any odd number serves; this one has no pattern in its bits.
const KEY_FACTOR: u128 = 0xda94_2042_e4dd_58b5_9fb2_1c65_1e98_df25;

/// A string of the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbol {
    start: u32,
    length: u32,
    hash: [u8; 16],
}

pub(super) fn decode(
    payload: &[u8],
    limits: &Limits,
    scratch: &mut Scratch,
    sink: &mut (impl MetricSink + ?Sized),
) -> Result<Outcome, Refusal> {
    let mut outcome = Outcome::default();
    scratch.symbols.clear();
    scratch.told.clear();
    // Where a symbol lies is kept in 32 bits.
    if payload.len() > u32::MAX as usize {
        return Err(Refusal::new(Reason::TooLarge, "the request is larger than 4 GiB; send smaller batches"));
    }
    let mut request = Reader::new(payload);
    while let Some(field) = request.next()? {
        if field.number == SYMBOLS {
            let text = field.bytes()?;
            let start = text.as_ptr() as usize - payload.as_ptr() as usize;
            if scratch.symbols.len() == limits.symbols {
                let message = format!("more than {} symbols; send smaller batches", limits.symbols);
                return Err(Refusal::new(Reason::TooLarge, message));
            }
            let hash = xxh3_128(text).to_le_bytes();
            scratch.symbols.push(Symbol { start: start as u32, length: text.len() as u32, hash });
        }
    }
    let mut request = Reader::new(payload);
    let mut index = 0;
    let mut last_told = None;
    while let Some(field) = request.next()? {
        if field.number == TIMESERIES {
            let place = Place { index, offset: field.offset() };
            let mut series = Series { payload, place, limits, scratch, last_told: &mut last_told };
            series.decode(field.message()?, sink, &mut outcome)?;
            index += 1;
        }
    }
    Ok(outcome)
}

struct Series<'a> {
    payload: &'a [u8],
    place: Place,
    limits: &'a Limits,
    scratch: &'a mut Scratch,
    /// The metadata that the series before gave.
    last_told: &'a mut Option<(u32, Description)>,
}

/// Metadata by reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Description {
    kind: MetricKind,
    help: u32,
    unit: u32,
}

impl Series<'_> {
    fn decode(
        &mut self,
        message: Reader<'_>,
        sink: &mut (impl MetricSink + ?Sized),
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        let (mut samples, mut exemplars) = (0, 0);
        let mut created_ms = 0;
        let mut description = Description::default();
        self.scratch.refs.clear();
        let mut ahead = message;
        while let Some(field) = ahead.next()? {
            match field.number {
                LABELS_REFS => self.read_refs(field)?,
                SAMPLES | HISTOGRAMS => samples += 1,
                EXEMPLARS => exemplars += 1,
                METADATA => description = read_description(field)?,
                CREATED_TIMESTAMP => created_ms = field.int()?,
                _ => {}
            }
        }
        let place = self.place;
        if samples == 0 {
            return outcome.refused.note(
                place,
                Refusal::new(Reason::Malformed, "it has neither a sample nor a histogram; send at least one"),
                1,
            );
        }
        let series = match self.series(sink) {
            Ok(series) => series,
            Err(refusal) => return outcome.refused.note(place, refusal, samples + exemplars),
        };
        if let Err(refusal) = self.describe(description, sink) {
            return outcome.refused.note(place, refusal, samples + exemplars);
        }
        let mut last_ms = 0;
        let mut parts = message;
        while let Some(field) = parts.next()? {
            match field.number {
                SAMPLES => {
                    let sample = read_sample(field)?;
                    last_ms = sample.time_ms;
                    let start_ms = if sample.start_ms == 0 { created_ms } else { sample.start_ms };
                    match sink.sample(series, sample.time_ms, sample.value, start_ms) {
                        Ok(()) => outcome.written.samples += 1,
                        Err(refusal) => outcome.refused.note(place, refusal, 1)?,
                    }
                }
                HISTOGRAMS => {
                    let raw = histogram::read(field.message()?, self.limits)?;
                    last_ms = raw.time_ms;
                    let start_ms = if raw.start_ms == 0 { created_ms } else { raw.start_ms };
                    let taken = raw
                        .check(self.limits)
                        .and_then(|value| sink.histogram(series, last_ms, value, start_ms));
                    match taken {
                        Ok(()) => outcome.written.histograms += 1,
                        Err(refusal) => outcome.refused.note(place, refusal, 1)?,
                    }
                }
                _ => {}
            }
        }
        if exemplars > 0 {
            self.exemplars(message, series, last_ms, sink, outcome)?;
        }
        Ok(())
    }

    /// Adds references; one more than allowed shows that there were too many.
    fn read_refs(&mut self, field: Field<'_>) -> Result<(), WireError> {
        let (refs, max) = (&mut self.scratch.refs, 2 * self.limits.labels);
        field.each_uint(|symbol| {
            if refs.len() <= max {
                // What is larger refers to nothing.
                refs.push(symbol.try_into().unwrap_or(u32::MAX));
            }
        })
    }

    /// The series that the references name: by the hashes of what they refer to, by the labels only where the sink does
    /// not know those.
    fn series(&mut self, sink: &mut (impl MetricSink + ?Sized)) -> Result<SeriesRef, Refusal> {
        let Scratch { symbols, refs, .. } = &*self.scratch;
        // A polynomial in an odd number over the hashes: as unlikely to collide as those are, and far cheaper than to hash
        // them once more. Names and values go their own ways, so that neither waits for the other.
        let (mut names, mut values) = (KEY_SALT, 0_u128);
        for pair in refs.chunks(2) {
            for (&symbol, key) in pair.iter().zip([&mut names, &mut values]) {
                let Some(symbol) = symbols.get(symbol as usize) else {
                    return Err(dangling(symbol, symbols.len()));
                };
                *key = key.wrapping_mul(KEY_FACTOR).wrapping_add(u128::from_le_bytes(symbol.hash));
            }
        }
        let key = names
            .wrapping_mul(KEY_FACTOR)
            .wrapping_add(values.rotate_left(64))
            .wrapping_add(refs.len() as u128);
        if let Some(series) = sink.known(key) {
            return Ok(series);
        }
        self.read_labels()?;
        let labels = names::series_labels(&mut self.scratch.labels, self.limits)?;
        sink.series(Some(key), &labels)
    }

    /// The labels that the references name, unchecked, into the builder.
    fn read_labels(&mut self) -> Result<(), Refusal> {
        let Scratch { labels, symbols, refs, .. } = &mut *self.scratch;
        labels.clear();
        let (pairs, odd) = refs.as_chunks();
        if pairs.len() > self.limits.labels || refs.len() > 2 * self.limits.labels {
            return Err(names::too_many_labels(self.limits));
        }
        if !odd.is_empty() {
            let message = format!("{} references to symbols are not pairs of name and value", refs.len());
            return Err(Refusal::new(Reason::Malformed, message));
        }
        for &[name, value] in pairs {
            labels.push(text(self.payload, symbols, name)?, text(self.payload, symbols, value)?);
        }
        Ok(())
    }

    /// Gives the metadata of the series' family, once for each family and payload.
    fn describe(
        &mut self,
        description: Description,
        sink: &mut (impl MetricSink + ?Sized),
    ) -> Result<(), Refusal> {
        let Scratch { symbols, refs, told, .. } = &mut *self.scratch;
        let name = refs.as_chunks().0.iter().find(|[name, _]| {
            symbols
                .get(*name as usize)
                .is_some_and(|symbol| bytes(self.payload, symbol) == METRIC_NAME.as_bytes())
        });
        let Some(&[_, name]) = name else { return Ok(()) };
        if *self.last_told == Some((name, description)) {
            return Ok(());
        }
        let help = text(self.payload, symbols, description.help)?;
        let unit = text(self.payload, symbols, description.unit)?;
        let says = description.kind != MetricKind::Unknown || !help.is_empty() || !unit.is_empty();
        let family = text(self.payload, symbols, name)?;
        if says && told.insert(xxh3_128(family.as_bytes())) {
            sink.metadata(family, Metadata { kind: description.kind, unit: unit.into(), help: help.into() });
        }
        *self.last_told = Some((name, description));
        Ok(())
    }

    /// Exemplars without a time have that of the last sample beside them.
    fn exemplars(
        &mut self,
        mut message: Reader<'_>,
        series: SeriesRef,
        last_ms: i64,
        sink: &mut (impl MetricSink + ?Sized),
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        while let Some(field) = message.next()? {
            if field.number != EXEMPLARS {
                continue;
            }
            let mut parts = field.message()?;
            let (mut value, mut time_ms) = (0.0, 0);
            self.scratch.refs.clear();
            while let Some(field) = parts.next()? {
                match field.number {
                    1 => self.read_refs(field)?,
                    2 => value = field.double()?,
                    3 => time_ms = field.int()?,
                    _ => {}
                }
            }
            let time_ms = if time_ms == 0 { last_ms } else { time_ms };
            let taken = self
                .read_labels()
                .and_then(|()| names::labels(&mut self.scratch.labels, self.limits))
                .and_then(|labels| sink.exemplar(series, Exemplar { labels, value, time_ms }));
            match taken {
                Ok(()) => outcome.written.exemplars += 1,
                Err(refusal) => outcome.refused.note(self.place, refusal, 1)?,
            }
        }
        Ok(())
    }
}

struct Sample {
    value: f64,
    time_ms: i64,
    start_ms: i64,
}

#[inline]
fn read_sample(field: Field<'_>) -> Result<Sample, WireError> {
    let mut message = field.message()?;
    let mut sample = Sample { value: 0.0, time_ms: 0, start_ms: 0 };
    while let Some(field) = message.next()? {
        match field.number {
            1 => sample.value = field.double()?,
            2 => sample.time_ms = field.int()?,
            3 => sample.start_ms = field.int()?,
            _ => {}
        }
    }
    Ok(sample)
}

fn read_description(field: Field<'_>) -> Result<Description, WireError> {
    let mut message = field.message()?;
    let mut description = Description::default();
    while let Some(field) = message.next()? {
        match field.number {
            1 => description.kind = metric_kind(field.uint()?),
            3 => description.help = field.uint()?.try_into().unwrap_or(u32::MAX),
            4 => description.unit = field.uint()?.try_into().unwrap_or(u32::MAX),
            _ => {}
        }
    }
    Ok(description)
}

fn bytes<'p>(payload: &'p [u8], symbol: &Symbol) -> &'p [u8] {
    &payload[symbol.start as usize..][..symbol.length as usize]
}

fn text<'p>(payload: &'p [u8], symbols: &[Symbol], reference: u32) -> Result<&'p str, Refusal> {
    let Some(symbol) = symbols.get(reference as usize) else {
        return Err(dangling(reference, symbols.len()));
    };
    std::str::from_utf8(bytes(payload, symbol))
        .map_err(|_| Refusal::new(Reason::Labels, format!("symbol {reference} is not UTF-8")))
}

#[cold]
fn dangling(reference: u32, symbols: usize) -> Refusal {
    let message = format!("it refers to symbol {reference}, but the request has {symbols}");
    Refusal::new(Reason::Malformed, message)
}
