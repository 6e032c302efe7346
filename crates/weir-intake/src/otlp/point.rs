//! Data points of metrics, as they are written.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_signal::{BucketRun, Exemplar, IntBuckets, IntHistogram, Labels, Reason, Refusal, ResetHint};

use super::common::{attribute, hex, nanos};
use crate::Limits;
use crate::wire::{Reader, WireError};

/// The scale that native histograms have at most.
const SCHEMA_MAX: i64 = 8;
const SCHEMA_MIN: i64 = -4;
/// The width of the bucket around zero where the sender states none (Prometheus' choice).
const ZERO_THRESHOLD: f64 = 1e-128;

/// What all points have.
#[derive(Debug, Default)]
pub(super) struct Point {
    pub(super) attributes: Vec<(String, String)>,
    pub(super) start_ms: i64,
    pub(super) time_ms: i64,
    pub(super) exemplars: Vec<Exemplar>,
    /// The series ended here.
    pub(super) is_stale: bool,
}

/// A number, or one of the shapes that consist of several.
#[derive(Debug)]
pub(super) enum Body {
    Number(f64),
    Classic { count: u64, sum: Option<f64>, bounds: Vec<f64>, buckets: Vec<u64> },
    Exponential(Box<Exponential>),
    Native(Box<IntHistogram>),
    Summary { count: u64, sum: f64, quantiles: Vec<(f64, f64)> },
}

/// An exponential histogram as it was sent.
#[derive(Debug, Default)]
pub(super) struct Exponential {
    scale: i64,
    count: u64,
    sum: f64,
    zero_count: u64,
    zero_threshold: f64,
    positive: Run,
    negative: Run,
}

/// Neighbouring buckets, beginning at `offset`.
#[derive(Debug, Default)]
pub(super) struct Run {
    offset: i64,
    counts: Vec<u64>,
}

fn ms(nanos: i64) -> i64 {
    nanos.div_euclid(1_000_000)
}

fn pair(reader: Reader<'_>) -> Result<(String, String), WireError> {
    let attribute = attribute(reader)?;
    Ok((attribute.key.into(), attribute.value.to_string()))
}

/// `NumberDataPoint`.
pub(super) fn number(mut reader: Reader<'_>) -> Result<(Point, Body), WireError> {
    let mut point = Point::default();
    let mut value = 0.0;
    while let Some(field) = reader.next()? {
        match field.number {
            2 => point.start_ms = ms(nanos(field.fixed64()?)),
            3 => point.time_ms = ms(nanos(field.fixed64()?)),
            4 => value = field.double()?,
            5 => point.exemplars.extend(exemplar(field.message()?)?),
            6 => value = field.fixed64()?.cast_signed() as f64,
            7 => point.attributes.push(pair(field.message()?)?),
            8 => point.is_stale = field.uint()? & 1 != 0,
            _ => {}
        }
    }
    Ok((point, Body::Number(value)))
}

/// `HistogramDataPoint`.
pub(super) fn classic(mut reader: Reader<'_>) -> Result<(Point, Body), WireError> {
    let mut point = Point::default();
    let (mut count, mut sum, mut bounds, mut buckets) = (0, None, Vec::new(), Vec::new());
    while let Some(field) = reader.next()? {
        match field.number {
            2 => point.start_ms = ms(nanos(field.fixed64()?)),
            3 => point.time_ms = ms(nanos(field.fixed64()?)),
            4 => count = field.fixed64()?,
            5 => sum = Some(field.double()?),
            6 => field.each_fixed64(|count| buckets.push(count))?,
            7 => field.each_double(|bound| bounds.push(bound))?,
            8 => point.exemplars.extend(exemplar(field.message()?)?),
            9 => point.attributes.push(pair(field.message()?)?),
            10 => point.is_stale = field.uint()? & 1 != 0,
            _ => {}
        }
    }
    Ok((point, Body::Classic { count, sum, bounds, buckets }))
}

/// `ExponentialHistogramDataPoint`.
pub(super) fn exponential(mut reader: Reader<'_>) -> Result<(Point, Body), WireError> {
    let mut point = Point::default();
    let mut body = Box::<Exponential>::default();
    while let Some(field) = reader.next()? {
        match field.number {
            1 => point.attributes.push(pair(field.message()?)?),
            2 => point.start_ms = ms(nanos(field.fixed64()?)),
            3 => point.time_ms = ms(nanos(field.fixed64()?)),
            4 => body.count = field.fixed64()?,
            5 => body.sum = field.double()?,
            6 => body.scale = field.sint()?,
            7 => body.zero_count = field.fixed64()?,
            8 => body.positive = run(field.message()?)?,
            9 => body.negative = run(field.message()?)?,
            10 => point.is_stale = field.uint()? & 1 != 0,
            11 => point.exemplars.extend(exemplar(field.message()?)?),
            14 => body.zero_threshold = field.double()?,
            _ => {}
        }
    }
    Ok((point, Body::Exponential(body)))
}

/// `SummaryDataPoint`.
pub(super) fn summary(mut reader: Reader<'_>) -> Result<(Point, Body), WireError> {
    let mut point = Point::default();
    let (mut count, mut sum, mut quantiles) = (0, 0.0, Vec::new());
    while let Some(field) = reader.next()? {
        match field.number {
            2 => point.start_ms = ms(nanos(field.fixed64()?)),
            3 => point.time_ms = ms(nanos(field.fixed64()?)),
            4 => count = field.fixed64()?,
            5 => sum = field.double()?,
            6 => {
                let (mut quantile, mut value) = (0.0, 0.0);
                let mut inner = field.message()?;
                while let Some(field) = inner.next()? {
                    match field.number {
                        1 => quantile = field.double()?,
                        2 => value = field.double()?,
                        _ => {}
                    }
                }
                quantiles.push((quantile, value));
            }
            7 => point.attributes.push(pair(field.message()?)?),
            8 => point.is_stale = field.uint()? & 1 != 0,
            _ => {}
        }
    }
    Ok((point, Body::Summary { count, sum, quantiles }))
}

fn run(mut reader: Reader<'_>) -> Result<Run, WireError> {
    let mut run = Run::default();
    while let Some(field) = reader.next()? {
        match field.number {
            1 => run.offset = field.sint()?,
            2 => field.each_uint(|count| run.counts.push(count))?,
            _ => {}
        }
    }
    Ok(run)
}

/// `None` where its labels are no labels.
fn exemplar(mut reader: Reader<'_>) -> Result<Option<Exemplar>, WireError> {
    let (mut time_ms, mut value, mut pairs) = (0, 0.0, Vec::new());
    while let Some(field) = reader.next()? {
        match field.number {
            2 => time_ms = ms(nanos(field.fixed64()?)),
            3 => value = field.double()?,
            4 => pairs.push(("span_id".to_owned(), hex(field.bytes()?))),
            5 => pairs.push(("trace_id".to_owned(), hex(field.bytes()?))),
            6 => value = field.fixed64()?.cast_signed() as f64,
            7 => {
                let (name, text) = pair(field.message()?)?;
                pairs.push((super::Naming::default().label(&name), text));
            }
            _ => {}
        }
    }
    Ok(Labels::from_pairs(pairs).ok().map(|labels| Exemplar { labels, value, time_ms }))
}

impl Exponential {
    /// The same as a native one. Scales beyond 8 are made coarser, two buckets into one each time.
    pub(super) fn native(&self, limits: &Limits) -> Result<IntHistogram, Refusal> {
        let Self { scale, count, sum, zero_count, zero_threshold, positive, negative } = self;
        if *scale < SCHEMA_MIN {
            let message = format!(
                "a scale of {scale} is coarser than {SCHEMA_MIN}, which native histograms have at least"
            );
            return Err(Refusal::new(Reason::Unsupported, message));
        }
        if positive.counts.len().max(negative.counts.len()) > limits.histogram_buckets {
            let message =
                format!("more than {} buckets; let the sender use a smaller scale", limits.histogram_buckets);
            return Err(Refusal::new(Reason::TooLarge, message));
        }
        let shift = (*scale - SCHEMA_MAX).clamp(0, 62) as u32;
        Ok(IntHistogram {
            schema: (*scale).min(SCHEMA_MAX) as i32,
            zero_threshold: if *zero_threshold == 0.0 { ZERO_THRESHOLD } else { *zero_threshold },
            zero_count: *zero_count,
            count: *count,
            sum: *sum,
            positive: positive.coarser(shift),
            negative: negative.coarser(shift),
            custom_bounds: Arc::from([]),
            reset_hint: ResetHint::Unknown,
        })
    }
}

impl Run {
    /// Buckets with 2^`shift` of them in one. OpenTelemetry's bucket `i` ends where Prometheus' bucket `i + 1` does.
    fn coarser(&self, shift: u32) -> IntBuckets {
        let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
        for (place, &count) in self.counts.iter().enumerate().filter(|(_, count)| **count != 0) {
            let index = (self.offset.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) + place as i64) >> shift;
            let index = (index + 1).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
            let sum = counts.entry(index).or_default();
            *sum = sum.saturating_add(count);
        }
        sparse(counts)
    }
}

/// Counts by bucket.
pub(super) fn dense(buckets: &IntBuckets) -> BTreeMap<i32, u64> {
    let mut counts = BTreeMap::new();
    let mut all = buckets.counts.iter();
    let mut index = 0_i32;
    for run in &buckets.runs {
        index = index.saturating_add(run.offset);
        for _ in 0..run.length {
            if let Some(&count) = all.next() {
                counts.insert(index, count);
            }
            index = index.saturating_add(1);
        }
    }
    counts
}

/// Runs of neighbouring buckets.
pub(super) fn sparse(counts: BTreeMap<i32, u64>) -> IntBuckets {
    let mut buckets = IntBuckets::default();
    let mut end = 0_i32;
    for (index, count) in counts {
        match buckets.runs.last_mut() {
            Some(run) if index == end => run.length += 1,
            _ => {
                let offset = index.saturating_sub(if buckets.runs.is_empty() { 0 } else { end });
                buckets.runs.push(BucketRun { offset, length: 1 });
            }
        }
        buckets.counts.push(count);
        end = index.saturating_add(1);
    }
    buckets
}
