//! Expositions, as targets write them and as nobody should.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use proptest::prelude::*;
use weir_intake::Limits;
use weir_intake::exposition::{
    Collected, Conformance, Created, Description, Format, Histograms, Options, Sample, ScrapeProtocol,
    Visitor, accept_header, collect, read,
};
use weir_intake::record::Recorder;
use weir_intake::wire::Writer;
use weir_signal::{HistogramSample, LabelsBuilder, MetricKind, Reason, Refusal, ResetHint};

const LENIENT: Options = Options {
    conformance: Conformance::Prometheus,
    created: Created::StartTimestamps,
    histograms: Histograms::Native,
};

fn decode_with(format: Format, payload: &[u8], options: Options) -> Result<(Recorder, Collected), Refusal> {
    let mut sink = Recorder::new();
    let collected = collect(format, payload, options, &Limits::default(), 7, &mut sink)?;
    Ok((sink, collected))
}

fn decode(format: Format, text: &str) -> Result<(Recorder, Collected), Refusal> {
    decode_with(format, text.as_bytes(), Options::default())
}

/// Takes `text`, and takes it for `expect`: each sample as series, time, value, start; or the beginning of the refusal.
fn check(format: Format, text: &str, expect: &str) {
    match decode(format, text) {
        Ok((sink, collected)) => {
            assert!(collected.refused.is_empty(), "{}", collected.refused);
            assert_eq!(sink.lines(), expect, "{text}");
        }
        Err(refusal) => assert!(
            !expect.is_empty() && refusal.message.contains(expect),
            "{text}\n{refusal}\nis not\n{expect}"
        ),
    }
}

#[test]
fn the_suite_of_openmetrics_is_accepted_and_refused_as_it_says() {
    let shared = std::env::var_os("WEIR_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let folder = shared.join("data/openmetrics/parsers");
    let Ok(cases) = std::fs::read_dir(&folder) else {
        assert!(std::env::var_os("CI").is_none(), "no cases in {}", folder.display());
        println!("not run: no cases in {}", folder.display());
        return;
    };
    let mut count = 0;
    let mut wrong = Vec::new();
    for case in cases {
        let case = case.unwrap();
        let payload = std::fs::read(case.path().join("metrics")).unwrap();
        let expected = std::fs::read_to_string(case.path().join("test.json")).unwrap();
        let accept = expected.contains("\"shouldParse\": true");
        assert!(accept || expected.contains("\"shouldParse\": false"));
        let found = decode_with(Format::OpenMetrics, &payload, Options::default());
        let taken = matches!(&found, Ok((_, collected)) if collected.refused.is_empty());
        if taken != accept {
            wrong.push(format!("{}: {:?}", case.file_name().display(), found.map(|(sink, _)| sink.lines())));
        }
        count += 1;
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(count, 211);
}

#[test]
fn prometheus_text_is_read() {
    let check = |text: &str, expect: &str| check(Format::Text, text, expect);
    check("a 1\n", "a 7 1 0\n");
    check("a 1", "a 7 1 0\n");
    check("", "");
    check("\n \t\n# a comment\n#another\n# TYPE\n#HELP a b\na\t 1.5e3 \t 123 \n", "a 123 1500 0\n");
    check("a{b=\"c\",} 1 -5\n", "a{b=\"c\"} -5 1 0\n");
    check("  a { b = \"c\" , d=\"e\" } NaN\n", "a{b=\"c\", d=\"e\"} 7 NaN 0\n");
    check("a{b=\"} \\\"\\\\\\n\\x\"} +Inf\n", "a{b=\"} \\\"\\\\\\n\\\\x\"} 7 inf 0\n");
    check("a{b=\"one\ntwo\"} 1\n", "a{b=\"one\\ntwo\"} 7 1 0\n");
    check(
        "{\"a.b\",c=\"d\"} 1\n{c=\"d\",\"é \\\"\"} 2\n",
        "{__name__=\"a.b\", c=\"d\"} 7 1 0\n{__name__=\"é \\\"\", c=\"d\"} 7 2 0\n",
    );
    check("a{\"b.c\"=\"d\"} 1\n", "a{\"b.c\"=\"d\"} 7 1 0\n");
    check(
        "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\n",
        "a_bucket{le=\"1.0\"} 7 1 0\na_bucket{le=\"+Inf\"} 7 2 0\n",
    );
    check("# TYPE a summary\na{quantile=\"1\"} 1\n", "a{quantile=\"1.0\"} 7 1 0\n");
    check("# TYPE a gauge\na{le=\"1\"} 1\n", "a{le=\"1\"} 7 1 0\n");
    check("a 1\nb 2 x\n", "line 2: `x` is no time in milliseconds");
    check("a 0x10\n", "line 1: `0x10` is no number");
    check("a 1e999\n", "is no number");
    check("a\n", "line 1: `` is no number");
    check("a{b=\"c\" 1\n", "no closing brace");
    check("a{b=\"c} 1\n", "quotes are not closed");
    check("a{b=c} 1\n", "must stand in quotes");
    check("{\"\\é", "quotes are not closed");
    check("{\"a\\é\"} 1", "{__name__=\"a\\\\é\"} 7 1 0\n");
    check("a{b=\"c\"d=\"e\"} 1\n", "a comma or `}` must follow");
    check("a{\"b\"} 1\n", "two metric names");
    check("{b=\"c\"} 1\n", "no metric name");
    check("1a 1\n", "must begin with a metric's name");
    check("# TYPE a meh\n", "`meh` is no type");
    check("# TYPE a gaugehistogram\n", "is no type");
    check("a 1\r\n", "is no number");
    check("a 1 1 # {} 1\n", "goes on where it should end");
}

#[test]
fn openmetrics_text_is_read() {
    let check = |text: &str, expect: &str| check(Format::OpenMetrics, text, expect);
    check("# TYPE a counter\na_total 1 1.5\n# EOF\n", "a_total 1500 1 0\n");
    check(
        "# TYPE \"a.b\" counter\n{\"a.b_total\",\"c d\"=\"e\"} 1\n# EOF\n",
        "{__name__=\"a.b_total\", \"c d\"=\"e\"} 7 1 0\n",
    );
    check("a 1\n", "line 2: the payload does not end with `# EOF`");
    check("a 1\nb -1 -\n# EOF\n", "line 2: `-` is no time in seconds");
    check("# TYPE a counter\na_total -1\n# EOF\n", "line 2: what is counted cannot be negative");
    check(
        "# TYPE a histogram\na_bucket{le=\"2\"} 1\na_bucket{le=\"1\"} 1\n# EOF\n",
        "line 3: the bounds of buckets",
    );
}

#[test]
fn what_prometheus_takes_is_taken_where_that_is_asked_for() {
    let text = "# TYPE a counter\na_total -1\na_total{x=\"y\",} 1\n# TYPE a counter\nb 1\n# EOF\n";
    assert!(decode(Format::OpenMetrics, text).is_err());
    let (sink, _) = decode_with(Format::OpenMetrics, text.as_bytes(), LENIENT).unwrap();
    assert_eq!(sink.lines(), "a_total 7 -1 0\na_total{x=\"y\"} 7 1 0\nb 7 1 0\n");
}

const CREATED: &str = "# TYPE a counter
a_total{x=\"1\"} 1
a_created{x=\"1\"} 10.5
a_total{x=\"2\"} 2
# TYPE h histogram
h_bucket{x=\"1\",le=\"1\"} 1
h_bucket{x=\"1\",le=\"+Inf\"} 1
h_count{x=\"1\"} 1
h_sum{x=\"1\"} 1
h_created{x=\"1\"} 20
# TYPE g_created gauge
g_created 5
# EOF
";

#[test]
fn created_samples_become_start_timestamps_or_series() {
    let starts = "a_total{x=\"1\"} 7 1 10500\n\
        a_total{x=\"2\"} 7 2 0\n\
        h_bucket{le=\"1.0\", x=\"1\"} 7 1 20000\n\
        h_bucket{le=\"+Inf\", x=\"1\"} 7 1 20000\n\
        h_count{x=\"1\"} 7 1 20000\n\
        h_sum{x=\"1\"} 7 1 20000\n\
        g_created 7 5 0\n";
    check(Format::OpenMetrics, CREATED, starts);
    let series = Options { created: Created::Series, ..Options::default() };
    let (sink, _) = decode_with(Format::OpenMetrics, CREATED.as_bytes(), series).unwrap();
    assert!(sink.lines().contains("a_created{x=\"1\"} 7 10.5 0\n"));
    assert!(sink.lines().contains("h_sum{x=\"1\"} 7 1 0\n"));
}

#[test]
fn metadata_comes_before_its_samples() {
    let text = "# HELP a_seconds one\\\\two\\nthree\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1\n# HELP b x\n# EOF\n";
    let (sink, _) = decode(Format::OpenMetrics, text).unwrap();
    let found: Vec<_> =
        sink.metadata.iter().map(|(name, m)| (name.as_str(), m.kind, &*m.unit, &*m.help)).collect();
    assert_eq!(
        found,
        [("a_seconds", MetricKind::Gauge, "seconds", "one\\two\nthree"), ("b", MetricKind::Unknown, "", "x")]
    );
    let (sink, _) = decode(Format::Text, "# TYPE a counter\n# HELP a help\na 1\n").unwrap();
    assert_eq!((sink.metadata.len(), sink.metadata[0].1.kind), (1, MetricKind::Counter));
}

#[test]
fn exemplars_go_with_their_sample() {
    let text =
        "# TYPE a counter\na_total 1 # {trace_id=\"x\\\"\"} 0.5 1.5\na_total{b=\"c\"} 1 9 # {} 1\n# EOF\n";
    let (sink, collected) = decode(Format::OpenMetrics, text).unwrap();
    assert_eq!(collected.exemplars, 2);
    let found: Vec<_> =
        sink.exemplars.iter().map(|(_, e)| (e.labels.to_string(), e.value, e.time_ms)).collect();
    assert_eq!(found, [("{trace_id=\"x\\\"\"}".into(), 0.5, 1500), ("{}".into(), 1.0, 9000)]);
    let long = format!("# TYPE a counter\na_total 1 # {{a=\"{}\"}} 1\n# EOF\n", "é".repeat(128));
    assert!(decode(Format::OpenMetrics, &long).is_err());
    let (_, collected) = decode_with(Format::OpenMetrics, long.as_bytes(), LENIENT).unwrap();
    assert_eq!(collected.refused.counts().collect::<Vec<_>>(), [(Reason::TooLarge, 1)]);
}

#[test]
fn series_that_are_none_are_refused_alone() {
    let (sink, collected) = decode(Format::Text, "a{b=\"1\",b=\"2\"} 1\nc 2\n").unwrap();
    assert_eq!((sink.lines().as_str(), collected.samples), ("c 7 2 0\n", 1));
    assert_eq!(collected.refused.counts().collect::<Vec<_>>(), [(Reason::Labels, 1)]);
}

#[test]
fn formats_and_what_to_ask_for() {
    let check = |content_type: Option<&str>, fallback, expect: Option<Format>| {
        assert_eq!(Format::negotiate(content_type, fallback).ok(), expect, "{content_type:?}");
    };
    check(Some("text/plain; version=0.0.4; charset=utf-8"), None, Some(Format::Text));
    check(Some("application/openmetrics-text;version=1.0.0"), None, Some(Format::OpenMetrics));
    check(
        Some("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"),
        None,
        Some(Format::Protobuf),
    );
    check(Some("text/html"), None, None);
    check(Some("text/html"), Some(Format::Text), Some(Format::Text));
    check(None, None, None);
    assert_eq!(
        accept_header(&ScrapeProtocol::DEFAULT),
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
         application/openmetrics-text;version=0.0.1;q=0.4,\
         text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
         text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
    );
    assert!(
        accept_header(&ScrapeProtocol::NATIVE_HISTOGRAMS).starts_with("application/vnd.google.protobuf;")
    );
}

fn label(out: &mut Writer, name: &str, value: &str) {
    out.message(1, |out| {
        out.text(1, name);
        out.text(2, value);
    });
}

fn timestamp(out: &mut Writer, number: u32, seconds: u64) {
    out.message(number, |out| {
        out.uint(1, seconds);
        out.uint(2, 5_000_000);
    });
}

fn exemplar(out: &mut Writer, number: u32, time: Option<u64>) {
    out.message(number, |out| {
        label(out, "trace_id", "abc");
        out.double(2, 0.5);
        if let Some(seconds) = time {
            timestamp(out, 3, seconds);
        }
    });
}

fn family(out: &mut Writer, name: &str, kind: u64, metric: impl Fn(&mut Writer)) {
    out.delimited(|out| {
        out.text(1, name);
        out.text(2, "help");
        out.uint(3, kind);
        out.message(4, |out| {
            label(out, "job", "x");
            metric(out);
        });
        out.text(5, "seconds");
    });
}

fn protobuf() -> Vec<u8> {
    let mut out = Writer::new();
    family(&mut out, "c_total", 0, |out| {
        out.message(3, |out| {
            out.double(1, 3.0);
            exemplar(out, 2, None);
            timestamp(out, 3, 1);
        });
        out.uint(6, 99);
    });
    family(&mut out, "g", 1, |out| out.message(2, |out| out.double(1, -1.5)));
    family(&mut out, "s", 2, |out| {
        out.message(4, |out| {
            out.uint(1, 4);
            out.double(2, 2.5);
            out.message(3, |out| {
                out.double(1, 1.0);
                out.double(2, 0.25);
            });
        });
    });
    family(&mut out, "u", 3, |out| out.message(5, |out| out.double(1, 8.0)));
    family(&mut out, "classic", 4, |out| {
        out.message(7, |out| {
            out.uint(1, 5);
            out.double(2, 6.0);
            out.message(3, |out| {
                out.uint(1, 2);
                out.double(2, 1.0);
                exemplar(out, 3, Some(3));
            });
        });
    });
    family(&mut out, "native", 5, |out| {
        out.message(7, |out| {
            out.uint(1, 3);
            out.double(2, 6.0);
            out.sint(5, 2);
            out.double(6, 0.5);
            out.uint(7, 1);
            out.message(12, |out| {
                out.sint(1, -3);
                out.uint(2, 2);
            });
            out.packed_sints(13, [1, 0]);
            out.message(3, |out| {
                out.uint(1, 3);
                out.double(2, f64::INFINITY);
            });
            exemplar(out, 16, Some(2));
            exemplar(out, 16, None);
            timestamp(out, 15, 4);
        });
    });
    out.into_bytes()
}

#[test]
fn protobuf_is_read() {
    let payload = protobuf();
    let (sink, collected) = decode_with(Format::Protobuf, &payload, Options::default()).unwrap();
    let floats = "c_total{job=\"x\"} 99 3 1005\n\
        g{job=\"x\"} 7 -1.5 0\n\
        s_count{job=\"x\"} 7 4 0\n\
        s_sum{job=\"x\"} 7 2.5 0\n\
        s{job=\"x\", quantile=\"1.0\"} 7 0.25 0\n\
        u{job=\"x\"} 7 8 0\n\
        classic_count{job=\"x\"} 7 5 0\n\
        classic_sum{job=\"x\"} 7 6 0\n\
        classic_bucket{job=\"x\", le=\"1.0\"} 7 2 0\n\
        classic_bucket{job=\"x\", le=\"+Inf\"} 7 5 0\n";
    assert_eq!(sink.lines(), floats);
    let [(series, 7, HistogramSample::Int(native), 4005)] = &sink.histograms[..] else {
        panic!("{:?}", sink.histograms)
    };
    assert_eq!(sink.series[series.0 as usize].to_string(), "native{job=\"x\"}");
    assert_eq!((native.schema, native.count, native.sum), (2, 3, 6.0));
    assert_eq!((&native.positive.counts[..], native.reset_hint), (&[1, 1][..], ResetHint::Gauge));
    let times: Vec<_> = sink.exemplars.iter().map(|(_, exemplar)| exemplar.time_ms).collect();
    assert_eq!((times, collected.exemplars), (vec![99, 3005, 2005], 3));
    assert_eq!(sink.metadata.len(), 6);
    assert_eq!((&*sink.metadata[0].1.unit, &*sink.metadata[0].1.help), ("seconds", "help"));

    let with = |histograms| {
        let options = Options { histograms, ..Options::default() };
        let (sink, _) = decode_with(Format::Protobuf, &payload, options).unwrap();
        let buckets = "native_count{job=\"x\"} 7 3 4005\n\
            native_sum{job=\"x\"} 7 6 4005\n\
            native_bucket{job=\"x\", le=\"+Inf\"} 7 3 4005\n";
        assert_eq!(sink.lines(), format!("{floats}{buckets}"));
        sink.histograms.len()
    };
    assert_eq!((with(Histograms::Both), with(Histograms::Classic)), (1, 0));
}

/// Keeps what a scraper's cache is keyed by.
#[derive(Default)]
struct Raws(Vec<(Vec<u8>, String)>);

impl Raws {
    fn take(&mut self, sample: &Sample<'_>) -> Result<(), Refusal> {
        let mut builder = LabelsBuilder::new();
        sample.labels(&mut builder)?;
        self.0.push((
            sample.raw().to_vec(),
            builder.build().map(|labels| labels.to_string()).unwrap_or_default(),
        ));
        Ok(())
    }
}

impl Visitor for Raws {
    fn metadata(&mut self, _: &str, _: Description<'_>) -> Result<(), Refusal> {
        Ok(())
    }
    fn sample(&mut self, sample: &Sample<'_>, _: f64) -> Result<(), Refusal> {
        self.take(sample)
    }
    fn histogram(&mut self, sample: &Sample<'_>, _: HistogramSample) -> Result<(), Refusal> {
        self.take(sample)
    }
}

#[test]
fn raw_bytes_tell_series_apart() {
    let text = "a 1\na{b=\"c\"} 2\na{b=\"c\"} 3\n{\"a\",b=\"c\"} 4\n";
    let all = Options { histograms: Histograms::Both, ..Options::default() };
    for (format, payload) in [(Format::Text, text.as_bytes()), (Format::Protobuf, &protobuf())] {
        let mut raws = Raws::default();
        read(format, payload, all, &Limits::default(), &mut raws).unwrap();
        for (raw, labels) in &raws.0 {
            assert!(raws.0.iter().all(|(other, found)| other != raw || found == labels));
        }
        if format == Format::Text {
            assert_eq!(raws.0[1], (b"a{b=\"c\"}".to_vec(), "a{b=\"c\"}".to_owned()));
        }
    }
}

#[test]
fn every_truncation_and_every_flipped_bit_ends_in_an_answer() {
    let openmetrics =
        format!("{}# EOF\n", "# TYPE a counter\n# HELP a h\\n\na_total{é=\"\\\"\"} 1 2 # {x=\"y\"} 1 2\n");
    let openmetrics = openmetrics.replace('é', "\"é\"");
    assert!(decode(Format::OpenMetrics, &openmetrics).is_ok());
    let payloads = [
        (Format::Text, b"# HELP a \\\\\na{b=\"\\\"c\n\"} 1 2\n{\"d\"} 1\n".to_vec()),
        (Format::OpenMetrics, openmetrics.into_bytes()),
        (Format::OpenMetrics, CREATED.as_bytes().to_vec()),
        (Format::Protobuf, protobuf()),
    ];
    for (format, payload) in &payloads {
        for at in 0..payload.len() {
            let part = decode_with(*format, &payload[..at], Options::default());
            // Only the last line break may be missing.
            assert!(*format != Format::OpenMetrics || part.is_err() || at == payload.len() - 1);
            for bit in 0..8 {
                let mut flipped = payload.clone();
                flipped[at] ^= 1 << bit;
                for options in [Options::default(), LENIENT] {
                    let _ = decode_with(*format, &flipped, options);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        samples in prop::collection::vec(
            (
                "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}|.{1,8}",
                prop::collection::btree_map("[a-z_]{1,3}|[^_]{1,6}", ".{0,12}", 0..4),
                any::<f64>(),
                prop::option::of(0_i64..1 << 40),
            ),
            0..8,
        ),
        quoted: bool,
    ) {
        let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let plain = |name: &str, colon: bool| {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colon && c == ':');
            name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit())
        };
        for format in [Format::Text, Format::OpenMetrics] {
            let mut text = String::new();
            let mut expect = Vec::new();
            for (metric, labels, value, time) in &samples {
                let mut pairs = Vec::new();
                if quoted || !plain(metric, true) {
                    pairs.push(format!("\"{}\"", escape(metric)));
                } else {
                    text.push_str(metric);
                }
                for (name, value) in labels {
                    let name = if plain(name, false) { name.clone() } else { format!("\"{}\"", escape(name)) };
                    pairs.push(format!("{name}=\"{}\"", escape(value)));
                }
                let _ = write!(text, "{{{}}} {value}", pairs.join(","));
                match (time, format) {
                    (Some(ms), Format::Text) => drop(write!(text, " {ms}")),
                    (Some(ms), _) => drop(write!(text, " {}", *ms as f64 / 1000.0)),
                    _ => {}
                }
                text.push('\n');
                let labels: Vec<_> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                let name = [("__name__", metric.as_str())];
                let labels = weir_signal::Labels::from_pairs(name.into_iter().chain(labels)).unwrap();
                expect.push((labels, time.unwrap_or(7), (value + 0.0).to_bits()));
            }
            if format == Format::OpenMetrics {
                text.push_str("# EOF\n");
            }
            let (sink, collected) = decode_with(format, text.as_bytes(), LENIENT).unwrap();
            prop_assert!(collected.refused.is_empty(), "{} {text}", collected.refused);
            let found: Vec<_> = sink
                .samples
                .iter()
                .map(|&(series, time, value, _)| (sink.series[series.0 as usize].clone(), time, (value + 0.0).to_bits()))
                .collect();
            prop_assert_eq!(found, expect);
        }
    }

    #[test]
    fn no_text_panics(text in "[a\\{\\}\"=, #\n\\\\1é]{0,40}", bytes: Vec<u8>) {
        for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
            for options in [Options::default(), LENIENT] {
                let _ = decode_with(format, text.as_bytes(), options);
                let _ = decode_with(format, format!("{text}\n# EOF\n").as_bytes(), options);
                let _ = decode_with(format, &bytes, options);
            }
        }
    }
}

/// As a scraper whose cache knows everything.
#[derive(Default)]
struct Cached {
    bytes: usize,
    samples: usize,
}

impl Visitor for Cached {
    fn metadata(&mut self, _: &str, _: Description<'_>) -> Result<(), Refusal> {
        Ok(())
    }
    fn sample(&mut self, sample: &Sample<'_>, _: f64) -> Result<(), Refusal> {
        self.bytes += sample.raw().len();
        self.samples += 1;
        Ok(())
    }
    fn histogram(&mut self, _: &Sample<'_>, _: HistogramSample) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Prints nanoseconds for each sample. Run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "prints figures; they mean something in a release build only"]
fn cost_of_a_sample() {
    let mut text = String::from("# TYPE node_cpu_seconds counter\n# HELP node_cpu_seconds Seconds.\n");
    for cpu in 0..1000 {
        for mode in ["idle", "iowait", "user"] {
            let _ = writeln!(text, "node_cpu_seconds_total{{cpu=\"{cpu}\",mode=\"{mode}\"}} {cpu}.25");
        }
    }
    let openmetrics = format!("{text}# EOF\n");
    for (format, text, options) in [
        (Format::Text, &text, LENIENT),
        (Format::OpenMetrics, &openmetrics, LENIENT),
        (Format::OpenMetrics, &openmetrics, Options::default()),
    ] {
        let mut best = f64::MAX;
        for _ in 0..200 {
            let mut cached = Cached::default();
            let begin = Instant::now();
            read(format, text.as_bytes(), options, &Limits::default(), &mut cached).unwrap();
            assert_eq!(cached.samples, 3000);
            best = best.min(begin.elapsed().as_nanos() as f64 / 3000.0);
        }
        println!("{format:?} {:?}: {best:.1} ns a sample", options.conformance);
    }
}
