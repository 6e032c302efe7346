//! A native histogram as both versions of remote write send it.

use std::sync::Arc;

use weir_signal::{
    BucketRun, Buckets, Histogram, HistogramSample, IntBuckets, IntHistogram, Reason, Refusal, ResetHint,
};

use crate::Limits;
use crate::wire::{Field, Reader, WireError};

/// The finest exponential schema that is kept; finer ones, which Prometheus reserves, are brought down to it.
const SCHEMA_MAX: i32 = 8;
/// The finest one that is reserved.
const SCHEMA_RESERVED_MAX: i32 = 52;

/// A message, before its parts are held against each other.
#[derive(Debug, Default)]
pub(crate) struct RawHistogram {
    /// Milliseconds since 1970.
    pub(crate) time_ms: i64,
    /// Milliseconds since 1970; 0 where it is not known.
    pub(crate) start_ms: i64,
    /// Whole observations; none where `count_float` is there.
    pub(crate) count_int: u64,
    pub(crate) count_float: Option<f64>,
    pub(crate) sum: f64,
    pub(crate) schema: i64,
    pub(crate) zero_threshold: f64,
    pub(crate) zero_int: u64,
    pub(crate) zero_float: f64,
    pub(crate) positive: RawBuckets,
    pub(crate) negative: RawBuckets,
    pub(crate) reset_hint: u64,
    pub(crate) custom_bounds: Vec<f64>,
}

/// The buckets of one sign.
#[derive(Debug, Default)]
pub(crate) struct RawBuckets {
    pub(crate) runs: Vec<BucketRun>,
    pub(crate) deltas: Vec<i64>,
    pub(crate) counts: Vec<f64>,
}

/// Reads the message `Histogram` of either version; `start_timestamp` is one of 2.0 only.
///
/// Of each list one more than allowed is read, which shows that there were too many.
pub(super) fn read(mut message: Reader<'_>, limits: &Limits) -> Result<RawHistogram, WireError> {
    let max = limits.histogram_buckets;
    let mut raw = RawHistogram::default();
    while let Some(field) = message.next()? {
        match field.number {
            1 => raw.count_int = field.uint()?,
            2 => raw.count_float = Some(field.double()?),
            3 => raw.sum = field.double()?,
            4 => raw.schema = field.sint()?,
            5 => raw.zero_threshold = field.double()?,
            6 => raw.zero_int = field.uint()?,
            7 => raw.zero_float = field.double()?,
            8 => push(&mut raw.negative.runs, read_run(field)?, max),
            9 => field.each_sint(|value| push(&mut raw.negative.deltas, value, max))?,
            10 => field.each_double(|value| push(&mut raw.negative.counts, value, max))?,
            11 => push(&mut raw.positive.runs, read_run(field)?, max),
            12 => field.each_sint(|value| push(&mut raw.positive.deltas, value, max))?,
            13 => field.each_double(|value| push(&mut raw.positive.counts, value, max))?,
            14 => raw.reset_hint = field.uint()?,
            15 => raw.time_ms = field.int()?,
            16 => field.each_double(|value| push(&mut raw.custom_bounds, value, max))?,
            17 => raw.start_ms = field.int()?,
            _ => {}
        }
    }
    Ok(raw)
}

/// A `BucketSpan`, which exposition's protobuf shares.
pub(crate) fn read_run(field: Field<'_>) -> Result<BucketRun, WireError> {
    let mut message = field.message()?;
    let mut run = BucketRun { offset: 0, length: 0 };
    while let Some(field) = message.next()? {
        match field.number {
            // As every reader of protobuf: what has more than 32 bits loses the upper ones.
            1 => run.offset = field.sint()? as i32,
            2 => run.length = field.uint()? as u32,
            _ => {}
        }
    }
    Ok(run)
}

/// Appends while there are no more than `max`.
pub(crate) fn push<T>(list: &mut Vec<T>, value: T, max: usize) {
    if list.len() <= max {
        list.push(value);
    }
}

impl RawHistogram {
    /// The reset hint of a gauge.
    pub(crate) const GAUGE: u64 = 3;

    /// The histogram, its parts held against each other.
    pub(crate) fn check(self, limits: &Limits) -> Result<HistogramSample, Refusal> {
        let buckets = self.positive.len() + self.negative.len();
        if buckets.max(self.custom_bounds.len()) > limits.histogram_buckets {
            return Err(Refusal::new(
                Reason::TooLarge,
                format!(
                    "a histogram of {buckets} buckets, more than {}; lower its resolution or raise the limit",
                    limits.histogram_buckets
                ),
            ));
        }
        let reset_hint = match self.reset_hint {
            1 => ResetHint::Reset,
            2 => ResetHint::NotReset,
            Self::GAUGE => ResetHint::Gauge,
            _ => ResetHint::Unknown,
        };
        let finer = (i64::from(SCHEMA_MAX) + 1..=i64::from(SCHEMA_RESERVED_MAX)).contains(&self.schema);
        // Validation knows schemas up to the finest that is kept; nothing else of it depends on how fine one is.
        let schema = if finer { SCHEMA_MAX } else { self.schema.try_into().unwrap_or(i32::MAX) };
        let custom_bounds: Arc<[f64]> = self.custom_bounds.into();
        let sample = if let Some(count) = self.count_float {
            let histogram = Histogram {
                schema,
                zero_threshold: self.zero_threshold,
                zero_count: self.zero_float,
                count,
                sum: self.sum,
                positive: Buckets { runs: check_runs(self.positive.runs)?, counts: self.positive.counts },
                negative: Buckets { runs: check_runs(self.negative.runs)?, counts: self.negative.counts },
                custom_bounds,
                reset_hint,
            };
            histogram.validate().map(|()| HistogramSample::Float(histogram))
        } else {
            let histogram = IntHistogram {
                schema,
                zero_threshold: self.zero_threshold,
                zero_count: self.zero_int,
                count: self.count_int,
                sum: self.sum,
                positive: self.positive.absolute()?,
                negative: self.negative.absolute()?,
                custom_bounds,
                reset_hint,
            };
            histogram.validate().map(|()| HistogramSample::Int(histogram))
        };
        let sample = sample.map_err(|error| invalid(&error.to_string()))?;
        if !finer {
            return Ok(sample);
        }
        let mut histogram = sample.to_float();
        histogram.schema = self.schema as i32;
        histogram.reduce_resolution(SCHEMA_MAX);
        Ok(HistogramSample::Float(histogram))
    }
}

impl RawBuckets {
    fn len(&self) -> usize {
        self.deltas.len().max(self.counts.len()).max(self.runs.len())
    }

    /// Counts of their own, from what each adds to the one before.
    fn absolute(self) -> Result<IntBuckets, Refusal> {
        let mut count = 0_i64;
        let counts = self.deltas.into_iter().map(|delta| {
            count = count.checked_add(delta).filter(|&count| count >= 0)?;
            Some(count as u64)
        });
        let counts = counts.collect::<Option<_>>();
        let counts = counts.ok_or_else(|| invalid("a bucket counts fewer observations than none"))?;
        Ok(IntBuckets { runs: check_runs(self.runs)?, counts })
    }
}

/// The runs, where every bucket in them has an index of 32 bits.
fn check_runs(runs: Vec<BucketRun>) -> Result<Vec<BucketRun>, Refusal> {
    let end = |end: i64, run: &BucketRun| Some(end + i64::from(run.offset) + i64::from(run.length));
    let fits = |&end: &i64| i32::try_from(end).is_ok();
    match runs.iter().try_fold(0, |at, run| end(at, run).filter(fits)) {
        Some(_) => Ok(runs),
        None => Err(invalid("a bucket lies further out than any number")),
    }
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(Reason::Malformed, format!("not a native histogram: {message}"))
}
