//! What holds for all segments.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use weir_signal::{SpanCondition, SpanField, SpanTest, TraceId, Value};

use super::arbitrary::{spans, value};
use super::*;

fn options() -> impl Strategy<Value = SpanWriterOptions> {
    (any::<bool>(), prop::sample::select(vec![1, 3, 10, 8192])).prop_map(|(small, block_spans)| {
        SpanWriterOptions { effort: if small { Effort::Small } else { Effort::Fast }, block_spans }
    })
}

fn field() -> impl Strategy<Value = SpanField> {
    let key =
        || prop::sample::select(vec!["a", "b", "http.route", "service.name", "other"]).prop_map(Box::from);
    prop_oneof![
        Just(SpanField::Name),
        Just(SpanField::Service),
        Just(SpanField::Duration),
        Just(SpanField::Status),
        Just(SpanField::Kind),
        key().prop_map(SpanField::Span),
        key().prop_map(SpanField::Resource),
        key().prop_map(SpanField::Either),
    ]
}

fn test() -> impl Strategy<Value = SpanTest> {
    let number = prop::sample::select(vec![0.0, 5.0, 200.0, 1e6, -1.0, f64::NEG_INFINITY, f64::MAX]);
    prop_oneof![
        3 => value().prop_map(SpanTest::Equal),
        1 => prop::sample::select(vec!["error", "unset", "server"])
            .prop_map(|text| SpanTest::Equal(Value::String(text.into()))),
        1 => number.clone().prop_map(SpanTest::AtLeast),
        1 => number.prop_map(SpanTest::AtMost),
        1 => Just(SpanTest::Exists),
    ]
}

/// Whether a span meets a condition, as plainly as can be.
fn plainly(span: &Span, condition: &SpanCondition) -> bool {
    let values = |attributes: &[Attribute], key: &str| -> Vec<Value> {
        attributes.iter().filter(|found| &*found.key == key).map(|found| found.value.clone()).collect()
    };
    let text = |text: &str| vec![Value::String(text.into())];
    let found = match &condition.field {
        SpanField::Name => text(&span.name),
        SpanField::Service => text(span.resource.service()),
        SpanField::Duration => vec![Value::Int(span.duration_ns() as i64)],
        SpanField::Status => text(span.status.as_str()),
        SpanField::Kind => text(span.kind.as_str()),
        SpanField::Span(key) => values(&span.attributes, key),
        SpanField::Resource(key) => values(&span.resource.attributes, key),
        SpanField::Either(key) => {
            [values(&span.attributes, key), values(&span.resource.attributes, key)].concat()
        }
    };
    found.iter().any(|value| meets(value, &condition.test))
}

fn meets(value: &Value, test: &SpanTest) -> bool {
    let number = |value: &Value| match value {
        Value::Int(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        _ => None,
    };
    if let Value::Array(values) = value
        && values.iter().any(|value| meets(value, test))
    {
        return true;
    }
    match test {
        SpanTest::Exists => true,
        SpanTest::Equal(wanted) => {
            value == wanted
                || number(value).is_some() && number(value) == number(wanted) && !both_ints(value, wanted)
        }
        SpanTest::AtLeast(least) => number(value).is_some_and(|number| number >= *least),
        SpanTest::AtMost(most) => number(value).is_some_and(|number| number <= *most),
    }
}

fn both_ints(a: &Value, b: &Value) -> bool {
    matches!((a, b), (Value::Int(_), Value::Int(_)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn spans_come_back(spans in spans(), options in options()) {
        let segment = Files::write(&spans, options).open().unwrap();
        prop_assert_eq!(segment.verify(), []);
        let expected = by_trace(&spans);
        let found = by_trace(&read_all(&segment));
        prop_assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (trace, expected) in &expected {
            let bits = |spans: &[Span]| {
                let mut bits: Vec<_> = spans.iter().map(bits).collect();
                // What came into different blocks has lost its order among spans of one start and id.
                if options.block_spans < 8192 {
                    bits.sort();
                }
                bits
            };
            prop_assert_eq!(bits(&found[trace]), bits(expected));
            prop_assert_eq!(bits(&segment.trace(*trace).unwrap()), bits(expected));
        }
        prop_assert_eq!(segment.trace(TraceId([7; 16])).unwrap(), []);
        let summary = segment.summary();
        prop_assert_eq!((summary.spans, summary.traces), (spans.len() as u64, expected.len() as u64));
    }

    #[test]
    fn fragments_come_back_one_by_one(spans in spans(), options in options()) {
        let segment = Files::write(&spans, options).open().unwrap();
        for info in segment.blocks() {
            let all = segment.read(info.number).unwrap().all().unwrap();
            let block = segment.read(info.number).unwrap();
            let traces = block.traces().unwrap().to_vec();
            let starts = block.starts().unwrap();
            prop_assert!(starts.is_sorted());
            let mut found = Vec::new();
            for fragment in (0..traces.len()).rev() {
                let spans = block.fragment(fragment).unwrap();
                prop_assert!(spans.iter().all(|span| span.trace == traces[fragment]));
                prop_assert_eq!(spans[0].start_ns, starts[fragment]);
                let span_starts: Vec<_> = spans.iter().map(|span| span.start_ns).collect();
                prop_assert_eq!(block.starts_of(fragment).unwrap(), span_starts);
                found.splice(0..0, spans);
            }
            prop_assert_eq!(found.iter().map(bits).collect::<Vec<_>>(), all.iter().map(bits).collect::<Vec<_>>());
            prop_assert_eq!(info.from_ns, all.iter().map(|span| span.start_ns).min().unwrap());
            prop_assert_eq!(info.to_ns, all.iter().map(|span| span.start_ns).max().unwrap());
        }
    }

    #[test]
    fn nothing_wanted_is_passed_over(
        spans in spans(),
        options in options(),
        field in field(),
        test in test(),
        pick in any::<prop::sample::Index>(),
        from_ns in prop::sample::select(vec![i64::MIN, 0, 1_700_000_000_000_000_100]),
    ) {
        let segment = Files::write(&spans, options).open().unwrap();
        // Half of the time something that is there.
        let mut condition = SpanCondition { field, test };
        if pick.index(2) == 0 && !spans.is_empty() {
            let span = &spans[pick.index(spans.len())];
            if let Some(attribute) = span.attributes.first().filter(|attribute| attribute.value != Value::Empty) {
                condition = SpanCondition {
                    field: SpanField::Either(attribute.key.clone()),
                    test: SpanTest::Equal(attribute.value.clone()),
                };
            }
        }
        let candidates = segment.candidates(from_ns, i64::MAX, Some(&condition), &mut Strict).unwrap();
        let mut found: BTreeSet<TraceId> = BTreeSet::new();
        for info in &candidates {
            let block = segment.read(info.number).unwrap();
            let traces = block.traces().unwrap();
            found.extend(block.matching(&condition).unwrap().iter().map(|&fragment| traces[fragment as usize]));
        }
        prop_assert!(candidates.windows(2).all(|pair| pair[0].to_ns >= pair[1].to_ns));
        for span in spans.iter().filter(|span| span.start_ns >= from_ns && span.start_ns < i64::MAX) {
            if plainly(span, &condition) {
                prop_assert!(found.contains(&span.trace), "{condition:?} {}", bits(span));
            }
        }
    }

    #[test]
    fn names_and_values_are_those_of_the_spans(spans in spans(), options in options(), field in field()) {
        // A range has an end, which it does not have itself.
        let spans: Vec<_> = spans.into_iter().filter(|span| span.start_ns < i64::MAX).collect();
        let segment = Files::write(&spans, options).open().unwrap();
        let names = |of: &dyn Fn(&Span) -> Vec<Attribute>| -> Vec<String> {
            let all: BTreeSet<_> = spans.iter().flat_map(of).map(|attribute| attribute.key.into_string()).collect();
            all.into_iter().collect()
        };
        let (of_spans, of_resources) = segment.attribute_names().unwrap();
        prop_assert_eq!(of_spans, names(&|span| span.attributes.clone()));
        prop_assert_eq!(of_resources, names(&|span| span.resource.attributes.clone()));
        let mut operations: BTreeMap<_, u64> = BTreeMap::new();
        for span in &spans {
            *operations.entry((span.resource.service().to_owned(), span.name.to_string(), span.kind)).or_default() += 1;
        }
        let found: BTreeMap<_, u64> = segment
            .operations()
            .unwrap()
            .iter()
            .map(|found| ((found.service.to_string(), found.name.to_string(), found.kind), found.spans))
            .collect();
        prop_assert_eq!(found, operations);
        // What the index knows and what the blocks say is the same.
        let mut by_index = Values::new(5);
        segment.values(i64::MIN, i64::MAX, &field, &mut by_index, &mut Strict).unwrap();
        let mut by_blocks = Values::new(5);
        for info in segment.blocks() {
            segment.read(info.number).unwrap().values(&field, &mut by_blocks).unwrap();
        }
        let written = |values: Values| values.into_values().iter().map(bits_of_value).collect::<Vec<_>>();
        prop_assert_eq!(written(by_index), written(by_blocks));
    }

    #[test]
    fn damage_is_found_and_bounded(
        spans in spans(),
        options in options(),
        file in 0_usize..3,
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
        cut: bool,
    ) {
        let files = Files::write(&spans, options);
        let mut damaged = files.clone();
        let names_file =
            |error: &weir_signal::ReadError| error.to_string().starts_with(&format!("{} is damaged at byte ", NAMES[file]));
        let bytes = &mut damaged.0[file];
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << bit;
        }
        match damaged.open() {
            Err(error) => prop_assert!(names_file(&error)),
            Ok(segment) => {
                let found = segment.verify();
                prop_assert!(!found.is_empty(), "{} {at}", NAMES[file]);
                prop_assert!(found.iter().all(names_file), "{found:?}");
                prop_assert!(cut || found.len() == 1, "{found:?}");
            }
        }
    }

    /// Behind right checksums, too.
    #[test]
    fn blocks_of_other_bytes_are_refused(
        spans in spans(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let files = Files::write(&spans, FAST);
        let segment = files.open().unwrap();
        for info in segment.blocks() {
            let mut body = files.0[0][8..8 + info.data_bytes as usize].to_vec();
            for (at, byte) in &changes {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            super::super::block::decode_untrusted(&body);
            body.truncate(cut.index(body.len()));
            super::super::block::decode_untrusted(&body);
        }
    }
}

#[test]
fn a_trace_is_not_parted_without_need() {
    let span =
        |trace: u8, start: i64| Span { trace: TraceId([trace; 16]), start_ns: start, ..Span::default() };
    let mut spans: Vec<_> = (0..10).map(|start| span(1, start)).collect();
    spans.extend((0..12).map(|start| span(2, start)));
    let segment = Files::write(&spans, SpanWriterOptions { block_spans: 6, ..SMALL }).open().unwrap();
    let blocks: Vec<_> = segment.blocks().map(|info| (info.spans, info.fragments)).collect();
    assert_eq!(blocks, [(10, 1), (12, 1)]);
}

#[test]
fn what_no_segment_takes_is_refused_and_leaves_nothing() {
    let mut writer = SpanSegmentWriter::new(FAST);
    let mut deep = Value::Empty;
    for _ in 0..200 {
        deep = Value::Array(vec![deep]);
    }
    let span =
        |value: Value| Span { attributes: vec![Attribute { key: "a".into(), value }], ..Span::default() };
    assert_eq!(writer.push(&span(deep)), Err(Unstorable::Depth));
    let long = "x".repeat(SPAN_BYTES_MAX);
    assert_eq!(writer.push(&span(Value::String(long.into()))), Err(Unstorable::Bytes(SPAN_BYTES_MAX + 1)));
    assert_eq!(writer.finish().summary, SpanSummary::default());
}
