//! What the log keeps of a payload of metrics.
//!
//! ```text
//! version │ new series: number, labels │ families: name, kind, unit, help
//! │ floats: series and time as steps from the one before; values; starts where there is one
//! │ histograms: series, time, start, histogram │ exemplars: series, labels, value, time
//! ```
//!
//! Values are kept as they are: a record that is damaged takes no other with it.

use std::sync::Arc;

use weir_block::Damage;
use weir_block::varint::{Cursor, put_bytes, put_i64, put_u64};
use weir_signal::{
    BucketRun, Buckets, Exemplar, Histogram, HistogramSample, IntBuckets, IntHistogram, Labels, Metadata,
    MetricKind, ResetHint,
};

const VERSION: u8 = 1;
const HAS_STARTS: u8 = 1;

/// Gathers a record while a payload is committed. Its memory is used again.
#[derive(Debug, Default)]
pub(super) struct RecordWriter {
    series: Section,
    families: Section,
    cells: Section,
    values: Vec<u8>,
    starts: Vec<u8>,
    has_starts: bool,
    histograms: Section,
    exemplars: Section,
    number_before: i64,
    time_before: i64,
    start_before: i64,
}

#[derive(Debug, Default)]
struct Section {
    count: u64,
    bytes: Vec<u8>,
}

impl Section {
    fn clear(&mut self) {
        self.count = 0;
        self.bytes.clear();
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_u64(out, self.count);
        out.extend_from_slice(&self.bytes);
    }
}

impl RecordWriter {
    pub(super) fn clear(&mut self) {
        for section in
            [&mut self.series, &mut self.families, &mut self.cells, &mut self.histograms, &mut self.exemplars]
        {
            section.clear();
        }
        self.values.clear();
        self.starts.clear();
        self.has_starts = false;
        (self.number_before, self.time_before, self.start_before) = (0, 0, 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        let sections = [&self.series, &self.families, &self.cells, &self.histograms, &self.exemplars];
        sections.into_iter().all(|section| section.count == 0)
    }

    pub(super) fn series(&mut self, number: u32, labels: &Labels) {
        self.series.count += 1;
        put_u64(&mut self.series.bytes, u64::from(number));
        put_bytes(&mut self.series.bytes, labels.as_encoded().as_bytes());
    }

    pub(super) fn family(&mut self, name: &str, metadata: &Metadata) {
        self.families.count += 1;
        let out = &mut self.families.bytes;
        put_bytes(out, name.as_bytes());
        out.push(kind_code(metadata.kind));
        put_bytes(out, metadata.unit.as_bytes());
        put_bytes(out, metadata.help.as_bytes());
    }

    #[inline]
    pub(super) fn float(&mut self, number: u32, time: i64, bits: u64, start: i64) {
        self.cells.count += 1;
        // A payload asks for series in the order of the last one, and for one time.
        put_i64(&mut self.cells.bytes, i64::from(number) - self.number_before);
        put_i64(&mut self.cells.bytes, time.wrapping_sub(self.time_before));
        self.values.extend_from_slice(&bits.to_le_bytes());
        put_i64(&mut self.starts, start.wrapping_sub(self.start_before));
        self.has_starts |= start != 0;
        (self.number_before, self.time_before, self.start_before) = (i64::from(number) + 1, time, start);
    }

    pub(super) fn histogram(&mut self, number: u32, time: i64, value: &HistogramSample, start: i64) {
        self.histograms.count += 1;
        let out = &mut self.histograms.bytes;
        put_u64(out, u64::from(number));
        put_i64(out, time);
        put_i64(out, start);
        put_histogram(out, value);
    }

    pub(super) fn exemplar(&mut self, number: u32, exemplar: &Exemplar) {
        self.exemplars.count += 1;
        let out = &mut self.exemplars.bytes;
        put_u64(out, u64::from(number));
        put_bytes(out, exemplar.labels.as_encoded().as_bytes());
        out.extend_from_slice(&exemplar.value.to_le_bytes());
        put_i64(out, exemplar.time_ms);
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        self.series.write(out);
        self.families.write(out);
        out.push(if self.has_starts { HAS_STARTS } else { 0 });
        self.cells.write(out);
        out.extend_from_slice(&self.values);
        if self.has_starts {
            out.extend_from_slice(&self.starts);
        }
        self.histograms.write(out);
        self.exemplars.write(out);
    }
}

/// What is done with a record that is read.
pub(super) trait RecordSink {
    fn series(&mut self, number: u32, labels: Labels);
    fn family(&mut self, name: &str, metadata: Metadata);
    fn float(&mut self, number: u32, time: i64, bits: u64, start: i64);
    fn histogram(&mut self, number: u32, time: i64, value: HistogramSample, start: i64);
    fn exemplar(&mut self, number: u32, exemplar: Exemplar);
}

/// Reads a record.
///
/// # Errors
/// It is not one, or of a later version.
pub(super) fn read(payload: &[u8], sink: &mut impl RecordSink) -> Result<(), Damage> {
    let mut cursor = Cursor::new(payload);
    if cursor.u8()? != VERSION {
        return Err(cursor.damage("the record is of a version that this program does not know"));
    }
    for _ in 0..cursor.u64()? {
        let number = number(&mut cursor)?;
        sink.series(number, labels(&mut cursor)?);
    }
    for _ in 0..cursor.u64()? {
        let name = cursor.text()?;
        let kind = kind_from_code(cursor.u8()?);
        let (unit, help) = (cursor.text()?.into(), cursor.text()?.into());
        sink.family(name, Metadata { kind, unit, help });
    }
    floats(&mut cursor, sink)?;
    for _ in 0..cursor.u64()? {
        let (number, time, start) = (number(&mut cursor)?, cursor.i64()?, cursor.i64()?);
        let value = histogram(&mut cursor)?;
        sink.histogram(number, time, value, start);
    }
    for _ in 0..cursor.u64()? {
        let number = number(&mut cursor)?;
        let (labels, value, time_ms) = (labels(&mut cursor)?, cursor.f64()?, cursor.i64()?);
        sink.exemplar(number, Exemplar { labels, value, time_ms });
    }
    cursor.end()
}

fn floats(cursor: &mut Cursor<'_>, sink: &mut impl RecordSink) -> Result<(), Damage> {
    let has_starts = cursor.u8()? & HAS_STARTS != 0;
    let count = cursor.length(cursor.left())?;
    // Columns follow each other: one cursor passes over the cells to find the values, and those to find the starts.
    let mut cells = cursor.clone();
    for _ in 0..2 * count {
        cursor.u64()?;
    }
    let values = cursor.take(count.checked_mul(8).ok_or_else(|| cursor.damage("too many samples"))?)?;
    let (mut number, mut time, mut start) = (0_i64, 0_i64, 0_i64);
    for value in values.as_chunks::<8>().0 {
        number = number.wrapping_add(cells.i64()?);
        time = time.wrapping_add(cells.i64()?);
        if has_starts {
            start = start.wrapping_add(cursor.i64()?);
        }
        let series = u32::try_from(number).map_err(|_| cells.damage("a number of a series is too large"))?;
        sink.float(series, time, u64::from_le_bytes(*value), start);
        number = number.wrapping_add(1);
    }
    Ok(())
}

fn number(cursor: &mut Cursor<'_>) -> Result<u32, Damage> {
    u32::try_from(cursor.u64()?).map_err(|_| cursor.damage("a number of a series is too large"))
}

fn labels(cursor: &mut Cursor<'_>) -> Result<Labels, Damage> {
    let text = cursor.text()?;
    Labels::from_encoded(text).ok_or_else(|| cursor.damage("labels that are no set of labels"))
}

const KINDS: [MetricKind; 8] = [
    MetricKind::Unknown,
    MetricKind::Counter,
    MetricKind::Gauge,
    MetricKind::Histogram,
    MetricKind::GaugeHistogram,
    MetricKind::Summary,
    MetricKind::Info,
    MetricKind::StateSet,
];

fn kind_code(kind: MetricKind) -> u8 {
    KINDS.iter().position(|&known| known == kind).unwrap_or_default() as u8
}

fn kind_from_code(code: u8) -> MetricKind {
    KINDS.get(usize::from(code)).copied().unwrap_or_default()
}

const HINTS: [ResetHint; 4] = [ResetHint::Unknown, ResetHint::Reset, ResetHint::NotReset, ResetHint::Gauge];

/// Appends a histogram. Two that are the same, bit for bit, have the same bytes.
pub(super) fn put_histogram(out: &mut Vec<u8>, value: &HistogramSample) {
    match value {
        HistogramSample::Int(histogram) => {
            put_histogram_head(out, 0, histogram.schema, histogram.reset_hint);
            put_floats(out, &[histogram.zero_threshold, histogram.sum]);
            put_u64(out, histogram.zero_count);
            put_u64(out, histogram.count);
            for buckets in [&histogram.positive, &histogram.negative] {
                put_runs(out, &buckets.runs);
                put_u64(out, buckets.counts.len() as u64);
                buckets.counts.iter().for_each(|&count| put_u64(out, count));
            }
            put_u64(out, histogram.custom_bounds.len() as u64);
            put_floats(out, &histogram.custom_bounds);
        }
        HistogramSample::Float(histogram) => {
            put_histogram_head(out, 1, histogram.schema, histogram.reset_hint);
            put_floats(
                out,
                &[histogram.zero_threshold, histogram.sum, histogram.zero_count, histogram.count],
            );
            for buckets in [&histogram.positive, &histogram.negative] {
                put_runs(out, &buckets.runs);
                put_u64(out, buckets.counts.len() as u64);
                put_floats(out, &buckets.counts);
            }
            put_u64(out, histogram.custom_bounds.len() as u64);
            put_floats(out, &histogram.custom_bounds);
        }
    }
}

fn put_histogram_head(out: &mut Vec<u8>, form: u8, schema: i32, hint: ResetHint) {
    let hint = HINTS.iter().position(|&known| known == hint).unwrap_or_default() as u8;
    out.push(form | hint << 1);
    put_i64(out, i64::from(schema));
}

fn put_floats(out: &mut Vec<u8>, values: &[f64]) {
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn put_runs(out: &mut Vec<u8>, runs: &[BucketRun]) {
    put_u64(out, runs.len() as u64);
    for run in runs {
        put_i64(out, i64::from(run.offset));
        put_u64(out, u64::from(run.length));
    }
}

fn histogram(cursor: &mut Cursor<'_>) -> Result<HistogramSample, Damage> {
    let head = cursor.u8()?;
    let reset_hint = HINTS[usize::from(head >> 1 & 3)];
    let schema = i32::try_from(cursor.i64()?).map_err(|_| cursor.damage("a schema is too large"))?;
    let (zero_threshold, sum) = (cursor.f64()?, cursor.f64()?);
    if head & 1 == 0 {
        let (zero_count, count) = (cursor.u64()?, cursor.u64()?);
        let mut buckets = || -> Result<IntBuckets, Damage> {
            Ok(IntBuckets { runs: runs(cursor)?, counts: many(cursor, Cursor::u64)? })
        };
        let (positive, negative) = (buckets()?, buckets()?);
        let custom_bounds = Arc::from(many(cursor, Cursor::f64)?);
        Ok(HistogramSample::Int(IntHistogram {
            schema,
            zero_threshold,
            zero_count,
            count,
            sum,
            positive,
            negative,
            custom_bounds,
            reset_hint,
        }))
    } else {
        let (zero_count, count) = (cursor.f64()?, cursor.f64()?);
        let mut buckets = || -> Result<Buckets, Damage> {
            Ok(Buckets { runs: runs(cursor)?, counts: many(cursor, Cursor::f64)? })
        };
        let (positive, negative) = (buckets()?, buckets()?);
        let custom_bounds = Arc::from(many(cursor, Cursor::f64)?);
        Ok(HistogramSample::Float(Histogram {
            schema,
            zero_threshold,
            zero_count,
            count,
            sum,
            positive,
            negative,
            custom_bounds,
            reset_hint,
        }))
    }
}

fn runs(cursor: &mut Cursor<'_>) -> Result<Vec<BucketRun>, Damage> {
    many(cursor, |cursor| {
        let offset = i32::try_from(cursor.i64()?).map_err(|_| cursor.damage("an offset is too large"))?;
        let length = u32::try_from(cursor.u64()?).map_err(|_| cursor.damage("a length is too large"))?;
        Ok(BucketRun { offset, length })
    })
}

/// A count of at most as many as there are bytes left, and so many values.
fn many<'a, T>(
    cursor: &mut Cursor<'a>,
    mut one: impl FnMut(&mut Cursor<'a>) -> Result<T, Damage>,
) -> Result<Vec<T>, Damage> {
    let count = cursor.length(cursor.left())?;
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(one(cursor)?);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Gathered {
        series: Vec<(u32, Labels)>,
        families: Vec<(String, Metadata)>,
        floats: Vec<(u32, i64, u64, i64)>,
        histograms: Vec<(u32, i64, HistogramSample, i64)>,
        exemplars: Vec<(u32, Exemplar)>,
    }

    impl RecordSink for Gathered {
        fn series(&mut self, number: u32, labels: Labels) {
            self.series.push((number, labels));
        }
        fn family(&mut self, name: &str, metadata: Metadata) {
            self.families.push((name.to_owned(), metadata));
        }
        fn float(&mut self, number: u32, time: i64, bits: u64, start: i64) {
            self.floats.push((number, time, bits, start));
        }
        fn histogram(&mut self, number: u32, time: i64, value: HistogramSample, start: i64) {
            self.histograms.push((number, time, value, start));
        }
        fn exemplar(&mut self, number: u32, exemplar: Exemplar) {
            self.exemplars.push((number, exemplar));
        }
    }

    fn sample(int: bool, seed: u64) -> HistogramSample {
        let runs = vec![BucketRun { offset: -3, length: 2 }, BucketRun { offset: seed as i32, length: 1 }];
        let value = HistogramSample::Int(IntHistogram {
            schema: 3,
            zero_threshold: 1e-128,
            zero_count: seed,
            count: seed / 2,
            sum: -1.5,
            positive: IntBuckets { runs, counts: vec![1, seed, 3] },
            custom_bounds: Arc::from([1.0, 2.5]),
            reset_hint: ResetHint::Gauge,
            ..IntHistogram::default()
        });
        if int { value } else { HistogramSample::Float(value.to_float()) }
    }

    proptest! {
        #[test]
        fn records_come_back(
            floats in prop::collection::vec((any::<u32>(), any::<i64>(), any::<u64>(), prop_oneof![Just(0_i64), any::<i64>()]), 0..40),
            histograms in prop::collection::vec((any::<u32>(), any::<i64>(), any::<bool>(), any::<u64>()), 0..4),
        ) {
            let labels = Labels::from_pairs([("__name__", "a"), ("b", "é")]).unwrap();
            let exemplar = Exemplar { labels: labels.clone(), value: 0.5, time_ms: -7 };
            let metadata = Metadata { kind: MetricKind::Summary, unit: "s".into(), help: "Help.".into() };
            let expect = Gathered {
                series: vec![(7, labels)],
                families: vec![("a".to_owned(), metadata)],
                floats,
                histograms: histograms.into_iter().map(|(n, t, int, seed)| (n, t, sample(int, seed), 5)).collect(),
                exemplars: vec![(9, exemplar)],
            };
            let mut writer = RecordWriter::default();
            writer.float(1, 2, 3, 4);
            writer.clear();
            assert!(writer.is_empty());
            expect.series.iter().for_each(|(n, labels)| writer.series(*n, labels));
            expect.families.iter().for_each(|(n, metadata)| writer.family(n, metadata));
            expect.floats.iter().for_each(|&(n, t, b, s)| writer.float(n, t, b, s));
            expect.histograms.iter().for_each(|(n, t, h, s)| writer.histogram(*n, *t, h, *s));
            expect.exemplars.iter().for_each(|(n, e)| writer.exemplar(*n, e));
            let mut bytes = Vec::new();
            writer.write(&mut bytes);
            let mut found = Gathered::default();
            read(&bytes, &mut found)?;
            prop_assert_eq!(found, expect);
            for end in 0..bytes.len() {
                prop_assert!(read(&bytes[..end], &mut Gathered::default()).is_err());
            }
        }

        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            bytes.insert(0, VERSION);
            let _ = read(&bytes, &mut Gathered::default());
        }
    }
}
