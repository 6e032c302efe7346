//! Whole segments come back.

use std::sync::Arc;

use proptest::prelude::*;
use weir_signal::{
    BucketRun, Buckets, CUSTOM_SCHEMA, Exemplar, Histogram, HistogramSample, IntBuckets, IntHistogram,
    Labels, MatchOp, Matcher, Metadata, MetricKind, Points, ResetHint, STALE_NAN_BITS,
};

use super::{Finished, Samples, Segment, SegmentOptions, SegmentReader, SegmentWriter, SeriesNumber, verify};
use crate::read::InMemory;
use crate::{Cache, Effort, ReadAt, Strict};

pub(super) type Series = Vec<(Labels, Samples)>;

pub(super) fn write(series: &Series, effort: Effort) -> Finished {
    let mut writer = SegmentWriter::new(SegmentOptions { effort });
    let mut data = Vec::new();
    for (labels, samples) in series {
        writer.push(labels, samples).unwrap();
        data.extend(writer.take_data());
    }
    let mut finished = writer.finish();
    data.append(&mut finished.data);
    Finished { data, ..finished }
}

pub(super) fn open(finished: &Finished) -> Arc<Segment> {
    let file =
        |name: &str, bytes: &[u8]| -> Arc<dyn ReadAt> { Arc::new(InMemory::new(name, bytes.to_vec())) };
    let (index, data) = (file("index", &finished.index), file("data", &finished.data));
    Arc::new(Segment::open_with(index, data, Some(&Cache::new(1 << 20))).unwrap())
}

/// Equal also where a NaN is.
pub(super) fn same(a: &Samples, b: &Samples) -> bool {
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    a.times == b.times
        && a.starts == b.starts
        && bits(&a.values) == bits(&b.values)
        && format!("{:?}", a.histograms) == format!("{:?}", b.histograms)
}

fn check(series: &Series, effort: Effort) {
    let finished = write(series, effort);
    let segment = open(&finished);
    assert_eq!(verify(&segment), []);
    assert_eq!(segment.summary(), &finished.summary);
    let kept: Vec<_> = series.iter().filter(|(_, samples)| !samples.is_empty()).collect();
    assert_eq!(segment.all_series().count(), kept.len());
    // Without the cache, into it, out of it.
    for segment in [&Arc::new(segment.uncached()), &segment, &segment] {
        let mut reader = SegmentReader::new(Arc::clone(segment));
        for (number, (labels, samples)) in segment.all_series().zip(&kept) {
            assert_eq!(reader.labels(number).unwrap(), *labels);
            let mut found = Samples::default();
            reader.samples(number, i64::MIN, i64::MAX, &mut found, &mut Strict).unwrap();
            assert!(same(&found, samples), "{labels}:\n{found:?}\n{samples:?}");
            let mut points = Points::default();
            reader.points(number, i64::MIN, i64::MAX, &mut points, &mut Strict).unwrap();
            assert_eq!(points.times, samples.times);
            assert_eq!(points.histograms.len(), samples.histograms.len());
        }
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-1000_i64..1000).prop_map(|value| value as f64),
        2 => (-100_000_i64..100_000).prop_map(|value| value as f64 / 100.0),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, f64::MAX, f64::from_bits(1),
            f64::from_bits(STALE_NAN_BITS), 1e300, 9_007_199_254_740_993.0, i64::MIN as f64]),
    ]
}

fn bounds() -> impl Strategy<Value = (i32, Vec<f64>)> {
    prop_oneof![
        (-4_i32..9).prop_map(|schema| (schema, Vec::new())),
        prop::collection::vec(value(), 0..4).prop_map(|bounds| (CUSTOM_SCHEMA, bounds)),
    ]
}

fn runs() -> impl Strategy<Value = Vec<BucketRun>> {
    let run = (any::<i32>(), 0_u32..4).prop_map(|(offset, length)| BucketRun { offset, length });
    prop::collection::vec(run, 0..3)
}

fn histogram() -> impl Strategy<Value = HistogramSample> {
    let hint = prop::sample::select(vec![
        ResetHint::Unknown,
        ResetHint::Reset,
        ResetHint::NotReset,
        ResetHint::Gauge,
    ]);
    let counts = (prop::collection::vec(any::<u64>(), 12), prop::collection::vec(value(), 12));
    (bounds(), runs(), runs(), counts, hint, any::<bool>(), value()).prop_map(
        |((schema, bounds), above, below, (ints, floats), reset_hint, float, sum)| {
            let total = |runs: &[BucketRun]| runs.iter().map(|run| run.length as usize).sum::<usize>();
            let (positive, negative) = (total(&above), total(&below));
            if float {
                HistogramSample::Float(Histogram {
                    schema,
                    zero_threshold: floats[11],
                    zero_count: floats[10],
                    count: floats[9],
                    sum,
                    positive: Buckets { runs: above, counts: floats[..positive].to_vec() },
                    negative: Buckets { runs: below, counts: floats[..negative].to_vec() },
                    custom_bounds: bounds.into(),
                    reset_hint,
                })
            } else {
                HistogramSample::Int(IntHistogram {
                    schema,
                    zero_threshold: floats[11],
                    zero_count: ints[10],
                    count: ints[9],
                    sum,
                    positive: IntBuckets { runs: above, counts: ints[..positive].to_vec() },
                    negative: IntBuckets { runs: below, counts: ints[..negative].to_vec() },
                    custom_bounds: bounds.into(),
                    reset_hint,
                })
            }
        },
    )
}

fn samples() -> impl Strategy<Value = Samples> {
    let time = prop_oneof![
        6 => (0_i64..50).prop_map(|step| step * 5000),
        1 => any::<i64>(),
    ];
    let plain = (time.clone(), value()).prop_map(|(time, value)| (time, value, 0, None));
    let start = prop_oneof![Just(0_i64), any::<i64>()];
    let full = (time, value(), start, prop::option::of(histogram()));
    let list = prop_oneof![prop::collection::vec(plain, 1..80), prop::collection::vec(full, 1..20)];
    (list, any::<bool>()).prop_map(|(mut list, sorted)| {
        if sorted {
            list.sort_by_key(|&(time, ..)| time);
        }
        let mut samples = Samples::default();
        for (time, value, start, histogram) in list {
            match histogram {
                Some(histogram) => samples.push_histogram(time, histogram, start),
                None => samples.push(time, value, start),
            }
        }
        samples
    })
}

fn series() -> impl Strategy<Value = Series> {
    let labels = ("[ab]", "[a-d]{0,2}", prop::sample::select(vec!["", "x", "é\u{0}", "yy"]));
    prop::collection::btree_map(labels, samples(), 0..8).prop_map(|series| {
        let mut series: Series = series
            .into_iter()
            .map(|((name, a, b), samples)| {
                let pairs = [("__name__", name.as_str()), ("a", a.as_str()), ("b", b)];
                (Labels::from_pairs(pairs).unwrap(), samples)
            })
            .collect();
        series.sort_by(|(a, _), (b, _)| a.cmp(b));
        series
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn segments_come_back(series in series(), small: bool) {
        check(&series, if small { Effort::Small } else { Effort::Fast });
    }

    #[test]
    fn selecting_is_as_testing_every_series(
        series in series(),
        name in prop::sample::select(vec!["__name__", "a", "b", "c"]),
        op in prop::sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]),
        pattern in prop::sample::select(vec!["", "a", "x", "a.*", "a|x", ".+", "b?", "(a|b)c*", "é.*|yy", "[a-c]+"]),
        other in prop::option::of(prop::sample::select(vec!["a", "b"])),
        from in -1_i64..30,
        length in 0_i64..30,
    ) {
        let segment = open(&write(&series, Effort::Small));
        let mut reader = SegmentReader::new(Arc::clone(&segment));
        let mut matchers = vec![Matcher::new(name, op, pattern).unwrap()];
        matchers.extend(other.map(|name| Matcher::equal("__name__", name)));
        let (from, to) = (from * 5000, (from + length) * 5000);
        let found = segment.select(&matchers, from, to, &mut Strict).unwrap();
        let wanted: Vec<_> = (0..)
            .map(SeriesNumber)
            .zip(&series)
            .filter(|(_, (labels, _))| matchers.iter().all(|matcher| matcher.selects(labels)))
            .collect();
        for &(number, (_, samples)) in &wanted {
            let mut expected = samples.clone();
            super::samples::Sink::cut(&mut expected, 0, super::samples::Order::Any, from, to);
            let mut read = Samples::default();
            reader.samples(number, from, to, &mut read, &mut Strict).unwrap();
            // Where nothing is left of them, starts are not there either.
            if read.is_empty() {
                expected.starts.clear();
                read.starts.clear();
            }
            prop_assert!(same(&read, &expected), "{read:?} {expected:?}");
            prop_assert!(expected.is_empty() || found.contains(&number));
        }
        prop_assert!(found.iter().all(|number| wanted.iter().any(|(wanted, _)| wanted == number)));
        let all = segment.select(&matchers, i64::MIN, i64::MAX, &mut Strict).unwrap();
        prop_assert_eq!(&all, &wanted.iter().map(|&(number, _)| number).collect::<Vec<_>>());
        let mut names = std::collections::BTreeSet::new();
        let mut values = std::collections::BTreeSet::new();
        for (_, (labels, _)) in &wanted {
            names.extend(labels.iter().map(|(name, _)| name.to_owned()));
            values.extend(labels.get("a").map(str::to_owned));
        }
        let (from, to) = (i64::MIN, i64::MAX);
        prop_assert_eq!(segment.label_names(&matchers, from, to, &mut Strict).unwrap(), Vec::from_iter(names));
        prop_assert_eq!(segment.label_values(&matchers, "a", from, to, &mut Strict).unwrap(), Vec::from_iter(values));
    }
}

fn counters(count: usize, length: usize) -> Series {
    (0..count)
        .map(|index| {
            let labels = Labels::from_pairs([("__name__", "requests_total"), ("i", &format!("{index:04}"))]);
            let mut samples = Samples::default();
            let mut value = 0;
            for at in 0..length {
                value += (at * at + index) % 7;
                samples.push(1_700_000_000_000 + at as i64 * 5000, value as f64, 0);
            }
            (labels.unwrap(), samples)
        })
        .collect()
}

#[test]
fn long_series_are_cut_and_come_back() {
    let mut series = counters(3, 40_000);
    series[1].1.times.iter_mut().for_each(|time| *time = time.wrapping_mul(1 << 40));
    series[2].1.times.drain(..1000);
    series[2].1.values.drain(..1000);
    check(&series, Effort::Fast);
    check(&series, Effort::Small);
}

#[test]
fn exemplars_and_metadata_come_back() {
    let series = counters(3, 10);
    let exemplar = |time_ms: i64| Exemplar {
        labels: Labels::from_pairs([("trace_id", format!("{time_ms:032x}"))]).unwrap(),
        value: time_ms as f64 / 3.0,
        time_ms,
    };
    let mut writer = SegmentWriter::new(SegmentOptions::default());
    let lists: Vec<Vec<_>> =
        vec![(0..9000).map(exemplar).collect(), vec![exemplar(5), exemplar(5)], vec![exemplar(7)]];
    writer.push(&series[0].0, &series[0].1).unwrap();
    writer.exemplars(&series[0].0, &lists[0]).unwrap();
    writer.push(&series[1].0, &series[1].1).unwrap();
    writer.exemplars(&series[1].0, &lists[1]).unwrap();
    // One without samples.
    writer.exemplars(&series[2].0, &lists[2]).unwrap();
    let family = Metadata { kind: MetricKind::Counter, unit: "requests".into(), help: "How many.".into() };
    writer.metadata("requests_total", family.clone());
    let segment = open(&writer.finish());
    assert_eq!(verify(&segment), []);
    assert_eq!(segment.metadata().unwrap(), [("requests_total".to_owned(), family)]);
    let all = segment.exemplars(None, i64::MIN, i64::MAX, &mut Strict).unwrap();
    assert_eq!(all, (0..).map(SeriesNumber).zip(lists).collect::<Vec<_>>());
    let some = segment.exemplars(Some(&[SeriesNumber(1), SeriesNumber(2)]), 6, 7, &mut Strict).unwrap();
    assert_eq!(some, [(SeriesNumber(2), vec![exemplar(7)])]);
    assert_eq!(segment.summary().exemplars, 9003);
}

#[test]
fn series_in_disorder_are_refused() {
    let series = counters(2, 3);
    let mut writer = SegmentWriter::new(SegmentOptions::default());
    writer.push(&series[1].0, &series[1].1).unwrap();
    for (labels, samples) in &series {
        let error = writer.push(labels, samples).unwrap_err().to_string();
        assert!(error.contains("series have to ascend"), "{error}");
    }
    let odd = Samples { times: vec![1], ..Samples::default() };
    let later = Labels::from_pairs([("__name__", "z")]).unwrap();
    assert!(writer.push(&later, &odd).unwrap_err().to_string().contains("do not fit together"));
    writer.push(&later, &series[0].1).unwrap();
}

#[test]
fn every_flipped_byte_and_every_cut_is_found() {
    let finished = write(&counters(4, 70), Effort::Small);
    let sound = write(&counters(4, 70), Effort::Small);
    let file =
        |name: &str, bytes: &[u8]| -> Arc<dyn ReadAt> { Arc::new(InMemory::new(name, bytes.to_vec())) };
    let damages = |index: &[u8], data: &[u8]| match Segment::open(file("index", index), file("data", data)) {
        Ok(segment) => verify(&Arc::new(segment)),
        Err(error) => vec![error],
    };
    assert_eq!(sound.index, finished.index, "the same series give the same bytes");
    for at in 0..finished.index.len() {
        let mut index = finished.index.clone();
        index[at] ^= 1 << (at % 8);
        let found = damages(&index, &finished.data);
        assert!(
            found.first().is_some_and(|error| error.to_string().starts_with("index is damaged at byte")),
            "{at}: {found:?}"
        );
        assert!(!damages(&finished.index[..at], &finished.data).is_empty(), "index cut to {at}");
    }
    for at in 0..finished.data.len() {
        let mut data = finished.data.clone();
        data[at] ^= 1 << (at % 8);
        let found = damages(&finished.index, &data);
        assert!(
            found.first().is_some_and(|error| error.to_string().starts_with("data is damaged at byte")),
            "{at}: {found:?}"
        );
        assert!(!damages(&finished.index, &finished.data[..at]).is_empty(), "data cut to {at}");
    }
}

#[test]
fn series_that_move_alike_are_small() {
    let base = counters(1, 1440).remove(0).1;
    let series: Series = (0..100)
        .map(|index| {
            let mut samples = base.clone();
            for (at, value) in samples.values.iter_mut().enumerate() {
                *value += (at / 300 * index) as f64;
            }
            let labels = Labels::from_pairs([("__name__", "a"), ("i", &format!("{index:04}"))]).unwrap();
            (labels, samples)
        })
        .collect();
    check(&series, Effort::Small);
    let finished = write(&series, Effort::Small);
    let one = write(&series[..1].to_vec(), Effort::Small).data.len();
    let more = (finished.data.len() - one) / 99;
    assert!(more < one / 10, "the first takes {one} bytes, each other one {more}");
}
