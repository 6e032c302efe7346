//! Loki's push API, as its clients use it and as nobody would.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Instant;

use proptest::prelude::*;
use weir_intake::Limits;
use weir_intake::compress::Encoding;
use weir_intake::loki::{Decoder, Message, Outcome, negotiate, refusal_status};
use weir_intake::record::Recorder;
use weir_intake::wire::Writer;
use weir_signal::{Labels, LogSink, Reason, Refusal, StreamRef};

type Pairs = BTreeMap<String, String>;

#[derive(Debug, Clone)]
struct Stream {
    labels: Pairs,
    lines: Vec<(i64, String, Pairs)>,
}

fn stream(labels: &[(&str, &str)], lines: &[(i64, &str)]) -> Stream {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let lines = lines.iter().map(|(time, line)| (*time, (*line).to_owned(), Pairs::new())).collect();
    Stream { labels, lines }
}

fn protobuf(streams: &[Stream]) -> Vec<u8> {
    let mut out = Writer::new();
    for stream in streams {
        out.message(1, |out| {
            let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let pair = |(name, value): (&String, &String)| format!("{name}=\"{}\"", escape(value));
            out.text(1, &format!("{{{}}}", stream.labels.iter().map(pair).collect::<Vec<_>>().join(", ")));
            for (time, line, metadata) in &stream.lines {
                out.message(2, |out| {
                    out.message(1, |out| {
                        out.uint(1, time.div_euclid(1_000_000_000) as u64);
                        out.uint(2, time.rem_euclid(1_000_000_000) as u64);
                    });
                    out.text(2, line);
                    for (name, value) in metadata {
                        out.message(3, |out| {
                            out.text(1, name);
                            out.text(2, value);
                        });
                    }
                });
            }
        });
    }
    out.into_bytes()
}

fn json(streams: &[Stream]) -> Vec<u8> {
    let streams: Vec<_> = streams
        .iter()
        .map(|stream| {
            let lines: Vec<_> = stream
                .lines
                .iter()
                .map(|(time, line, metadata)| {
                    let time = time.to_string();
                    if metadata.is_empty() {
                        serde_json::json!([time, line])
                    } else {
                        serde_json::json!([time, line, metadata])
                    }
                })
                .collect();
            serde_json::json!({ "stream": stream.labels, "values": lines })
        })
        .collect();
    serde_json::json!({ "streams": streams }).to_string().into_bytes()
}

type Write = fn(&[Stream]) -> Vec<u8>;

const BOTH: [(Message, Write); 2] = [(Message::Protobuf, protobuf), (Message::Json, json)];

fn decode(message: Message, payload: &[u8], sink: &mut Recorder) -> Result<Outcome, Refusal> {
    Decoder::new().decode(message, Encoding::Identity, payload, &Limits::default(), sink)
}

/// Takes JSON for `expect`: each line as stream, time, line, metadata; or the beginning of what is refused.
fn check(text: &str, expect: &str) {
    let mut sink = Recorder::new();
    let found = match decode(Message::Json, text.as_bytes(), &mut sink) {
        Ok(outcome) if !outcome.refused.is_empty() => outcome.refused.to_string(),
        Ok(_) => {
            let line = |(stream, time, line, metadata): &(StreamRef, i64, String, Labels)| {
                format!("{} {time} {line} {metadata};", sink.streams[stream.0 as usize])
            };
            sink.entries.iter().map(line).collect::<Vec<_>>().concat()
        }
        Err(refusal) => refusal.message,
    };
    assert!(
        found.contains(expect) && (!expect.is_empty() || found.is_empty()),
        "{text}: {found} is not {expect}"
    );
}

#[test]
fn json_is_read() {
    check(
        r#"{"streams":[{"stream":{"a":"b"},"values":[["1","x"],["-2","y",{"c":"d"}]]}]}"#,
        "{a=\"b\"} 1 x {};{a=\"b\"} -2 y {c=\"d\"};",
    );
    check(r#"{"streams":[{"values":[["1","x"]],"stream":{"a":"b"}}]}"#, "{a=\"b\"} 1 x {};");
    check(
        r#" { "x" : [1, {"y": [null, -1.5e3, "]"]}] , "streams" : [ { "stream" : { "a" : "b" } , "values" : [ [ 7 , "x" ] ] } ] } "#,
        "{a=\"b\"} 7 x {};",
    );
    check(
        r#"{"streams":[{"stream":{"a":"b"},"values":[["1","\"\\\/\b\n\u00e9\ud83d\ude00\ud800x"]]}]}"#,
        "1 \"\\/\u{8}\n\u{e9}\u{1f600}\u{fffd}x ",
    );
    check("{}", "");
    check(r#"{"streams":[]}"#, "");
    check("", "byte 0: an object must stand here");
    check(r#"{"streams":[{"stream":{"a":"b"},"values":[["x","y"]]}]}"#, "nanoseconds since 1970");
    check(r#"{"streams":[{"stream":{"a":"b"},"values":[["1"]]}]}"#, "a line must follow its time");
    check(
        r#"{"streams":[{"stream":{"a":"b"},"values":[["1","y",{},1]]}]}"#,
        "must end after time, line and metadata",
    );
    check(r#"{"streams":[{"stream":{"a":1},"values":[]}]}"#, "byte 27: a string must stand here");
    check(r#"{"streams":[]} x"#, "something follows");
    check(r#"{"streams":[{"stream":{"a":"b},"#, "not closed");
    check(&format!("{{\"x\":{}1{}}}", "[".repeat(65), "]".repeat(65)), "nested too deeply");
}

#[test]
fn what_cannot_be_taken_is_refused_alone() {
    let mut no_labels = stream(&[], &[(1, "x"), (2, "y")]);
    let good = stream(&[("app", "shop")], &[(3, "z")]);
    let check = |streams: &[Stream], expect: &str, lost: u64| {
        for (message, write) in BOTH {
            let mut sink = Recorder::new();
            let outcome =
                decode(message, &write(&[streams, std::slice::from_ref(&good)].concat()), &mut sink).unwrap();
            assert_eq!((outcome.status(), outcome.lines), (400, 1));
            assert_eq!(outcome.refused.total(), lost);
            assert!(outcome.refused.to_string().contains(expect), "{} lacks {expect}", outcome.refused);
        }
    };
    check(&[no_labels.clone()], "stream 0: error at least one label pair is required per stream", 2);
    no_labels.labels.insert("a".into(), String::new());
    check(&[no_labels], "at least one label pair", 2);
    let long = "x".repeat(300_000);
    let expect = "Max entry size '262144' bytes exceeded for stream '{a=\"b\"}' while adding an entry with length '300000' bytes";
    check(&[stream(&[("a", "b")], &[(1, &long)])], expect, 1);
    let mut heavy = stream(&[("a", "b")], &[(1, "x")]);
    for name in 0..5 {
        heavy.lines[0].2.insert(format!("m{name}"), "v".repeat(15_000));
    }
    check(
        &[heavy.clone()],
        "stream '{a=\"b\"}' has structured metadata too large: '75010' bytes, limit: '65536' bytes",
        1,
    );
    heavy.lines[0].2 = (0..200).map(|i| (format!("m{i}"), "v".to_owned())).collect();
    check(&[heavy], "more than 128 labels", 1);
    check(
        &[stream(&[("a", &"v".repeat(20_000))], &[(1, "x"), (1, "y"), (1, "z")])],
        "20000 bytes, more than 16384",
        3,
    );
}

#[test]
fn labels_in_protobuf_are_a_selector() {
    let payload = |labels: &str| {
        let mut out = Writer::new();
        out.message(1, |out| {
            out.message(2, |out| out.bytes(2, b"a\xffb"));
            out.text(1, labels);
        });
        out.into_bytes()
    };
    let mut sink = Recorder::new();
    assert_eq!(decode(Message::Protobuf, &payload("{a='b',}"), &mut sink).unwrap().status(), 204);
    assert_eq!(
        (sink.streams[0].to_string().as_str(), sink.entries[0].2.as_str()),
        ("{a=\"b\"}", "a\u{fffd}b")
    );
    let outcome = decode(Message::Protobuf, &payload("{a=b}"), &mut Recorder::new()).unwrap();
    assert_eq!(outcome.refused.counts().collect::<Vec<_>>(), [(Reason::Labels, 1)]);
    assert!(outcome.refused.to_string().contains("Error parsing labels '{a=b}' with error"));
}

#[test]
fn times_that_nanoseconds_cannot_say_are_refused() {
    let mut out = Writer::new();
    out.message(1, |out| {
        out.text(1, "{a=\"b\"}");
        out.message(2, |out| out.message(1, |out| out.uint(1, i64::MAX as u64)));
    });
    let text = br#"{"streams":[{"stream":{"a":"b"},"values":[["99999999999999999999","x"]]}]}"#;
    for (message, payload) in [(Message::Protobuf, out.as_bytes()), (Message::Json, &text[..])] {
        let outcome = decode(message, payload, &mut Recorder::new()).unwrap();
        assert!(outcome.refused.to_string().contains("beyond what nanoseconds can say"));
    }
}

#[test]
fn answers_have_the_statuses_of_loki() {
    let payload = json(&[stream(&[("a", "b")], &[(1, "x")])]);
    let with = |reason| {
        let mut sink = Recorder::refusing(Refusal::new(reason, "no"));
        let found = decode(Message::Json, &payload, &mut sink);
        found.map_or_else(|refusal| refusal_status(&refusal), |outcome| outcome.status())
    };
    assert_eq!((with(Reason::Overloaded), with(Reason::Unavailable), with(Reason::TooOld)), (429, 503, 400));
    assert_eq!(decode(Message::Json, b"{}", &mut Recorder::new()).unwrap().status(), 422);
    let small = Limits { payload_bytes: 10, ..Limits::default() };
    let refusal = Decoder::new()
        .decode(Message::Json, Encoding::Identity, &payload, &small, &mut Recorder::new())
        .unwrap_err();
    assert_eq!(refusal_status(&refusal), 413);
}

#[test]
fn headers_say_how_a_payload_is_written() {
    let check = |kind, encoding, expect| assert_eq!(negotiate(kind, encoding).ok(), expect);
    let json = Some("application/json; charset=utf-8");
    check(json, None, Some((Message::Json, Encoding::Identity)));
    check(json, Some("gzip"), Some((Message::Json, Encoding::Gzip)));
    check(Some("application/x-protobuf"), None, Some((Message::Protobuf, Encoding::Snappy)));
    check(None, Some("snappy"), Some((Message::Protobuf, Encoding::Snappy)));
    check(None, Some("gzip"), None);
    check(json, Some("br"), None);
}

#[test]
fn every_truncation_and_every_flipped_bit_ends_in_an_answer() {
    let mut sent = stream(&[("app", "a\"b"), ("env", "é")], &[(1, "one \u{1f600}\n"), (2, "two")]);
    sent.lines[0].2.insert("trace_id".into(), "abc".into());
    for (message, write) in BOTH {
        let payload = write(&[sent.clone(), sent.clone()]);
        for at in 0..payload.len() {
            if let Ok(part) = decode(message, &payload[..at], &mut Recorder::new()) {
                assert!(message == Message::Protobuf && part.lines < 4);
            }
            for bit in 0..8 {
                let mut flipped = payload.clone();
                flipped[at] ^= 1 << bit;
                let _ = decode(message, &flipped, &mut Recorder::new());
            }
        }
    }
    let payload = json(&[sent]);
    let mut body = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    body.write_all(&payload).unwrap();
    let body = body.finish().unwrap();
    let mut decoder = Decoder::new();
    let mut gzip = |body: &[u8]| {
        decoder.decode(Message::Json, Encoding::Gzip, body, &Limits::default(), &mut Recorder::new())
    };
    for at in 0..body.len() {
        assert_eq!(gzip(&body[..at]).unwrap_err().reason, Reason::Malformed);
    }
    assert_eq!(gzip(&body).unwrap().lines, 2);
}

proptest! {
    #[test]
    fn what_is_sent_is_taken(
        streams in prop::collection::vec(
            (
                prop::collection::btree_map("[a-z_]{1,4}", ".{1,12}", 1..4),
                prop::collection::vec(
                    (any::<i64>(), ".{0,40}", prop::collection::btree_map("[a-z.]{1,4}", ".{1,12}", 0..3)),
                    0..5,
                ),
            ),
            0..4,
        ),
    ) {
        let streams: Vec<_> = streams.into_iter().map(|(labels, lines)| Stream { labels, lines }).collect();
        let mut expect = Vec::new();
        for stream in &streams {
            let labels = Labels::from_pairs(&stream.labels).unwrap();
            for (time, line, metadata) in &stream.lines {
                expect.push((labels.clone(), *time, line.clone(), Labels::from_pairs(metadata).unwrap()));
            }
        }
        for (message, write) in BOTH {
            // Seconds before those that nanoseconds can say, but nanoseconds after.
            if message == Message::Protobuf && expect.iter().any(|line| line.1 < i64::MIN + 1_000_000_000) {
                continue;
            }
            let mut sink = Recorder::new();
            let outcome = decode(message, &write(&streams), &mut sink).unwrap();
            prop_assert!(outcome.refused.is_empty(), "{}", outcome.refused);
            let name = |stream: StreamRef| sink.streams[stream.0 as usize].clone();
            let found: Vec<_> = sink.entries.iter().map(|e| (name(e.0), e.1, e.2.clone(), e.3.clone())).collect();
            prop_assert_eq!(found, expect.clone());
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, text in "[\\[\\]\\{\\}\",:\\\\u1d8streamvalue ]{0,60}") {
        for (message, _) in BOTH {
            let _ = decode(message, &bytes, &mut Recorder::new());
        }
        let _ = decode(Message::Json, text.as_bytes(), &mut Recorder::new());
        let text = format!("{{\"streams\":[{text}");
        let _ = decode(Message::Json, text.as_bytes(), &mut Recorder::new());
    }
}

struct Void;

impl LogSink for Void {
    fn stream(&mut self, _: &Labels) -> Result<StreamRef, Refusal> {
        Ok(StreamRef(0))
    }
    fn entry(&mut self, _: StreamRef, _: i64, _: &str, _: &Labels) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Prints megabytes of lines a second. Run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "prints figures; they mean something in a release build only"]
fn speed_of_lines() {
    let line = "2023-01-29 10:02:11.271  INFO 1 --- [nio-12346-exec-9] o.s.b.a.l.LoggingFilter : \"GET /api/v1/orders/7f3a HTTP/1.1\" 200 in 12 ms";
    let lines: Vec<_> = (0..100).map(|i| (1_760_000_000_000_000_000 + i, line)).collect();
    let streams: Vec<_> =
        (0..100).map(|i| stream(&[("app", "orders"), ("pod", &format!("orders-{i}"))], &lines)).collect();
    for (message, write) in BOTH {
        let payload = write(&streams);
        let mut decoder = Decoder::new();
        let mut best = f64::MAX;
        let mut bytes = 0;
        for _ in 0..50 {
            let begin = Instant::now();
            bytes = decoder
                .decode(message, Encoding::Identity, &payload, &Limits::default(), &mut Void)
                .unwrap()
                .bytes;
            best = best.min(begin.elapsed().as_secs_f64());
        }
        println!(
            "{message:?}: {:.0} MB/s of lines, {:.0} ns a line",
            bytes as f64 / best / 1e6,
            best * 1e9 / 1e4
        );
    }
}
