//! Takes one payload of metrics.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};

use weir_signal::{
    Exemplar, HistogramSample, Labels, Metadata, MetricSink, Reason, Refusal, Refused, SeriesRef,
};

use super::head::{MetricHead, Put};
use super::record::RecordWriter;
use super::series::{KeyPlace, Keys};
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::signal::Signal;
use crate::store::commit::{Destination, Head};
use crate::store::inner::{Inner, TenantState, locked, reading, writing};
use crate::wal::Ticket;

/// Metrics of a tenant in memory.
#[derive(Default)]
pub(crate) struct MetricTenant {
    pub(crate) head: Mutex<MetricHead>,
    /// Beside the head, so that decoders do not wait for committers.
    pub(super) keys: RwLock<Keys>,
    /// Grows with each flush: numbers of series that were found two flushes ago may be those of others.
    pub(super) epoch: AtomicU64,
    /// Buffers of appenders that are done.
    spare: Mutex<Vec<Buffers>>,
}

impl Head for MetricHead {
    fn bytes(&self) -> usize {
        MetricHead::bytes(self)
    }
}

impl MetricTenant {
    /// After the head was frozen. `retired` says whether it has fewer series than before.
    pub(crate) fn turn(&self, head: &MetricHead, retired: bool) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
        if retired {
            writing(&self.keys).retain(|number| head.is_active(number));
        }
    }
}

/// Names a series that the payload brought; others are named by their number.
const FRESH: u32 = 1 << 31;
/// The number of a series that was not asked for yet.
const UNKNOWN: u32 = u32::MAX;
/// Appenders whose buffers are kept.
const SPARE_MAX: usize = 8;
/// Rows beyond which buffers are given back.
const SPARE_ROWS_MAX: usize = 100_000;

#[derive(Default)]
struct Buffers {
    floats: Vec<Float>,
    /// Empty, or as long as `floats`.
    starts: Vec<i64>,
    histograms: Vec<(u32, i64, HistogramSample, i64)>,
    exemplars: Vec<(u32, Exemplar)>,
    families: Vec<(Box<str>, Metadata)>,
    fresh: Vec<(Labels, Option<u128>)>,
    fresh_by_labels: HashMap<Labels, u32>,
    /// The numbers of `fresh`, once they have one.
    numbers: Vec<u32>,
    record: RecordWriter,
    frame: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Float {
    series: u32,
    time: i64,
    value: f64,
}

impl Buffers {
    fn clear(&mut self) {
        self.floats.clear();
        self.starts.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.families.clear();
        self.fresh.clear();
        self.fresh_by_labels.clear();
        self.numbers.clear();
        self.record.clear();
        self.frame.clear();
    }
}

/// Takes one payload of metrics. Nothing of it is seen or kept before [`MetricAppender::commit`]; dropping it is as if it
/// had never been.
///
/// Decode and commit without a long pause in between: where two flushes pass, the commit is refused as overload.
pub struct MetricAppender {
    inner: Arc<Inner>,
    tenant: Arc<TenantState>,
    buffers: Buffers,
    epoch: u64,
    from_ms: i64,
    to_ms: i64,
    settings: Arc<Settings>,
    refused: Refused,
    /// Where the last look-up of a key ended.
    place: KeyPlace,
}

impl MetricAppender {
    pub(crate) fn new(inner: Arc<Inner>, tenant: Arc<TenantState>) -> Self {
        let buffers = locked(&tenant.metrics.spare).pop().unwrap_or_default();
        let epoch = tenant.metrics.epoch.load(Ordering::Relaxed);
        let from_ms = inner.kept_from(&tenant.tenant, Signal::Metrics);
        let to_ms = inner.taken_to(Signal::Metrics);
        let settings = inner.settings();
        Self {
            inner,
            tenant,
            buffers,
            epoch,
            from_ms,
            to_ms,
            settings,
            refused: Refused::default(),
            place: KeyPlace::default(),
        }
    }

    /// What is refused of this payload: whoever fills the appender notes it here, what an error of its methods refused too.
    /// It is counted with the commit.
    pub fn refused(&mut self) -> &mut Refused {
        &mut self.refused
    }

    /// Commits what was given. With `batch`, a payload that was committed under the same id before (the last 16,384 are
    /// remembered, also over a restart) is not applied again.
    ///
    /// What was committed is read at once; it may be acknowledged when the ticket is done, and not before.
    ///
    /// # Errors
    /// Nothing was done: the store is overloaded, or cannot write any more. [`Reason::may_retry`] holds.
    pub fn commit(mut self, batch: Option<u128>) -> Result<(Outcome, Ticket), Refusal> {
        let mut buffers = std::mem::take(&mut self.buffers);
        let mut outcome = Outcome { refused: std::mem::take(&mut self.refused), ..Outcome::default() };
        let items = (buffers.floats.len() + buffers.histograms.len()) as u64;
        let to = Destination { tenant: &self.tenant.tenant, signal: Signal::Metrics, batch };
        let mut frame = std::mem::take(&mut buffers.frame);
        let done = self.inner.commit(&to, &self.tenant.metrics.head, &mut frame, |head, frame| {
            self.apply(head, &mut buffers, &mut outcome)?;
            buffers.record.write(frame);
            Ok(!buffers.record.is_empty())
        });
        buffers.frame = frame;
        self.buffers = buffers;
        self.inner.committed(Signal::Metrics, done, outcome, items)
    }

    fn apply(
        &self,
        head: &mut MetricHead,
        buffers: &mut Buffers,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        let metrics = &self.tenant.metrics;
        if metrics.epoch.load(Ordering::Relaxed) > self.epoch + 1 {
            return Err(Refusal::new(
                Reason::Overloaded,
                "the store was written out twice while this payload was decoded; send it again",
            ));
        }
        let settings = &*self.settings;
        let now_s = (self.inner.now_ms() / 1000).clamp(0, i64::from(u32::MAX)) as u32;
        let series_max = settings.of(&self.tenant.tenant).series_max;
        let record = &mut buffers.record;
        let (fresh, numbers) = (&buffers.fresh, &mut buffers.numbers);
        numbers.resize(fresh.len(), UNKNOWN);
        // The number that `series` stands for; `FRESH` where there is no room for it.
        let mut resolve = |head: &mut MetricHead, record: &mut RecordWriter, series: u32| {
            let number = if series & FRESH == 0 {
                head.active(series)
            } else {
                let at = (series ^ FRESH) as usize;
                if numbers[at] == UNKNOWN {
                    numbers[at] = match head.series.find(&fresh[at].0) {
                        Some(number) => number,
                        None if head.active_series() as u64 >= series_max => FRESH,
                        None => head.series.add(fresh[at].0.clone()),
                    };
                }
                numbers[at]
            };
            if number != FRESH {
                let series = head.series.get_mut(number);
                if !series.logged {
                    series.logged = true;
                    record.series(number, &series.labels);
                }
                series.seen_s = now_s;
            }
            number
        };
        let mut note = |put: Put, what: &dyn Fn() -> String| match put {
            Put::New | Put::Same => {
                outcome.accepted += 1;
                put == Put::New
            }
            Put::Taken => {
                outcome.refused.say(Reason::Duplicate, 1, what);
                false
            }
        };
        let mut without_room = 0_u64;
        for (at, float) in buffers.floats.iter().enumerate() {
            let number = resolve(head, record, float.series);
            if number == FRESH {
                without_room += 1;
                continue;
            }
            let start = buffers.starts.get(at).copied().unwrap_or(0);
            let put = head.float(number, float.time, float.value.to_bits(), start);
            if note(put, &|| duplicate(float.time)) {
                record.float(number, float.time, float.value.to_bits(), start);
            }
        }
        for (series, time, value, start) in &buffers.histograms {
            let number = resolve(head, record, *series);
            if number == FRESH {
                without_room += 1;
                continue;
            }
            if note(head.histogram(number, *time, value, *start), &|| duplicate(*time)) {
                record.histogram(number, *time, value, *start);
            }
        }
        for (series, exemplar) in buffers.exemplars.drain(..) {
            let number = resolve(head, record, series);
            if number != FRESH && head.exemplar(number, exemplar.clone(), settings.exemplars_max) {
                record.exemplar(number, &exemplar);
            }
        }
        for (name, metadata) in &buffers.families {
            if head.family(name, metadata, settings.families_max) {
                record.family(name, metadata);
            }
        }
        if without_room > 0 {
            outcome.refused.say(Reason::Cardinality, without_room, || too_many_series(series_max));
        }
        let known = buffers.fresh.iter().zip(&buffers.numbers);
        let known = known.filter(|&(_, &number)| number != FRESH && number != UNKNOWN);
        let mut known = known.filter_map(|((_, key), &number)| Some(((*key)?, number))).peekable();
        if known.peek().is_some() {
            let active = head.active_series();
            let mut keys = writing(&metrics.keys);
            known.for_each(|(key, number)| keys.add(key, number, active));
        }
        Ok(())
    }

    fn check_time(&self, time_ms: i64) -> Result<(), Refusal> {
        if time_ms > self.to_ms {
            let ahead_s = self.settings.ahead_ms / 1000;
            return Err(Refusal::new(
                Reason::TooNew,
                format!(
                    "time {time_ms} is more than {ahead_s} s ahead of the store's clock; set the sender's clock"
                ),
            ));
        }
        if time_ms < self.from_ms {
            let from_ms = self.from_ms;
            return Err(Refusal::new(
                Reason::TooOld,
                format!(
                    "time {time_ms} lies before {from_ms}, where what is kept begins; keep metrics for longer, or leave it out"
                ),
            ));
        }
        Ok(())
    }

    fn check_labels(&self, labels: &Labels) -> Result<(), Refusal> {
        check_labels(labels, self.settings.labels_max, self.settings.label_bytes_max)
    }
}

/// # Errors
/// More labels than `labels_max`, or one longer than `bytes_max`.
pub(crate) fn check_labels(labels: &Labels, labels_max: usize, bytes_max: usize) -> Result<(), Refusal> {
    let mut count = 0;
    for (name, value) in labels.iter() {
        count += 1;
        if name.len() > bytes_max || value.len() > bytes_max {
            let name: String = name.chars().take(64).collect();
            return Err(Refusal::new(
                Reason::TooLarge,
                format!(
                    "label `{name}` is longer than {bytes_max} bytes; shorten it, or raise the limit `label_bytes`"
                ),
            ));
        }
    }
    if count > labels_max {
        return Err(Refusal::new(
            Reason::TooLarge,
            format!(
                "there are {count} labels where {labels_max} are allowed; drop some, or raise the limit `labels`"
            ),
        ));
    }
    Ok(())
}

fn duplicate(time_ms: i64) -> String {
    format!(
        "the series has another value at time {time_ms} already; let one sender write a series, or give each a label of its own"
    )
}

fn too_many_series(series_max: u64) -> String {
    format!(
        "{series_max} series are active, as many as the limit `series` allows; drop a label of many values, or raise the limit"
    )
}

impl MetricSink for MetricAppender {
    fn known(&mut self, key: u128) -> Option<SeriesRef> {
        reading(&self.tenant.metrics.keys).find(key, &mut self.place).map(SeriesRef)
    }

    fn series(&mut self, key: Option<u128>, labels: &Labels) -> Result<SeriesRef, Refusal> {
        if let Some(&fresh) = self.buffers.fresh_by_labels.get(labels) {
            return Ok(SeriesRef(fresh | FRESH));
        }
        self.check_labels(labels)?;
        let metrics = &self.tenant.metrics;
        let (found, active) = {
            let head = locked(&metrics.head);
            (head.series.find(labels), head.active_series())
        };
        if let Some(number) = found {
            if let Some(key) = key {
                writing(&metrics.keys).add(key, number, active);
            }
            return Ok(SeriesRef(number));
        }
        let series_max = self.settings.of(&self.tenant.tenant).series_max;
        if (active + self.buffers.fresh.len()) as u64 >= series_max {
            return Err(Refusal::new(Reason::Cardinality, too_many_series(series_max)));
        }
        let fresh = self.buffers.fresh.len() as u32;
        self.buffers.fresh.push((labels.clone(), key));
        self.buffers.fresh_by_labels.insert(labels.clone(), fresh);
        Ok(SeriesRef(fresh | FRESH))
    }

    #[inline]
    fn sample(&mut self, series: SeriesRef, time_ms: i64, value: f64, start_ms: i64) -> Result<(), Refusal> {
        if time_ms > self.to_ms || time_ms < self.from_ms {
            self.check_time(time_ms)?;
        }
        let Buffers { floats, starts, .. } = &mut self.buffers;
        if start_ms != 0 || !starts.is_empty() {
            starts.resize(floats.len(), 0);
            starts.push(start_ms);
        }
        floats.push(Float { series: series.0, time: time_ms, value });
        Ok(())
    }

    fn histogram(
        &mut self,
        series: SeriesRef,
        time_ms: i64,
        value: HistogramSample,
        start_ms: i64,
    ) -> Result<(), Refusal> {
        self.check_time(time_ms)?;
        self.buffers.histograms.push((series.0, time_ms, value, start_ms));
        Ok(())
    }

    fn exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) -> Result<(), Refusal> {
        self.check_time(exemplar.time_ms)?;
        self.check_labels(&exemplar.labels)?;
        self.buffers.exemplars.push((series.0, exemplar));
        Ok(())
    }

    fn metadata(&mut self, name: &str, metadata: Metadata) {
        self.buffers.families.push((name.into(), metadata));
    }
}

impl Drop for MetricAppender {
    fn drop(&mut self) {
        let mut buffers = std::mem::take(&mut self.buffers);
        if buffers.floats.capacity() == 0 || buffers.floats.capacity() > SPARE_ROWS_MAX {
            return;
        }
        buffers.clear();
        let mut spare = locked(&self.tenant.metrics.spare);
        if spare.len() < SPARE_MAX {
            spare.push(buffers);
        }
    }
}
