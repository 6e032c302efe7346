//! Spans as nobody sends them.

use std::sync::Arc;

use proptest::prelude::*;
use weir_signal::{
    Attribute, InstrumentationScope, Link, Resource, Span, SpanEvent, SpanId, SpanKind, Status, TraceId,
    Value,
};

/// Texts of which many are equal.
fn text() -> impl Strategy<Value = Box<str>> {
    prop_oneof![
        3 => prop::sample::select(vec!["", "a", "b", "200", "true", "5", "GET /orders/{id}"]).prop_map(Into::into),
        1 => ".{0,12}".prop_map(|text: String| text.into()),
    ]
}

fn double() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![0.0, -0.0, 200.0, 0.5, f64::NAN, f64::INFINITY, 9_007_199_254_740_993.0]),
    ]
}

fn int() -> impl Strategy<Value = i64> {
    prop_oneof![
        prop::sample::select(vec![0, 5, 200, -1, i64::MIN, i64::MAX, 9_007_199_254_740_993]),
        any::<i64>()
    ]
}

pub(super) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Empty),
        text().prop_map(Value::String),
        any::<bool>().prop_map(Value::Bool),
        int().prop_map(Value::Int),
        double().prop_map(Value::Double),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(|bytes| Value::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((text(), inner), 0..4).prop_map(|pairs| Value::Map(
                pairs.into_iter().map(|(key, value)| Attribute { key, value }).collect()
            )),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    let key = prop::sample::select(vec!["a", "b", "http.route", "service.name", ""]);
    prop::collection::vec((key, value()), 0..4).prop_map(|pairs| {
        pairs.into_iter().map(|(key, value)| Attribute { key: key.into(), value }).collect()
    })
}

/// Mostly nothing.
fn dropped() -> impl Strategy<Value = u32> {
    prop_oneof![5 => Just(0), 1 => any::<u32>()]
}

/// Times of clocks of any grain, close to each other and not.
fn time() -> impl Strategy<Value = i64> {
    let near = (0_i64..1000, prop::sample::select(vec![1_i64, 1000, 1_000_000]))
        .prop_map(|(steps, grain)| 1_700_000_000_000_000_000 + steps * grain);
    prop_oneof![4 => near, 1 => prop::sample::select(vec![0, -5_000_000, i64::MIN, i64::MAX]), 1 => any::<i64>()]
}

fn trace() -> impl Strategy<Value = TraceId> {
    prop_oneof![4 => (0_u8..5).prop_map(|id| TraceId([id; 16])), 1 => any::<[u8; 16]>().prop_map(TraceId)]
}

fn id() -> impl Strategy<Value = SpanId> {
    prop_oneof![4 => (0_u8..9).prop_map(|id| SpanId([0, 0, 0, 0, 0, 0, 0, id])), 1 => any::<[u8; 8]>().prop_map(SpanId)]
}

fn event() -> impl Strategy<Value = SpanEvent> {
    (time(), text(), attributes(), dropped()).prop_map(|(time_ns, name, attributes, dropped_attributes)| {
        SpanEvent { time_ns, name, attributes, dropped_attributes }
    })
}

fn link() -> impl Strategy<Value = Link> {
    (trace(), id(), text(), attributes(), dropped(), dropped()).prop_map(
        |(trace, span, trace_state, attributes, dropped_attributes, flags)| Link {
            trace,
            span,
            trace_state,
            attributes,
            dropped_attributes,
            flags,
        },
    )
}

fn resource() -> impl Strategy<Value = Resource> {
    (attributes(), dropped(), text()).prop_map(|(attributes, dropped_attributes, schema_url)| Resource {
        attributes,
        dropped_attributes,
        schema_url,
    })
}

fn scope() -> impl Strategy<Value = InstrumentationScope> {
    (text(), text(), attributes(), dropped(), text()).prop_map(
        |(name, version, attributes, dropped_attributes, schema_url)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes,
            schema_url,
        },
    )
}

fn span() -> impl Strategy<Value = (Span, usize, usize)> {
    let rare = |texts: BoxedStrategy<Box<str>>| prop_oneof![3 => Just("".into()), 1 => texts];
    let head =
        (trace(), id(), id(), rare(text().boxed()), prop_oneof![Just(1), Just(0x101), any::<u32>()], text());
    let middle = (0_u64..6, 0_u64..3, time(), time(), rare(text().boxed()), attributes());
    let tail = (
        dropped(),
        prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(event(), 0..4)],
        dropped(),
        prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(link(), 0..3)],
        dropped(),
        any::<usize>(),
        any::<usize>(),
    );
    (head, middle, tail).prop_map(|(head, middle, tail)| {
        let (trace, id, parent, trace_state, flags, name) = head;
        let (kind, status, start_ns, end_ns, status_message, attributes) = middle;
        let (dropped_attributes, events, dropped_events, links, dropped_links, resource, scope) = tail;
        let span = Span {
            trace,
            id,
            parent,
            trace_state,
            flags,
            name,
            kind: SpanKind::from_number(kind),
            start_ns,
            end_ns,
            status: Status::from_number(status),
            status_message,
            attributes,
            dropped_attributes,
            events,
            dropped_events,
            links,
            dropped_links,
            ..Span::default()
        };
        (span, resource, scope)
    })
}

/// Spans, of some resources and scopes, which they share or not.
pub(super) fn spans() -> impl Strategy<Value = Vec<Span>> {
    (
        prop::collection::vec(span(), 0..40),
        prop::collection::vec(resource(), 1..4),
        prop::collection::vec(scope(), 1..4),
        any::<bool>(),
    )
        .prop_map(|(spans, resources, scopes, shared)| {
            let resources: Vec<_> = resources.into_iter().map(Arc::new).collect();
            let scopes: Vec<_> = scopes.into_iter().map(Arc::new).collect();
            let give = |(mut span, resource, scope): (Span, usize, usize)| {
                span.resource = Arc::clone(&resources[resource % resources.len()]);
                span.scope = Arc::clone(&scopes[scope % scopes.len()]);
                if !shared {
                    span.resource = Arc::new((*span.resource).clone());
                }
                span
            };
            spans.into_iter().map(give).collect()
        })
}
