//! `io.prometheus.client.MetricFamily`, each behind its length.

use weir_signal::{Exemplar, HistogramSample, LabelsBuilder, METRIC_NAME, MetricKind, Reason, Refusal};

use super::{Description, Histograms, Options, Place, Sample, Visitor, exemplar_labels, openmetrics_float};
use crate::Limits;
use crate::remote_write::histogram::{RawHistogram, push, read_run};
use crate::wire::{Field, Reader, WireError};

/// Stands between the parts of the bytes that name a series; no byte of UTF-8.
const SEPARATOR: u8 = 0xff;

/// The labels of a series: those of the message, and what its name and place in the message add.
#[derive(Debug, Clone, Copy)]
pub(super) struct Series<'a> {
    /// The family's name.
    name: &'a str,
    /// What a sample of a histogram or summary adds to the name.
    suffix: &'static str,
    /// `le` or `quantile` and its value.
    own: Option<(&'static str, &'a str)>,
    metric: Reader<'a>,
}

impl Series<'_> {
    pub(super) fn labels(&self, builder: &mut LabelsBuilder) -> Result<(), Refusal> {
        let mut name = String::new();
        let name = if self.suffix.is_empty() {
            self.name
        } else {
            name.push_str(self.name);
            name.push_str(self.suffix);
            &name
        };
        builder.push(METRIC_NAME, name);
        let mut metric = self.metric;
        while let Some(field) = metric.next()? {
            if field.number == 1 {
                let (name, value) = read_label(field)?;
                builder.push(name, value);
            }
        }
        if let Some((name, value)) = self.own {
            builder.push(name, value);
        }
        Ok(())
    }
}

fn read_label(field: Field<'_>) -> Result<(&str, &str), WireError> {
    let mut label = field.message()?;
    let (mut name, mut value) = ("", "");
    while let Some(field) = label.next()? {
        match field.number {
            1 => name = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// The exemplars of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) enum Exemplars<'a> {
    /// The one of a counter or bucket.
    One(Field<'a>),
    /// Those of a native histogram: its own, else those of its buckets.
    Histogram(Reader<'a>),
}

impl Exemplars<'_> {
    pub(super) fn each(
        self,
        default_ms: i64,
        limits: &Limits,
        builder: &mut LabelsBuilder,
        mut each: impl FnMut(Exemplar) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let message = match self {
            Self::One(field) => return each(read_exemplar(field, Some(default_ms), limits, builder)?.1),
            Self::Histogram(message) => message,
        };
        let mut found = false;
        let mut fields = message;
        while let Some(field) = fields.next()? {
            if field.number == 16 {
                found = true;
                if let (true, exemplar) = read_exemplar(field, None, limits, builder)? {
                    each(exemplar)?;
                }
            }
        }
        let mut fields = message;
        while let Some(field) = fields.next()? {
            if field.number == 3
                && !found
                && let Some(exemplar) = read_bucket(field)?.exemplar
                && let (true, exemplar) = read_exemplar(exemplar, None, limits, builder)?
            {
                each(exemplar)?;
            }
        }
        Ok(())
    }
}

/// An exemplar, and whether it has a time, be it the given one.
fn read_exemplar(
    field: Field<'_>,
    default_ms: Option<i64>,
    limits: &Limits,
    builder: &mut LabelsBuilder,
) -> Result<(bool, Exemplar), Refusal> {
    let mut message = field.message()?;
    builder.clear();
    let (mut value, mut time_ms) = (0.0, None);
    while let Some(field) = message.next()? {
        match field.number {
            1 => {
                let (name, value) = read_label(field)?;
                builder.push(name, value);
            }
            2 => value = field.double()?,
            3 => time_ms = Some(read_timestamp(field)?),
            _ => {}
        }
    }
    let time_ms = time_ms.or(default_ms);
    let labels = exemplar_labels(builder, limits)?;
    Ok((time_ms.is_some(), Exemplar { labels, value, time_ms: time_ms.unwrap_or_default() }))
}

/// `google.protobuf.Timestamp` in milliseconds.
fn read_timestamp(field: Field<'_>) -> Result<i64, WireError> {
    let mut message = field.message()?;
    let (mut seconds, mut nanos) = (0, 0);
    while let Some(field) = message.next()? {
        match field.number {
            1 => seconds = field.int()?,
            2 => nanos = field.int()?,
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}

pub(super) fn read(
    payload: &[u8],
    options: Options,
    limits: &Limits,
    visitor: &mut (impl Visitor + ?Sized),
) -> Result<(), Refusal> {
    let mut families = Reader::new(payload);
    let mut raw = Vec::new();
    while let Some(message) = families.next_delimited()? {
        let family = read_family(message, families.offset())?;
        if family.metrics == 0 {
            continue;
        }
        let Family { kind, unit, help, .. } = family;
        visitor.metadata(family.name, Description { kind, unit, help })?;
        let mut fields = message;
        while let Some(field) = fields.next()? {
            if field.number == 4 {
                let metric = read_metric(field, kind)?;
                let mut walk = Walk { family: &family, metric, options, limits, raw: &mut raw, visitor };
                walk.metric()?;
            }
        }
    }
    Ok(())
}

struct Family<'a> {
    name: &'a str,
    help: &'a str,
    unit: &'a str,
    kind: MetricKind,
    metrics: usize,
}

fn read_family(mut message: Reader<'_>, end: usize) -> Result<Family<'_>, Refusal> {
    let mut family = Family { name: "", help: "", unit: "", kind: MetricKind::Counter, metrics: 0 };
    while let Some(field) = message.next()? {
        match field.number {
            1 => family.name = field.text()?,
            2 => family.help = field.text()?,
            3 => {
                family.kind = match field.uint()? {
                    0 => MetricKind::Counter,
                    1 => MetricKind::Gauge,
                    2 => MetricKind::Summary,
                    3 => MetricKind::Unknown,
                    4 => MetricKind::Histogram,
                    5 => MetricKind::GaugeHistogram,
                    other => {
                        let message = format!("byte {}: {other} is no type of a metric", field.offset());
                        return Err(Refusal::new(Reason::Malformed, message));
                    }
                }
            }
            4 => family.metrics += 1,
            5 => family.unit = field.text()?,
            _ => {}
        }
    }
    if family.name.is_empty() && family.metrics > 0 {
        let message = format!("the family that ends at byte {end} has no name");
        return Err(Refusal::new(Reason::Malformed, message));
    }
    Ok(family)
}

/// A metric: its labels, and the message of its kind.
struct Metric<'a> {
    offset: usize,
    message: Reader<'a>,
    /// The message that the family's kind asks for; one of defaults where it is missing.
    value: Reader<'a>,
    time_ms: Option<i64>,
}

fn read_metric(field: Field<'_>, kind: MetricKind) -> Result<Metric<'_>, WireError> {
    let number = match kind {
        MetricKind::Gauge => 2,
        MetricKind::Counter => 3,
        MetricKind::Summary => 4,
        MetricKind::Histogram | MetricKind::GaugeHistogram => 7,
        _ => 5,
    };
    let message = field.message()?;
    let mut metric = Metric { offset: field.offset(), message, value: Reader::new(&[]), time_ms: None };
    let mut fields = message;
    while let Some(field) = fields.next()? {
        if field.number == number {
            metric.value = field.message()?;
        } else if field.number == 6 {
            // The format cannot tell no time from 1970's first moment.
            metric.time_ms = Some(field.int()?).filter(|&time_ms| time_ms != 0);
        }
    }
    Ok(metric)
}

struct Walk<'a, 'm, V: ?Sized> {
    family: &'a Family<'m>,
    metric: Metric<'m>,
    options: Options,
    limits: &'a Limits,
    raw: &'a mut Vec<u8>,
    visitor: &'a mut V,
}

/// What a sample has besides its value.
#[derive(Clone, Copy, Default)]
struct Beside<'a> {
    suffix: &'static str,
    own: Option<(&'static str, f64)>,
    start_ms: i64,
    exemplars: Option<Exemplars<'a>>,
}

impl<'m, V: Visitor + ?Sized> Walk<'_, 'm, V> {
    fn metric(&mut self) -> Result<(), Refusal> {
        match self.family.kind {
            MetricKind::Summary => self.summary(),
            MetricKind::Histogram | MetricKind::GaugeHistogram => self.histogram(),
            _ => self.single(),
        }
    }

    /// A counter, a gauge, or what has no type.
    fn single(&mut self) -> Result<(), Refusal> {
        let mut value = 0.0;
        let mut beside = Beside::default();
        let counter = self.family.kind == MetricKind::Counter;
        let mut fields = self.metric.value;
        while let Some(field) = fields.next()? {
            match field.number {
                1 => value = field.double()?,
                2 if counter => beside.exemplars = Some(Exemplars::One(field)),
                3 if counter => beside.start_ms = read_timestamp(field)?,
                _ => {}
            }
        }
        self.float(beside, value)
    }

    fn summary(&mut self) -> Result<(), Refusal> {
        let (mut count, mut sum, mut start_ms) = (0, 0.0, 0);
        let mut fields = self.metric.value;
        while let Some(field) = fields.next()? {
            match field.number {
                1 => count = field.uint()?,
                2 => sum = field.double()?,
                4 => start_ms = read_timestamp(field)?,
                _ => {}
            }
        }
        self.float(Beside { suffix: "_count", start_ms, ..Beside::default() }, count as f64)?;
        self.float(Beside { suffix: "_sum", start_ms, ..Beside::default() }, sum)?;
        let mut fields = self.metric.value;
        while let Some(field) = fields.next()? {
            if field.number == 3 {
                let (mut quantile, mut value) = (0.0, 0.0);
                let mut parts = field.message()?;
                while let Some(field) = parts.next()? {
                    match field.number {
                        1 => quantile = field.double()?,
                        2 => value = field.double()?,
                        _ => {}
                    }
                }
                let own = Some(("quantile", quantile));
                self.float(Beside { own, start_ms, ..Beside::default() }, value)?;
            }
        }
        Ok(())
    }

    fn histogram(&mut self) -> Result<(), Refusal> {
        let mut whole = read_histogram(self.metric.value, self.limits)?;
        if self.family.kind == MetricKind::GaugeHistogram {
            whole.native.reset_hint = RawHistogram::GAUGE;
        }
        let native = whole.is_native() && self.options.histograms != Histograms::Classic;
        let buckets = whole.buckets > 0 && self.options.histograms == Histograms::Both;
        let (count, sum, start_ms) = (whole.count(), whole.native.sum, whole.native.start_ms);
        if native {
            let value = whole.native.check(self.limits).map_err(|mut refusal| {
                let Metric { offset, .. } = self.metric;
                refusal.message =
                    format!("histogram `{}` (byte {offset}): {}", self.family.name, refusal.message);
                refusal
            })?;
            let exemplars = Some(Exemplars::Histogram(self.metric.value));
            self.native(Beside { start_ms, exemplars, ..Beside::default() }, value)?;
        }
        if native && !buckets {
            return Ok(());
        }
        self.float(Beside { suffix: "_count", start_ms, ..Beside::default() }, count)?;
        self.float(Beside { suffix: "_sum", start_ms, ..Beside::default() }, sum)?;
        let mut infinite = false;
        let mut fields = self.metric.value;
        while let Some(field) = fields.next()? {
            // What follows the last bucket that there can be is passed over, as in Prometheus.
            if field.number == 3 && !infinite {
                let bucket = read_bucket(field)?;
                infinite = bucket.bound == f64::INFINITY;
                let exemplars = bucket.exemplar.map(Exemplars::One);
                let own = Some(("le", bucket.bound));
                self.float(Beside { suffix: "_bucket", own, start_ms, exemplars }, bucket.count)?;
            }
        }
        if !infinite {
            let own = Some(("le", f64::INFINITY));
            self.float(Beside { suffix: "_bucket", own, start_ms, exemplars: None }, count)?;
        }
        Ok(())
    }

    fn float(&mut self, beside: Beside<'m>, value: f64) -> Result<(), Refusal> {
        self.give(beside, |visitor, sample| visitor.sample(sample, value))
    }

    fn native(&mut self, beside: Beside<'m>, value: HistogramSample) -> Result<(), Refusal> {
        self.give(beside, |visitor, sample| visitor.histogram(sample, value))
    }

    fn give(
        &mut self,
        beside: Beside<'m>,
        give: impl FnOnce(&mut V, &Sample<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let Beside { suffix, own, start_ms, exemplars } = beside;
        let own = own.map(|(name, value)| (name, openmetrics_float(value)));
        self.raw.clear();
        self.raw.extend_from_slice(self.family.name.as_bytes());
        self.raw.extend_from_slice(suffix.as_bytes());
        if let Some((name, value)) = &own {
            self.raw.push(SEPARATOR);
            self.raw.extend_from_slice(name.as_bytes());
            self.raw.extend_from_slice(value.as_bytes());
        }
        let mut fields = self.metric.message;
        while let Some(field) = fields.next()? {
            if field.number == 1 {
                let label = field.bytes()?;
                self.raw.push(SEPARATOR);
                self.raw.extend_from_slice(&(label.len() as u32).to_le_bytes());
                self.raw.extend_from_slice(label);
            }
        }
        let own = own.as_ref().map(|(name, value)| (*name, value.as_str()));
        let series = Series { name: self.family.name, suffix, own, metric: self.metric.message };
        let sample = Sample {
            time_ms: self.metric.time_ms,
            start_ms,
            raw: self.raw,
            series: super::Series::Protobuf(series),
            exemplars: exemplars.map_or(super::Exemplars::None, super::Exemplars::Protobuf),
            place: Place { offset: self.metric.offset },
        };
        give(self.visitor, &sample)
    }
}

struct Bucket<'a> {
    bound: f64,
    count: f64,
    exemplar: Option<Field<'a>>,
}

fn read_bucket(field: Field<'_>) -> Result<Bucket<'_>, WireError> {
    let mut message = field.message()?;
    let mut bucket = Bucket { bound: 0.0, count: 0.0, exemplar: None };
    let mut float = 0.0;
    while let Some(field) = message.next()? {
        match field.number {
            1 => bucket.count = field.uint()? as f64,
            2 => bucket.bound = field.double()?,
            3 => bucket.exemplar = Some(field),
            4 => float = field.double()?,
            _ => {}
        }
    }
    if float > 0.0 {
        bucket.count = float;
    }
    Ok(bucket)
}

/// A message `Histogram`: the native side of it, and how many buckets the other has.
struct BothSides {
    native: RawHistogram,
    buckets: usize,
}

impl BothSides {
    /// Whether there is a native side. One without observations is told by an empty run of buckets.
    fn is_native(&self) -> bool {
        let native = &self.native;
        !native.positive.runs.is_empty()
            || !native.negative.runs.is_empty()
            || native.zero_threshold > 0.0
            || native.zero_int > 0
    }

    fn count(&self) -> f64 {
        self.native.count_float.unwrap_or(self.native.count_int as f64)
    }
}

fn read_histogram(mut message: Reader<'_>, limits: &Limits) -> Result<BothSides, WireError> {
    let max = limits.histogram_buckets;
    let mut buckets = 0;
    let mut raw = RawHistogram::default();
    let mut count_float = 0.0;
    while let Some(field) = message.next()? {
        match field.number {
            1 => raw.count_int = field.uint()?,
            2 => raw.sum = field.double()?,
            3 => buckets += 1,
            4 => count_float = field.double()?,
            5 => raw.schema = field.sint()?,
            6 => raw.zero_threshold = field.double()?,
            7 => raw.zero_int = field.uint()?,
            8 => raw.zero_float = field.double()?,
            9 => push(&mut raw.negative.runs, read_run(field)?, max),
            10 => field.each_sint(|value| push(&mut raw.negative.deltas, value, max))?,
            11 => field.each_double(|value| push(&mut raw.negative.counts, value, max))?,
            12 => push(&mut raw.positive.runs, read_run(field)?, max),
            13 => field.each_sint(|value| push(&mut raw.positive.deltas, value, max))?,
            14 => field.each_double(|value| push(&mut raw.positive.counts, value, max))?,
            15 => raw.start_ms = read_timestamp(field)?,
            _ => {}
        }
    }
    if count_float > 0.0 || raw.zero_float > 0.0 {
        raw.count_float = Some(count_float);
    }
    Ok(BothSides { native: raw, buckets })
}
