//! Metrics of a tenant that are not in parts yet.

use std::collections::{BTreeMap, HashMap, VecDeque};

use weir_block::Damage;
use weir_block::series::Samples;
use weir_signal::{Exemplar, HistogramSample, Labels, Matcher, Metadata, Points};

use super::chunk::{Arena, Run, decode};
use super::record::{self, RecordSink, put_histogram};
use super::series::{Series, SeriesState, SeriesTable};
use crate::days::Days;
use crate::settings::Settings;
use crate::signal::Signal;

/// Metrics of a tenant since the last flush, and the series that are written to.
pub(crate) struct MetricHead {
    pub(super) series: SeriesTable,
    arena: Arena,
    /// What is no float in order: histograms, and floats that came late. In the order in which they came.
    side: HashMap<u32, Side>,
    side_bytes: usize,
    exemplars: HashMap<u32, VecDeque<Exemplar>>,
    families: BTreeMap<Box<str>, Metadata>,
    /// Whether a family was said anew since the last flush.
    families_changed: bool,
    /// The day that they were last written on: each day has them, so that they outlive the parts before it.
    families_day: i64,
    days: Days,
}

#[derive(Debug, Default)]
struct Side {
    samples: Vec<SideSample>,
    time_max: i64,
}

/// A sample beside a chunk.
#[derive(Debug, Clone)]
pub(super) struct SideSample {
    time: i64,
    start: i64,
    value: SideValue,
}

#[derive(Debug, Clone)]
enum SideValue {
    Float(u64),
    Histogram(Box<HistogramSample>),
}

/// What became of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It is kept.
    New,
    /// It was there already.
    Same,
    /// It is the last one's time with another value.
    Taken,
}

impl Default for MetricHead {
    fn default() -> Self {
        Self {
            series: SeriesTable::default(),
            arena: Arena::default(),
            side: HashMap::new(),
            side_bytes: 0,
            exemplars: HashMap::new(),
            families: BTreeMap::new(),
            families_changed: false,
            families_day: i64::MIN,
            days: Days::new(Signal::Metrics),
        }
    }
}

impl MetricHead {
    /// Bytes of samples that a flush would take out.
    pub(crate) fn bytes(&self) -> usize {
        self.arena.bytes() + self.side_bytes + self.exemplars.len() * 256
    }

    /// Bytes of series, which stay.
    pub(crate) fn series_bytes(&self) -> usize {
        self.series.bytes()
    }

    pub(crate) fn active_series(&self) -> usize {
        self.series.active()
    }

    #[inline]
    pub(super) fn float(&mut self, number: u32, time: i64, bits: u64, start: i64) -> Put {
        let series = self.series.get_mut(number);
        let in_order = series.chunk.last().is_none_or(|(last, _)| time > last);
        if in_order && !series.sided {
            series.chunk.push(&mut self.arena, time, bits, start);
            self.days.note(time);
            return Put::New;
        }
        self.float_beside(number, time, bits, start)
    }

    #[cold]
    fn float_beside(&mut self, number: u32, time: i64, bits: u64, start: i64) -> Put {
        let series = self.series.get_mut(number);
        let side = self.side.get(&number);
        let before = side.and_then(|side| side.samples.iter().rev().find(|sample| sample.time == time));
        let last = series.chunk.last();
        let time_max = last.map(|(last, _)| last).into_iter().chain(side.map(|side| side.time_max)).max();
        match (before, last) {
            (Some(SideSample { value: SideValue::Float(before), .. }), _) if *before == bits => {
                return Put::Same;
            }
            (None, Some((last, before))) if last == time && before == bits => return Put::Same,
            _ if time_max == Some(time) => return Put::Taken,
            _ => {}
        }
        if time_max.is_none_or(|max| time > max) {
            series.chunk.push(&mut self.arena, time, bits, start);
            self.days.note(time);
        } else {
            self.beside(number, SideSample { time, start, value: SideValue::Float(bits) });
        }
        Put::New
    }

    pub(super) fn histogram(&mut self, number: u32, time: i64, value: &HistogramSample, start: i64) -> Put {
        let side = self.side.get(&number);
        let before = side.and_then(|side| side.samples.iter().rev().find(|sample| sample.time == time));
        let last = self.series.get(number).chunk.last();
        let sum = value.sum().to_bits();
        match before {
            Some(SideSample { value: SideValue::Histogram(before), .. }) if same(before, value) => {
                return Put::Same;
            }
            // Of what was flushed only the sum is known.
            None if last == Some((time, sum)) => return Put::Same,
            _ => {}
        }
        let time_max = last.map(|(last, _)| last).into_iter().chain(side.map(|side| side.time_max)).max();
        if time_max == Some(time) {
            return Put::Taken;
        }
        if time_max.is_none_or(|max| time > max) {
            self.series.get_mut(number).chunk.note(time, sum);
        }
        self.beside(number, SideSample { time, start, value: SideValue::Histogram(Box::new(value.clone())) });
        Put::New
    }

    fn beside(&mut self, number: u32, sample: SideSample) {
        self.days.note(sample.time);
        self.side_bytes += sample.bytes();
        self.series.get_mut(number).sided = true;
        let side = self.side.entry(number).or_insert(Side { samples: Vec::new(), time_max: i64::MIN });
        side.time_max = side.time_max.max(sample.time);
        side.samples.push(sample);
    }

    /// Keeps an exemplar; `false` where it is there.
    pub(super) fn exemplar(&mut self, number: u32, exemplar: Exemplar, exemplars_max: usize) -> bool {
        let kept = self.exemplars.entry(number).or_default();
        if kept.contains(&exemplar) {
            return false;
        }
        if kept.len() >= exemplars_max {
            kept.pop_front();
        }
        self.days.note(exemplar.time_ms);
        kept.push_back(exemplar);
        true
    }

    /// Notes a family; `false` where it is known so, or where there are too many.
    pub(super) fn family(&mut self, name: &str, metadata: &Metadata, families_max: usize) -> bool {
        let families = self.families.len();
        match self.families.get_mut(name) {
            Some(known) if known == metadata => return false,
            Some(known) => known.clone_from(metadata),
            None if families >= families_max => return false,
            None => {
                self.families.insert(name.into(), metadata.clone());
            }
        }
        self.families_changed = true;
        true
    }

    /// Families that are known from parts.
    pub(crate) fn know_families(&mut self, families: impl IntoIterator<Item = (String, Metadata)>) {
        for (name, metadata) in families {
            self.families.insert(name.into(), metadata);
        }
    }

    pub(crate) fn families(&self) -> &BTreeMap<Box<str>, Metadata> {
        &self.families
    }

    /// Takes out what a flush writes; `None` where there is nothing. Series stay, except those that were not written to
    /// since `idle_since_s`.
    pub(crate) fn freeze(&mut self, now_ms: i64, idle_since_s: u32) -> (Option<FrozenMetrics>, bool) {
        let mut series = Vec::new();
        for (number, one) in self.series.iter_mut() {
            one.logged = false;
            let sided = std::mem::take(&mut one.sided);
            let exemplars = self.exemplars.remove(&number).unwrap_or_default();
            if one.chunk.count() == 0 && !sided && exemplars.is_empty() {
                continue;
            }
            let mut side = self.side.remove(&number).unwrap_or_default().samples;
            order(&mut side);
            series.push(FrozenSeries {
                labels: one.labels.clone(),
                run: one.chunk.take(),
                side,
                exemplars: exemplars.into(),
            });
        }
        let retired = self.series.retire(idle_since_s);
        let today = Signal::Metrics.day(now_ms);
        let new_day = !series.is_empty() && std::mem::replace(&mut self.families_day, today) != today;
        let families = if std::mem::take(&mut self.families_changed) || new_day {
            self.families.iter().map(|(name, metadata)| (name.clone(), metadata.clone())).collect()
        } else {
            Vec::new()
        };
        self.side.clear();
        self.exemplars.clear();
        self.side_bytes = 0;
        let frozen = FrozenMetrics {
            arena: std::mem::take(&mut self.arena),
            series,
            families,
            days: self.days.take(),
        };
        ((!frozen.series.is_empty() || !frozen.families.is_empty()).then_some(frozen), retired)
    }

    /// Forgets the newest samples of the series that match, which were flushed and deleted: the same may come again.
    pub(crate) fn forget_last(&mut self, matchers: &[Matcher]) {
        let matchers: Vec<&Matcher> = matchers.iter().collect();
        for number in self.series.select(&matchers) {
            self.series.get_mut(number).chunk.forget();
        }
    }

    /// The labels of the series that match and may have a sample in the range, in no particular order.
    pub(super) fn labels(&self, matchers: &[&Matcher], range: (i64, i64)) -> Vec<Labels> {
        let numbers = self.series.select(matchers).into_iter().map(|number| self.series.get(number));
        numbers.filter(|series| self.may_have(series, range)).map(|series| series.labels.clone()).collect()
    }

    fn may_have(&self, series: &Series, (from, to): (i64, i64)) -> bool {
        let first = series.chunk.run().first_time(&self.arena);
        let last = series.chunk.last();
        series.sided || first.is_some_and(|first| first <= to) && last.is_some_and(|(last, _)| last >= from)
    }

    /// A copy of the samples of the series that match and may have one in the range, in no particular order.
    pub(super) fn copy(&self, matchers: &[&Matcher], range: (i64, i64), out: &mut MemorySeries) {
        for number in self.series.select(matchers) {
            let series = self.series.get(number);
            if !self.may_have(series, range) {
                continue;
            }
            let mut side = Vec::new();
            if series.sided {
                side = self.side.get(&number).map(|side| side.samples.clone()).unwrap_or_default();
                order(&mut side);
            }
            out.add(&series.labels, series.chunk.run(), &self.arena, side);
        }
    }

    /// Exemplars of the series that match.
    pub(super) fn exemplars(&self, matchers: &[&Matcher]) -> Vec<(Labels, Vec<Exemplar>)> {
        if self.exemplars.is_empty() {
            return Vec::new();
        }
        let numbers = self.series.select(matchers).into_iter();
        let found = numbers.filter_map(|number| {
            let exemplars = self.exemplars.get(&number)?;
            Some((self.series.get(number).labels.clone(), exemplars.iter().cloned().collect()))
        });
        found.collect()
    }

    /// Takes a record of the log in. `numbers` translates what its generation calls series.
    ///
    /// # Errors
    /// It is not a record.
    pub(crate) fn replay(&mut self, payload: &[u8], replay: &mut MetricReplay) -> Result<(), Damage> {
        record::read(payload, &mut Replaying { head: self, replay })
    }
}

/// What replaying a generation of a tenant's metrics knows.
#[derive(Debug, Default)]
pub(crate) struct MetricReplay {
    /// By the number of the log, which are dense.
    numbers: Vec<u32>,
    now_s: u32,
    exemplars_max: usize,
    families_max: usize,
    /// Samples whose series was named in a record that is damaged.
    pub(crate) orphans: u64,
}

/// A number of the log that no record has named yet.
const UNNAMED: u32 = u32::MAX;
/// No tenant has more series: what is written down is not believed beyond this.
const NUMBERS_MAX: usize = 1 << 28;

impl MetricReplay {
    pub(crate) fn new(now_s: u32, settings: &Settings) -> Self {
        let (exemplars_max, families_max) = (settings.exemplars_max, settings.families_max);
        Self { now_s, exemplars_max, families_max, ..Self::default() }
    }
}

struct Replaying<'a> {
    head: &'a mut MetricHead,
    replay: &'a mut MetricReplay,
}

impl Replaying<'_> {
    fn number(&mut self, number: u32) -> Option<u32> {
        let found = self.replay.numbers.get(number as usize).copied().filter(|&found| found != UNNAMED);
        self.replay.orphans += u64::from(found.is_none());
        found
    }
}

impl RecordSink for Replaying<'_> {
    fn series(&mut self, number: u32, labels: Labels) {
        let table = &mut self.head.series;
        let found = table.find(&labels).unwrap_or_else(|| table.add(labels));
        table.get_mut(found).seen_s = self.replay.now_s;
        let numbers = &mut self.replay.numbers;
        let at = number as usize;
        if at >= NUMBERS_MAX {
            return;
        }
        if numbers.len() <= at {
            numbers.resize(at + 1, UNNAMED);
        }
        numbers[at] = found;
    }

    fn family(&mut self, name: &str, metadata: Metadata) {
        self.head.family(name, &metadata, self.replay.families_max);
    }

    fn float(&mut self, number: u32, time: i64, bits: u64, start: i64) {
        if let Some(number) = self.number(number)
            && self.head.float(number, time, bits, start) == Put::Taken
        {
            // It was late when it came: what was newer then is in parts now.
            self.head.beside(number, SideSample { time, start, value: SideValue::Float(bits) });
        }
    }

    fn histogram(&mut self, number: u32, time: i64, value: HistogramSample, start: i64) {
        if let Some(number) = self.number(number)
            && self.head.histogram(number, time, &value, start) == Put::Taken
        {
            let value = SideValue::Histogram(Box::new(value));
            self.head.beside(number, SideSample { time, start, value });
        }
    }

    fn exemplar(&mut self, number: u32, exemplar: Exemplar) {
        if let Some(number) = self.number(number) {
            self.head.exemplar(number, exemplar, self.replay.exemplars_max);
        }
    }
}

/// What a flush writes of a tenant's metrics.
pub(crate) struct FrozenMetrics {
    arena: Arena,
    pub(super) series: Vec<FrozenSeries>,
    pub(super) families: Vec<(Box<str>, Metadata)>,
    days: Vec<i64>,
}

pub(super) struct FrozenSeries {
    pub(super) labels: Labels,
    run: Run,
    side: Vec<SideSample>,
    pub(super) exemplars: Vec<Exemplar>,
}

impl FrozenMetrics {
    /// The days that it has samples or exemplars in; that of `now_ms` where it only has families.
    pub(crate) fn days_or(&self, now_ms: i64) -> Vec<i64> {
        if self.days.is_empty() { vec![Signal::Metrics.day(now_ms)] } else { self.days.clone() }
    }

    /// As [`MetricHead::labels`].
    pub(super) fn labels(&self, matchers: &[&Matcher], range: (i64, i64)) -> Vec<Labels> {
        self.select(matchers, range).map(|series| series.labels.clone()).collect()
    }

    /// As [`MetricHead::copy`].
    pub(super) fn copy(&self, matchers: &[&Matcher], range: (i64, i64), out: &mut MemorySeries) {
        for series in self.select(matchers, range) {
            out.add(&series.labels, series.run, &self.arena, series.side.clone());
        }
    }

    fn select<'a>(
        &'a self,
        matchers: &'a [&Matcher],
        (_, to): (i64, i64),
    ) -> impl Iterator<Item = &'a FrozenSeries> {
        self.series.iter().filter(move |series| {
            let first = series.run.first_time(&self.arena);
            let may_have = !series.side.is_empty() || first.is_some_and(|first| first <= to);
            may_have && matchers.iter().all(|matcher| matcher.selects(&series.labels))
        })
    }

    /// As [`MetricHead::exemplars`].
    pub(super) fn exemplars(&self, matchers: &[&Matcher]) -> Vec<(Labels, Vec<Exemplar>)> {
        let with = self.series.iter().filter(|series| !series.exemplars.is_empty());
        let found = with.filter(|series| matchers.iter().all(|matcher| matcher.selects(&series.labels)));
        found.map(|series| (series.labels.clone(), series.exemplars.clone())).collect()
    }

    /// Replaces what is in `out` by the samples of a series within the range. `bytes` is room to work in.
    pub(super) fn samples(
        &self,
        series: &FrozenSeries,
        range: (i64, i64),
        bytes: &mut Vec<u8>,
        out: &mut Samples,
    ) {
        bytes.clear();
        series.run.copy(&self.arena, bytes);
        out.clear();
        emit(bytes, series.run.count(), &series.side, range, out);
    }
}

/// Series that were copied out of memory for a reader.
#[derive(Debug, Default)]
pub(super) struct MemorySeries {
    bytes: Vec<u8>,
    series: Vec<Copied>,
}

#[derive(Debug)]
struct Copied {
    labels: Labels,
    start: usize,
    end: usize,
    count: u32,
    side: Vec<SideSample>,
}

impl MemorySeries {
    fn add(&mut self, labels: &Labels, run: Run, arena: &Arena, side: Vec<SideSample>) {
        if run.count() == 0 && side.is_empty() {
            return;
        }
        let start = self.bytes.len();
        run.copy(arena, &mut self.bytes);
        let (end, count) = (self.bytes.len(), run.count());
        self.series.push(Copied { labels: labels.clone(), start, end, count, side });
    }

    /// Ascending by labels from here on.
    pub(super) fn sort(&mut self) {
        self.series.sort_by(|a, b| a.labels.cmp(&b.labels));
    }

    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    pub(super) fn labels(&self, at: usize) -> Option<&Labels> {
        self.series.get(at).map(|series| &series.labels)
    }

    /// Appends the samples of a series within the range. Gives what that cost: samples and bytes.
    pub(super) fn samples(&self, at: usize, range: (i64, i64), out: &mut impl Sink) -> (u64, u64) {
        let series = &self.series[at];
        emit(&self.bytes[series.start..series.end], series.count, &series.side, range, out);
        (u64::from(series.count) + series.side.len() as u64, (series.end - series.start) as u64)
    }
}

/// Where samples go.
pub(super) trait Sink {
    fn float(&mut self, time: i64, value: f64, start: i64);
    fn histogram(&mut self, time: i64, value: &HistogramSample, start: i64);
}

impl Sink for Points {
    fn float(&mut self, time: i64, value: f64, start: i64) {
        self.push(time, value, start);
    }
    fn histogram(&mut self, time: i64, value: &HistogramSample, start: i64) {
        self.push_histogram(time, value.to_float().into(), start);
    }
}

impl Sink for Samples {
    fn float(&mut self, time: i64, value: f64, start: i64) {
        self.push(time, value, start);
    }
    fn histogram(&mut self, time: i64, value: &HistogramSample, start: i64) {
        self.push_histogram(time, value.clone(), start);
    }
}

/// Gives the samples within the range in order of time. Of one time, what stands beside came later and wins.
fn emit(bytes: &[u8], count: u32, side: &[SideSample], (from, to): (i64, i64), out: &mut impl Sink) {
    let within = |time: i64| time >= from && time <= to;
    let mut side = side.iter().peekable();
    decode(bytes, count, |time, bits, start| {
        while let Some(sample) = side.next_if(|sample| sample.time < time) {
            if within(sample.time) {
                sample.emit(out);
            }
        }
        if side.peek().is_none_or(|sample| sample.time != time) && within(time) {
            out.float(time, f64::from_bits(bits), start);
        }
    });
    side.filter(|sample| within(sample.time)).for_each(|sample| sample.emit(out));
}

impl SideSample {
    fn emit(&self, out: &mut impl Sink) {
        match &self.value {
            SideValue::Float(bits) => out.float(self.time, f64::from_bits(*bits), self.start),
            SideValue::Histogram(value) => out.histogram(self.time, value, self.start),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.value {
                SideValue::Float(_) => 0,
                SideValue::Histogram(value) => {
                    let (runs, counts) = match &**value {
                        HistogramSample::Int(h) => (
                            h.positive.runs.len() + h.negative.runs.len(),
                            h.positive.counts.len() + h.negative.counts.len(),
                        ),
                        HistogramSample::Float(h) => (
                            h.positive.runs.len() + h.negative.runs.len(),
                            h.positive.counts.len() + h.negative.counts.len(),
                        ),
                    };
                    size_of::<HistogramSample>() + 8 * (runs + counts) + 64
                }
            }
    }
}

/// Sorts by time and keeps the last of each.
fn order(side: &mut Vec<SideSample>) {
    side.sort_by_key(|sample| sample.time);
    side.reverse();
    side.dedup_by_key(|sample| sample.time);
    side.reverse();
}

/// Bit for bit, as `==` is not for what is not a number.
fn same(a: &HistogramSample, b: &HistogramSample) -> bool {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    put_histogram(&mut left, a);
    put_histogram(&mut right, b);
    left == right
}

impl MetricHead {
    pub(super) fn is_active(&self, number: u32) -> bool {
        self.series.get(number).state == SeriesState::Active
    }

    /// A series that a payload may write to: an active one, whose labels are those of `number`.
    pub(super) fn active(&mut self, number: u32) -> u32 {
        let series = self.series.get(number);
        if series.state == SeriesState::Active {
            return number;
        }
        let labels = series.labels.clone();
        self.series.find(&labels).unwrap_or_else(|| self.series.add(labels))
    }
}
