//! Remote write, as senders write it and as nobody would.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Instant;

use proptest::prelude::*;
use weir_intake::Limits;
use weir_intake::compress::Encoding;
use weir_intake::record::Recorder;
use weir_intake::remote_write::{Decoder, Message, Outcome, refusal_status};
use weir_intake::wire::Writer;
use weir_signal::{
    BucketRun, Exemplar, HistogramSample, IntBuckets, IntHistogram, Labels, Metadata, MetricKind, MetricSink,
    Reason, Refusal, SeriesRef,
};

type Pairs = Vec<(String, String)>;

/// A series as a sender has it.
#[derive(Debug, Clone, Default)]
struct Sent {
    labels: Pairs,
    /// Time, value, start.
    samples: Vec<(i64, f64, i64)>,
    histograms: Vec<(i64, IntHistogram, i64)>,
    /// Time, value, labels.
    exemplars: Vec<(i64, f64, Pairs)>,
    help: String,
}

fn sent(labels: &[(&str, &str)], samples: &[(i64, f64, i64)]) -> Sent {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Sent { labels, samples: samples.to_vec(), ..Sent::default() }
}

fn write_histogram(out: &mut Writer, time_ms: i64, histogram: &IntHistogram, start_ms: i64) {
    out.uint(1, histogram.count);
    out.double(3, histogram.sum);
    out.sint(4, i64::from(histogram.schema));
    out.double(5, histogram.zero_threshold);
    out.uint(6, histogram.zero_count);
    for (runs, deltas, buckets) in [(8, 9, &histogram.negative), (11, 12, &histogram.positive)] {
        for run in &buckets.runs {
            out.message(runs, |out| {
                out.sint(1, i64::from(run.offset));
                out.uint(2, u64::from(run.length));
            });
        }
        let counts = buckets.counts.iter();
        let deltas_of =
            counts.scan(0, |last, &count| Some(count as i64 - std::mem::replace(last, count as i64)));
        out.packed_sints(deltas, deltas_of);
    }
    out.uint(15, time_ms as u64);
    out.packed_doubles(16, histogram.custom_bounds.iter().copied());
    if start_ms != 0 {
        out.uint(17, start_ms as u64);
    }
}

fn v1(series: &[Sent]) -> Vec<u8> {
    let mut out = Writer::new();
    let labels = |out: &mut Writer, labels: &[(String, String)]| {
        for (name, value) in labels {
            out.message(1, |out| {
                out.text(1, name);
                out.text(2, value);
            });
        }
    };
    for sent in series {
        out.message(1, |out| {
            labels(out, &sent.labels);
            for &(time, value, _) in &sent.samples {
                out.message(2, |out| {
                    out.double(1, value);
                    out.uint(2, time as u64);
                });
            }
            for (time, value, pairs) in &sent.exemplars {
                out.message(3, |out| {
                    labels(out, pairs);
                    out.double(2, *value);
                    out.uint(3, *time as u64);
                });
            }
            for (time, histogram, _) in &sent.histograms {
                out.message(4, |out| write_histogram(out, *time, histogram, 0));
            }
        });
    }
    out.into_bytes()
}

fn v2(series: &[Sent]) -> Vec<u8> {
    let mut symbols = vec![String::new()];
    let mut known = HashMap::from([(String::new(), 0)]);
    let mut symbol = |text: &str| {
        *known.entry(text.to_owned()).or_insert_with(|| {
            symbols.push(text.to_owned());
            symbols.len() as u64 - 1
        })
    };
    let mut bodies = Writer::new();
    for sent in series {
        bodies.message(5, |out| {
            let refs = |symbol: &mut dyn FnMut(&str) -> u64, pairs: &[(String, String)]| {
                pairs.iter().flat_map(|(name, value)| [symbol(name), symbol(value)]).collect::<Vec<_>>()
            };
            out.packed_uints(1, refs(&mut symbol, &sent.labels));
            for &(time, value, start) in &sent.samples {
                out.message(2, |out| {
                    out.double(1, value);
                    out.uint(2, time as u64);
                    out.uint(3, start as u64);
                });
            }
            for (time, histogram, start) in &sent.histograms {
                out.message(3, |out| write_histogram(out, *time, histogram, *start));
            }
            for (time, value, pairs) in &sent.exemplars {
                out.message(4, |out| {
                    out.packed_uints(1, refs(&mut symbol, pairs));
                    out.double(2, *value);
                    out.uint(3, *time as u64);
                });
            }
            out.message(5, |out| {
                out.uint(1, 1);
                out.uint(3, symbol(&sent.help));
                out.uint(4, symbol("bytes"));
            });
        });
    }
    let mut out = Writer::new();
    for symbol in &symbols {
        out.text(4, symbol);
    }
    [out.into_bytes(), bodies.into_bytes()].concat()
}

fn decode(message: Message, payload: &[u8], sink: &mut Recorder) -> Result<Outcome, Refusal> {
    Decoder::new().decode_plain(message, payload, &Limits::default(), sink)
}

type Write = fn(&[Sent]) -> Vec<u8>;

const BOTH: [(Message, Write); 2] = [(Message::V1, v1), (Message::V2, v2)];

#[test]
fn series_that_are_none_are_refused_and_the_rest_is_taken() {
    let good = sent(&[("__name__", "up"), ("job", "a")], &[(1, 1.0, 0)]);
    let check = |labels: &[(&str, &str)], expect: &str| {
        for (message, write) in BOTH {
            let mut sink = Recorder::new();
            let payload = write(&[sent(labels, &[(1, 1.0, 0), (2, 2.0, 0)]), good.clone()]);
            let outcome = decode(message, &payload, &mut sink).unwrap();
            if expect.is_empty() {
                assert_eq!((outcome.status(), outcome.written.samples), (204, 3), "{labels:?}");
                continue;
            }
            assert_eq!((outcome.status(), outcome.written.samples), (400, 1), "{labels:?}");
            assert_eq!(outcome.refused.total(), 2);
            assert!(outcome.refused.to_string().contains(expect), "{} lacks {expect}", outcome.refused);
            assert_eq!(sink.lines(), "up{job=\"a\"} 1 1 0\n");
        }
    };
    check(&[], "no metric name");
    check(&[("job", "b")], "no metric name");
    check(&[("__name__", ""), ("job", "b")], "no metric name");
    check(&[("__name__", "x"), ("a", "1"), ("a", "2")], "label `a` is given twice");
    check(&[("__name__", "x"), ("", "1")], "empty name");
    check(&[("z", "1"), ("__name__", "x"), ("a", "")], "");
    check(&[("__name__", "a.b c"), ("é\"", "1")], "");
    let many: Vec<_> = (0..200).map(|i| (format!("l{i}"), "1".to_owned())).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    check(&many, "more than 128 labels");
    check(&[("__name__", "x"), (&"n".repeat(2000), "1")], "longer than 1024 bytes");
    check(&[("__name__", "x"), ("a", &"v".repeat(20_000))], "20000 bytes, more than 16384");
}

#[test]
fn labels_that_are_not_utf8_are_refused() {
    for (message, write) in BOTH {
        let mut payload = write(&[sent(&[("__name__", "up"), ("a", "XYZ")], &[(1, 1.0, 0)])]);
        let at = payload.windows(3).position(|three| three == b"XYZ").unwrap();
        payload[at] = 0xff;
        let outcome = decode(message, &payload, &mut Recorder::new()).unwrap();
        assert_eq!(outcome.refused.counts().collect::<Vec<_>>(), [(Reason::Labels, 1)]);
    }
}

#[test]
fn a_sender_that_repeats_itself_is_known_by_its_bytes() {
    for (message, write) in BOTH {
        let series = [sent(&[("__name__", "up"), ("job", "a")], &[(1, 1.0, 0)])];
        let mut sink = Recorder::new();
        let mut decoder = Decoder::new();
        for time in 0..3 {
            let mut series = series.clone();
            series[0].samples[0].0 = time;
            // Other strings move the symbols about.
            series[0].help = "h".repeat(time as usize);
            decoder.decode_plain(message, &write(&series), &Limits::default(), &mut sink).unwrap();
        }
        assert_eq!((sink.series.len(), sink.samples.len()), (1, 3));
    }
}

#[test]
fn labels_behind_samples_belong_to_the_series() {
    let mut out = Writer::new();
    let label = |out: &mut Writer, name: &str, value: &str| {
        out.message(1, |out| {
            out.text(1, name);
            out.text(2, value);
        });
    };
    for instance in ["one", "two"] {
        out.message(1, |out| {
            label(out, "__name__", "up");
            out.message(2, |out| out.double(1, 1.0));
            label(out, "instance", instance);
        });
    }
    let mut sink = Recorder::new();
    decode(Message::V1, out.as_bytes(), &mut sink).unwrap();
    assert_eq!(sink.lines(), "up{instance=\"one\"} 0 1 0\nup{instance=\"two\"} 0 1 0\n");
}

#[test]
fn metadata_is_given_once_a_family() {
    let mut out = Writer::new();
    out.message(3, |out| {
        out.uint(1, 5);
        out.text(2, "x_seconds");
        out.text(4, "How long");
        out.text(5, "seconds");
    });
    let mut sink = Recorder::new();
    decode(Message::V1, out.as_bytes(), &mut sink).unwrap();
    let metadata = Metadata { kind: MetricKind::Summary, unit: "seconds".into(), help: "How long".into() };
    assert_eq!(sink.metadata, [("x_seconds".to_owned(), metadata)]);

    let mut series: Vec<_> =
        ["a", "b"].map(|job| sent(&[("__name__", "x"), ("job", job)], &[(1, 1.0, 5)])).into();
    series.push(sent(&[("__name__", "y")], &[(1, 1.0, 0)]));
    series.push(series[0].clone());
    let mut sink = Recorder::new();
    decode(Message::V2, &v2(&series), &mut sink).unwrap();
    let names: Vec<_> = sink.metadata.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x", "y"]);
    assert_eq!(
        sink.metadata[0].1,
        Metadata { kind: MetricKind::Counter, unit: "bytes".into(), help: "".into() }
    );
}

#[test]
fn requests_of_2_0_are_held_to_their_symbols() {
    let request = |symbols: &[&str], refs: &[u64], samples: bool| {
        let mut out = Writer::new();
        for symbol in symbols {
            out.text(4, symbol);
        }
        out.message(5, |out| {
            for &symbol in refs {
                out.uint(1, symbol);
            }
            if samples {
                out.message(2, |out| out.double(1, 1.0));
            }
            out.uint(6, 77);
        });
        out.into_bytes()
    };
    let check = |symbols: &[&str], refs: &[u64], samples: bool, expect: &str| {
        let mut sink = Recorder::new();
        let outcome = decode(Message::V2, &request(symbols, refs, samples), &mut sink).unwrap();
        let found = if outcome.refused.is_empty() { sink.lines() } else { outcome.refused.to_string() };
        assert!(found.contains(expect), "{found} lacks {expect}");
    };
    check(&["", "__name__", "up"], &[1, 2], true, "up 0 1 77\n");
    check(&["", "__name__", "up"], &[1, 3], true, "refers to symbol 3, but the request has 3");
    check(&["", "__name__", "up"], &[1, u64::MAX], true, "refers to symbol 4294967295");
    check(&["", "__name__", "up"], &[1, 2, 0], true, "3 references to symbols are not pairs");
    check(&["", "__name__", "up"], &[1, 2], false, "neither a sample nor a histogram");
    check(&[], &[], true, "no metric name");
    let limits = Limits { symbols: 2, ..Limits::default() };
    let refusal = Decoder::new()
        .decode_plain(Message::V2, &request(&["", "a", "b"], &[], true), &limits, &mut Recorder::new())
        .unwrap_err();
    assert_eq!((refusal.reason, refusal_status(&refusal)), (Reason::TooLarge, 413));
}

#[test]
fn metadata_that_refers_to_nothing_loses_each_of_its_series() {
    let mut out = Writer::new();
    for symbol in ["", "__name__", "up", "job", "a"] {
        out.text(4, symbol);
    }
    for refs in [vec![1, 2], vec![1, 2, 3, 4]] {
        out.message(5, |out| {
            out.packed_uints(1, refs);
            out.message(2, |out| out.double(1, 1.0));
            out.message(5, |out| out.uint(3, 9));
        });
    }
    let outcome = decode(Message::V2, out.as_bytes(), &mut Recorder::new()).unwrap();
    assert_eq!((outcome.written.samples, outcome.refused.total()), (0, 2));
}

#[test]
fn a_sink_that_wants_another_try_ends_the_payload() {
    let series = [sent(&[("__name__", "up")], &[(1, 1.0, 0)])];
    for (message, write) in BOTH {
        let check = |reason, expect: Result<u16, u16>| {
            let mut sink = Recorder::refusing(Refusal::new(reason, "no"));
            let found = decode(message, &write(&series), &mut sink);
            assert_eq!(found.map(|outcome| outcome.status()).map_err(|error| refusal_status(&error)), expect);
        };
        check(Reason::Overloaded, Err(429));
        check(Reason::Unavailable, Err(503));
        check(Reason::TooOld, Ok(400));
        check(Reason::Duplicate, Ok(400));
    }
}

#[test]
fn histograms_are_checked() {
    let good = IntHistogram {
        schema: 3,
        zero_threshold: 0.001,
        zero_count: 1,
        count: 7,
        sum: 12.5,
        positive: IntBuckets {
            runs: vec![BucketRun { offset: -2, length: 1 }, BucketRun { offset: 3, length: 2 }],
            counts: vec![3, 0, 2],
        },
        negative: IntBuckets { runs: vec![BucketRun { offset: 0, length: 1 }], counts: vec![1] },
        ..IntHistogram::default()
    };
    let check = |histogram: IntHistogram, expect: &str| {
        for (message, write) in BOTH {
            let mut series = sent(&[("__name__", "h")], &[]);
            series.histograms.push((9, histogram.clone(), 0));
            let mut sink = Recorder::new();
            let outcome = decode(message, &write(&[series]), &mut sink).unwrap();
            if expect.is_empty() {
                assert_eq!((outcome.status(), outcome.written.histograms), (204, 1));
                let HistogramSample::Int(found) = &sink.histograms[0].2 else { panic!("whole counts") };
                assert_eq!(*found, histogram);
            } else {
                assert!(outcome.refused.to_string().contains(expect), "{} lacks {expect}", outcome.refused);
            }
        }
    };
    check(good.clone(), "");
    check(IntHistogram { count: 8, ..good.clone() }, "hold 7 observations");
    check(IntHistogram { schema: -5, ..good.clone() }, "schema -5 is unknown");
    check(IntHistogram { custom_bounds: [1.0].into(), ..good.clone() }, "no listed bounds");
    let mut far = good.clone();
    far.positive.runs[0].offset = i32::MAX;
    check(far, "further out");
    let mut long = good.clone();
    long.positive.runs[0].length = u32::MAX;
    check(long, "further out");
    let custom = IntHistogram {
        schema: -53,
        zero_threshold: 0.0,
        zero_count: 0,
        count: 3,
        positive: IntBuckets { runs: vec![BucketRun { offset: 0, length: 2 }], counts: vec![1, 2] },
        negative: IntBuckets::default(),
        custom_bounds: [1.0].into(),
        ..good.clone()
    };
    check(custom.clone(), "");
    check(IntHistogram { custom_bounds: [2.0, 1.0].into(), ..custom }, "bounds have to ascend");
    let many = vec![0; 20_000];
    let runs = vec![BucketRun { offset: 0, length: 20_000 }];
    let positive = IntBuckets { runs, counts: many };
    check(IntHistogram { positive, ..good.clone() }, "more than 16384");

    // Finer than anybody keeps: brought down, observations and all.
    let mut series = sent(&[("__name__", "h")], &[]);
    series.histograms.push((9, IntHistogram { schema: 9, ..good }, 0));
    let mut sink = Recorder::new();
    decode(Message::V1, &v1(&[series]), &mut sink).unwrap();
    let found = sink.histograms[0].2.to_float();
    assert_eq!((found.schema, found.count), (8, 7.0));
    assert_eq!((found.schema, found.positive.counts.iter().sum()), (8, 5.0));
}

#[test]
fn every_truncation_and_every_flipped_bit_ends_in_an_answer() {
    let mut series = sent(&[("__name__", "up"), ("job", "a")], &[(1, 1.0, 1), (2, 2.0, 1)]);
    series.exemplars.push((1, 1.0, vec![("trace_id".into(), "abc".into())]));
    series.histograms.push((3, IntHistogram::default(), 1));
    for (message, write) in BOTH {
        let payload = write(&[series.clone(), series.clone()]);
        let whole = decode(message, &payload, &mut Recorder::new()).unwrap();
        assert_eq!((whole.written.samples, whole.written.histograms, whole.written.exemplars), (4, 2, 2));
        for at in 0..payload.len() {
            // A part that ends between two fields is a message, too, of fewer samples.
            if let Ok(part) = decode(message, &payload[..at], &mut Recorder::new()) {
                assert!(part.written.samples < 4 || part.written.exemplars < 2);
            }
            for bit in 0..8 {
                let mut flipped = payload.clone();
                flipped[at] ^= 1 << bit;
                let _ = decode(message, &flipped, &mut Recorder::new());
            }
        }
        let body = snap::raw::Encoder::new().compress_vec(&payload).unwrap();
        let mut decoder = Decoder::new();
        let mut decode = |body: &[u8]| {
            decoder.decode(message, Encoding::Snappy, body, &Limits::default(), &mut Recorder::new())
        };
        for at in 0..body.len() {
            assert_eq!(decode(&body[..at]).unwrap_err().reason, Reason::Malformed, "{at}");
        }
        assert_eq!(decode(&body), Ok(whole));
    }
}

#[test]
fn payloads_over_the_limits_are_refused() {
    let body = snap::raw::Encoder::new().compress_vec(&vec![0; 1 << 20]).unwrap();
    for limits in [
        Limits { payload_bytes: 1000, ..Limits::default() },
        Limits { decompressed_bytes: 1000, ..Limits::default() },
    ] {
        let refusal = Decoder::new()
            .decode(Message::V1, Encoding::Snappy, &body, &limits, &mut Recorder::new())
            .unwrap_err();
        assert_eq!(refusal_status(&refusal), 413);
    }
}

fn any_labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-z]{1,4}|é", "[a-z]{1,30}", 0..6)
}

fn any_series() -> impl Strategy<Value = Sent> {
    let samples = prop::collection::vec(any::<(i64, f64, i64)>(), 0..4);
    let exemplars = prop::collection::vec((1_i64.., any::<f64>(), any_labels()), 0..3);
    let counts = prop::collection::vec(0_u64..1000, 0..20);
    (any_labels(), samples, exemplars, prop::option::of(counts)).prop_map(
        |(labels, samples, exemplars, counts)| {
            let histograms = counts.map(|counts| {
                let runs = vec![BucketRun { offset: -7, length: counts.len() as u32 }];
                let count = counts.iter().sum();
                let positive = IntBuckets { runs, counts };
                (5, IntHistogram { count, positive, sum: 1.5, ..IntHistogram::default() }, 3)
            });
            let mut labels: Vec<_> = labels.into_iter().collect();
            labels.push(("__name__".into(), "m".into()));
            let exemplars = exemplars
                .into_iter()
                .map(|(time, value, labels)| (time, value, labels.into_iter().collect()));
            Sent {
                labels,
                samples,
                histograms: histograms.into_iter().collect(),
                exemplars: exemplars.collect(),
                help: String::new(),
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_sent_is_taken(series in prop::collection::vec(any_series(), 0..5)) {
        for (message, write) in BOTH {
            let v2 = message == Message::V2;
            let mut sink = Recorder::new();
            let outcome = decode(message, &write(&series), &mut sink).unwrap();
            let taken = |sent: &&Sent| !v2 || !sent.samples.is_empty() || !sent.histograms.is_empty();
            let (mut samples, mut histograms, mut exemplars) = (Vec::new(), Vec::new(), Vec::new());
            for sent in series.iter().filter(taken) {
                let labels = Labels::from_pairs(sent.labels.iter().map(|(n, v)| (n, v))).unwrap();
                for &(time, value, start) in &sent.samples {
                    samples.push((labels.clone(), time, value.to_bits(), if v2 { start } else { 0 }));
                }
                for (time, value, start) in &sent.histograms {
                    histograms.push((*time, HistogramSample::Int(value.clone()), if v2 { *start } else { 0 }));
                }
                for (time_ms, value, pairs) in &sent.exemplars {
                    let pairs = Labels::from_pairs(pairs.iter().map(|(n, v)| (n, v))).unwrap();
                    exemplars.push((labels.clone(), pairs, value.to_bits(), *time_ms));
                }
            }
            prop_assert_eq!(outcome.refused.total() as usize, series.iter().filter(|sent| !taken(sent)).count());
            let name = |series: SeriesRef| sink.series[series.0 as usize].clone();
            let found: Vec<_> = sink.samples.iter().map(|s| (name(s.0), s.1, s.2.to_bits(), s.3)).collect();
            prop_assert_eq!(found, samples);
            let found: Vec<_> = sink.histograms.iter().map(|h| (h.1, h.2.clone(), h.3)).collect();
            prop_assert_eq!(found, histograms);
            let found = |(series, e): &(SeriesRef, Exemplar)| (name(*series), e.labels.clone(), e.value.to_bits(), e.time_ms);
            prop_assert_eq!(sink.exemplars.iter().map(found).collect::<Vec<_>>(), exemplars);
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        for (message, _) in BOTH {
            let _ = decode(message, &bytes, &mut Recorder::new());
        }
    }
}

/// Knows series by their keys and drops what it is given: what is left is the cost of decoding.
#[derive(Default)]
struct Void {
    known: HashMap<u128, SeriesRef, BuildHasherDefault<Low>>,
    sum: f64,
}

/// Keys are hashes already.
#[derive(Default)]
struct Low(u64);

impl Hasher for Low {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

impl MetricSink for Void {
    fn known(&mut self, key: u128) -> Option<SeriesRef> {
        self.known.get(&key).copied()
    }
    fn series(&mut self, key: Option<u128>, _: &Labels) -> Result<SeriesRef, Refusal> {
        let series = SeriesRef(self.known.len() as u32);
        self.known.insert(key.unwrap(), series);
        Ok(series)
    }
    fn sample(&mut self, _: SeriesRef, _: i64, value: f64, _: i64) -> Result<(), Refusal> {
        self.sum += value;
        Ok(())
    }
    fn histogram(&mut self, _: SeriesRef, _: i64, _: HistogramSample, _: i64) -> Result<(), Refusal> {
        Ok(())
    }
    fn exemplar(&mut self, _: SeriesRef, _: Exemplar) -> Result<(), Refusal> {
        Ok(())
    }
    fn metadata(&mut self, _: &str, _: Metadata) {}
}

/// Prints nanoseconds for each series of one sample and ten labels. Run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "prints figures; they mean something in a release build only"]
fn cost_of_a_sample() {
    for (message, write) in BOTH {
        let batches: Vec<_> = (0..20)
            .map(|batch| {
                let series = |at: usize| {
                    let host = format!("host-{:04}.eu-west-1.example.org:9100", (batch * 2000 + at) / 50);
                    let cpu = (at % 50).to_string();
                    let labels = [
                        ("__name__", "node_cpu_seconds_total"),
                        ("cluster", "production-eu-1"),
                        ("cpu", &cpu),
                        ("environment", "production"),
                        ("instance", &host),
                        ("job", "node-exporter"),
                        ("mode", "iowait"),
                        ("namespace", "monitoring"),
                        ("region", "eu-west-1"),
                        ("team", "platform"),
                    ];
                    sent(&labels, &[(1_760_000_000_000, at as f64, 0)])
                };
                write(&(0..2000).map(series).collect::<Vec<_>>())
            })
            .collect();
        let bytes = batches[0].len() / 2000;
        let bodies: Vec<_> =
            batches.iter().map(|batch| snap::raw::Encoder::new().compress_vec(batch).unwrap()).collect();
        let (mut decoder, mut sink, limits) = (Decoder::new(), Void::default(), Limits::default());
        let mut measure = |what: &str, count: usize, snappy: bool| {
            let mut best = f64::MAX;
            for _ in 0..600 / count {
                let begin = Instant::now();
                for (plain, body) in batches.iter().zip(&bodies).take(count) {
                    let outcome = if snappy {
                        decoder.decode(message, Encoding::Snappy, body, &limits, &mut sink)
                    } else {
                        decoder.decode_plain(message, plain, &limits, &mut sink)
                    };
                    assert_eq!(outcome.unwrap().written.samples, 2000);
                }
                best = best.min(begin.elapsed().as_nanos() as f64 / (count * 2000) as f64);
            }
            println!("{message:?} {what}: {best:.1} ns a series ({bytes} bytes)");
        };
        measure("message, 40,000 series", 20, false);
        measure("message and snappy, 40,000 series", 20, true);
        // Little enough for the nearest caches: what decoding costs without the memory that it touches.
        measure("message, 2,000 series", 1, false);
        measure("message and snappy, 2,000 series", 1, true);
    }
}
