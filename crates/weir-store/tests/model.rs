//! A store beside a naive one, under random operations.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use support::*;
use weir_signal::{
    Labels, LogSelect, LogSource, Matcher, Reason, Scope, Span, SpanCondition, SpanField, SpanSelect,
    SpanTest, Tenant, Trace, TraceSource, Value,
};
use weir_store::{Crash, Signal, SimDisk, Store};

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<(u32, i64, u8)>),
    Log(Vec<(u32, i64, u8)>),
    Trace(Vec<(u32, i64, u8)>),
    Flush,
    Merge,
    Delete {
        host: u32,
        from: i64,
        to: i64,
    },
    /// Closed, killed, or without power: all is acknowledged here, so that it makes no difference.
    Restart(u8),
}

fn step() -> impl Strategy<Value = Step> {
    // Half a day on each side of midnight, so that parts of several days are made.
    let time = prop_oneof![-50_i64..50, (-30_i64..30).prop_map(|hour| hour * 3_600)];
    let sample = (0_u32..6, time.clone(), 0_u8..4);
    prop_oneof![
        6 => prop::collection::vec(sample.clone(), 0..20).prop_map(Step::Write),
        6 => prop::collection::vec(sample.clone(), 0..20).prop_map(Step::Log),
        6 => prop::collection::vec(sample, 0..20).prop_map(Step::Trace),
        2 => Just(Step::Flush),
        1 => Just(Step::Merge),
        1 => (0_u32..6, time.clone(), time).prop_map(|(host, from, to)| Step::Delete { host, from, to }),
        1 => (0_u8..3).prop_map(Step::Restart),
    ]
}

/// Seconds around noon; never ahead of the clock.
fn time_ms(second: i64) -> i64 {
    NOW_MS - 200_000_000 + second * 1000
}

fn series(host: u32) -> Labels {
    labels(if host.is_multiple_of(2) { "up" } else { "requests_total" }, host)
}

fn check(steps: &[Step], seed: u64) {
    let (disk, time) = (SimDisk::new(seed), Time::new());
    let (mut store, _) = open(&disk, &time);
    let mut model = Model::default();
    let mut lines = Lines::new();
    let mut spans: Vec<Span> = Vec::new();
    let tenant = Tenant::default();
    for step in steps {
        match step {
            Step::Write(samples) => {
                let samples: Vec<_> = samples
                    .iter()
                    .map(|&(host, second, value)| (series(host), time_ms(second), f64::from(value)))
                    .collect();
                let (outcome, ticket) = write(&store, &tenant, None, &samples).unwrap();
                ticket.wait().unwrap();
                assert_eq!(refused(&outcome, Reason::Duplicate), model.write(&samples));
                assert_eq!(outcome.accepted + outcome.refused.total(), samples.len() as u64);
            }
            Step::Log(rows) => {
                let rows: Vec<_> = rows
                    .iter()
                    .map(|&(host, second, word)| {
                        // Few lines, so that the same one comes again.
                        (series(host), time_ms(second) * 1_000_000, format!("word {word}"))
                    })
                    .collect();
                let (outcome, ticket) = write_logs(&store, &tenant, None, &rows).unwrap();
                ticket.wait().unwrap();
                assert_eq!(outcome.accepted, rows.len() as u64);
                lines.extend(rows.into_iter().map(|(labels, time, line)| (time, labels, line)));
                lines.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
            }
            Step::Trace(rows) => {
                let rows: Vec<_> = rows
                    .iter()
                    .enumerate()
                    .map(|(at, &(host, second, word))| {
                        // Few traces, so that each has spans in several payloads, and some on several days.
                        let time_ms = time_ms(second) + spans.len() as i64 + at as i64;
                        span(
                            host,
                            1 + u128::from(word) * 7 + (second / 40) as u128 % 5,
                            time_ms,
                            &"x".repeat(word.into()),
                        )
                    })
                    .collect();
                let (outcome, ticket) = write_spans(&store, &tenant, None, &rows).unwrap();
                ticket.wait().unwrap();
                assert_eq!(outcome.accepted, rows.len() as u64);
                spans.extend(rows);
            }
            Step::Flush => {
                store.flush().unwrap();
                model.flush();
            }
            Step::Merge => {
                store.merge().unwrap();
            }
            Step::Delete { host, from, to } => {
                let matchers = [Matcher::equal("host", &host.to_string())];
                let (from, to) = (time_ms(*from), time_ms(*to));
                store.delete(&scope(), Signal::Metrics, &matchers, from, to).unwrap();
                model.delete(&matchers, from, to);
                let (from, to) = (from * 1_000_000, to * 1_000_000);
                store.delete(&scope(), Signal::Logs, &matchers, from, to).unwrap();
                lines.retain(|(time, labels, _)| !matchers[0].selects(labels) || *time < from || *time > to);
                store.delete(&scope(), Signal::Spans, &matchers, from, to).unwrap();
                let host = host.to_string();
                let of_host = |span: &Span| span.resource.attributes[0].value.as_str() == Some(&host);
                spans.retain(|span| !of_host(span) || span.start_ns < from || span.start_ns > to);
            }
            Step::Restart(how) => {
                match how {
                    0 => {
                        store.close().unwrap();
                        model.flush();
                    }
                    1 => disk.crash(Crash::Killed),
                    _ => disk.crash(Crash::PowerLost),
                }
                let (opened, recovery) = open(&disk, &time);
                assert!(recovery.is_clean(), "{recovery:?}");
                store = opened;
                model.restart();
            }
        }
        assert_eq!(read_all(&store, &scope()), model.series, "after {step:?}");
        assert_eq!(read_logs(&store, &scope(), vec![], i64::MIN, i64::MAX), lines, "after {step:?}");
        assert_eq!(read_spans(&store, &scope()), traces(&spans, i64::MIN, i64::MAX), "after {step:?}");
    }
    // Narrow reads find what wide ones do.
    let name = Matcher::equal("__name__", "up");
    let (from, to) = (time_ms(-10), time_ms(20));
    let mut expect = model.series;
    expect.retain(|labels, samples| {
        samples.retain(|&time, _| time >= from && time <= to);
        name.selects(labels) && !samples.is_empty()
    });
    assert_eq!(read(&store, &scope(), vec![name.clone()], from, to), expect);
    let (from, to) = (from * 1_000_000, to * 1_000_000);
    lines.retain(|(time, labels, _)| name.selects(labels) && *time >= from && *time < to);
    assert_eq!(read_logs(&store, &scope(), vec![name.clone()], from, to), lines);
    let select = LogSelect { matchers: vec![name], from_ns: from, to_ns: to, ..LogSelect::default() };
    let mut volumes: BTreeMap<Labels, (u64, u64)> = BTreeMap::new();
    for (_, labels, line) in &lines {
        let volume = volumes.entry(labels.clone()).or_default();
        *volume = (volume.0 + 1, volume.1 + line.len() as u64);
    }
    let found: BTreeMap<_, _> = store
        .volume(&scope(), &select)
        .unwrap()
        .into_iter()
        .map(|(l, rows, bytes)| (l, (rows, bytes)))
        .collect();
    assert_eq!(found, volumes);
    let streams = store.streams(&scope(), &select).unwrap();
    assert!(volumes.keys().all(|labels| streams.contains(labels)), "{streams:?}");
    check_search(&store, &spans, from, to);
}

/// Searches find what a look at every trace finds, and values are those of the spans in the range.
fn check_search(store: &Store, spans: &[Span], from: i64, to: i64) {
    let test = |field, test| SpanCondition { field, test };
    let conditions = [
        test(SpanField::Span("says".into()), SpanTest::Equal(Value::Int(2))),
        test(SpanField::Name, SpanTest::Equal(Value::String("xxx".into()))),
        test(SpanField::Either("host".into()), SpanTest::Equal(Value::String("3".into()))),
        test(SpanField::Duration, SpanTest::AtLeast(2000.0)),
    ];
    let meets = |span: &Span, at: usize| match at {
        0 => span.name.len() == 2,
        1 => span.name.len() == 3,
        2 => span.resource.attributes[0].value.as_str() == Some("3"),
        _ => span.duration_ns() >= 2000,
    };
    for wanted in [&[][..], &[0], &[1], &[2], &[3], &[0, 2], &[3, 1, 2]] {
        let select = SpanSelect {
            from_ns: from,
            to_ns: to,
            conditions: wanted.iter().map(|&at| conditions[at].clone()).collect(),
        };
        let mut expect = traces(spans, from, to);
        expect.retain(|trace| wanted.iter().all(|&at| trace.spans.iter().any(|span| meets(span, at))));
        // A condition that is met far outside the range only need not be found.
        let near =
            |span: &Span| span.start_ns >= from - 900_000_000_000 && span.start_ns < to + 900_000_000_000;
        let mut found = search(store, &scope(), &select);
        let far = |trace: &Trace| {
            !wanted.iter().all(|&at| trace.spans.iter().any(|span| near(span) && meets(span, at)))
        };
        found.retain(|trace| !far(trace));
        expect.retain(|trace| !far(trace));
        assert_eq!(found, expect, "{select:?}");
    }
    let narrow = Scope { matchers: Arc::from([Matcher::equal("host", "3")]), ..scope() };
    let seen: Vec<_> =
        spans.iter().filter(|span| meets(span, 2) && span.start_ns >= from && span.start_ns < to).collect();
    let names: BTreeSet<&str> = seen.iter().map(|span| &*span.name).collect();
    let found = store.values(&narrow, (from, to), &SpanField::Name, 100).unwrap();
    assert_eq!(found.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>(), names);
    let (of_spans, of_resources) = store.attribute_names(&narrow, (from, to)).unwrap();
    assert_eq!((of_spans.len(), of_resources.len()), if seen.is_empty() { (0, 0) } else { (1, 1) });
    // Of all time the index of each part knows it exactly.
    for service in ["unknown_service", "nobody"] {
        let own = spans.iter().filter(|span| span.resource.service() == service);
        let expect: BTreeSet<_> = own.map(|span| (span.name.clone(), span.kind)).collect();
        let found = store.operations(&scope(), (i64::MIN, i64::MAX), service).unwrap();
        assert_eq!(found, Vec::from_iter(expect));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_does_what_a_naive_one_does(steps in prop::collection::vec(step(), 1..30), seed: u64) {
        check(&steps, seed);
    }
}

#[test]
fn a_trace_that_is_found_outside_the_range_keeps_its_place() {
    check(
        &[
            Step::Trace(vec![(2, 0, 2), (0, 0, 1)]),
            Step::Restart(0),
            Step::Trace(vec![(2, -11, 1)]),
            Step::Flush,
        ],
        0,
    );
}
