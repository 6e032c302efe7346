//! Queries of all kinds.

use proptest::prelude::*;
use proptest::sample::select;
use weir_signal::{SpanKind, Status};
use weir_traceql::Value;
use weir_traceql::ast::{
    Aggregate, AggregateOp, Attribute, AttributeScope, Compare, Field, FieldOp, First, Hint, Intrinsic,
    Measure, Metrics, Outcome, Pattern, Pipeline, Query, Relation, Root, Scalar, ScalarFilter, Second, Spans,
    SpansBinary, SpansOp, Stage,
};

const COMPARISONS: [FieldOp; 6] = [
    FieldOp::Equal,
    FieldOp::NotEqual,
    FieldOp::Less,
    FieldOp::LessOrEqual,
    FieldOp::Greater,
    FieldOp::GreaterOrEqual,
];
const ARITHMETIC: [FieldOp; 6] =
    [FieldOp::Add, FieldOp::Sub, FieldOp::Mul, FieldOp::Div, FieldOp::Mod, FieldOp::Pow];
const NUMBERS: [Intrinsic; 4] =
    [Intrinsic::Duration, Intrinsic::ChildCount, Intrinsic::NestedSetParent, Intrinsic::EventTimeSinceStart];
const TEXTS: [Intrinsic; 4] =
    [Intrinsic::Name, Intrinsic::RootService, Intrinsic::TraceId, Intrinsic::EventName];

fn named() -> impl Strategy<Value = Attribute> {
    let scopes = [
        AttributeScope::Either,
        AttributeScope::Span,
        AttributeScope::Resource,
        AttributeScope::Event,
        AttributeScope::Link,
        AttributeScope::Instrumentation,
    ];
    let name =
        prop_oneof!["[a-z.]{1,8}", "[a-z0-9\"\\\\ ={}+-]{0,8}", "(span|resource)[.]x", any::<String>()];
    (any::<bool>(), select(scopes.to_vec()), name).prop_map(|(of_parent, scope, name)| {
        let can_be_of_parent =
            matches!(scope, AttributeScope::Either | AttributeScope::Span | AttributeScope::Resource);
        Attribute::Named { of_parent: of_parent && can_be_of_parent, scope, name: name.into() }
    })
}

fn attribute() -> impl Strategy<Value = Attribute> {
    prop_oneof![3 => named(), 1 => select(&NUMBERS).prop_map(Attribute::Intrinsic), 1 => select(&TEXTS).prop_map(Attribute::Intrinsic)]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-5_i64..9).prop_map(Value::Int),
        any::<i64>().prop_map(Value::Int),
        (-i64::MAX..=i64::MAX).prop_map(Value::Duration),
        any::<f64>().prop_filter("no number", |value| value.is_finite()).prop_map(Value::Float),
    ]
}

/// A number of a span, or one that none has.
fn numeric() -> BoxedStrategy<Field> {
    let leaf = prop_oneof![
        number().prop_map(Field::Value),
        named().prop_map(Field::Attribute),
        select(&NUMBERS).prop_map(|intrinsic| Field::Attribute(Attribute::Intrinsic(intrinsic))),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            3 => (select(&ARITHMETIC), inner.clone(), inner.clone())
                .prop_map(|(op, lhs, rhs)| Field::Binary(op, Box::new(lhs), Box::new(rhs))),
            1 => inner.prop_filter("has its own sign", |field| !matches!(field, Field::Value(_)))
                .prop_map(|field| Field::Negative(Box::new(field))),
        ]
    })
    .boxed()
}

fn text() -> impl Strategy<Value = Field> {
    prop_oneof![
        any::<String>().prop_map(|text| Field::Value(Value::Text(text.into()))),
        named().prop_map(Field::Attribute),
        select(&TEXTS).prop_map(|intrinsic| Field::Attribute(Attribute::Intrinsic(intrinsic))),
    ]
}

fn condition() -> BoxedStrategy<Field> {
    let boxed = Box::<Field>::new;
    let kinds = [SpanKind::Unspecified, SpanKind::Internal, SpanKind::Server, SpanKind::Client];
    let leaf = prop_oneof![
        any::<bool>().prop_map(|value| Field::Value(Value::Bool(value))),
        named().prop_map(Field::Attribute),
        (select(&COMPARISONS), numeric(), numeric()).prop_map(move |(op, lhs, rhs)| Field::Binary(
            op,
            boxed(lhs),
            boxed(rhs)
        )),
        (select(&COMPARISONS), text(), text()).prop_map(move |(op, lhs, rhs)| Field::Binary(
            op,
            boxed(lhs),
            boxed(rhs)
        )),
        (select(&COMPARISONS[..2]), select(&[Status::Unset, Status::Ok, Status::Error])).prop_map(
            move |(op, status)| {
                let field = Field::Attribute(Attribute::Intrinsic(Intrinsic::Status));
                Field::Binary(op, boxed(field), boxed(Field::Value(Value::Status(status))))
            }
        ),
        (select(&COMPARISONS[..2]), select(kinds.to_vec())).prop_map(move |(op, kind)| {
            let field = Field::Attribute(Attribute::Intrinsic(Intrinsic::Kind));
            Field::Binary(op, boxed(field), boxed(Field::Value(Value::Kind(kind))))
        }),
        numeric().prop_map(move |field| Field::Exists(boxed(field))),
        named()
            .prop_map(move |attribute| Field::Missing(boxed(Field::Attribute(attribute))))
            .prop_filter("always there", |field| !format!("{field:?}").contains("service.name")),
        (text(), "[a-z.*|\"\n]{0,6}").prop_filter_map("no pattern", move |(text, pattern)| {
            Some(Field::Matches(boxed(text), Pattern::new(&pattern).ok()?))
        }),
        (text(), "[a-z.]{0,6}").prop_filter_map("no pattern", move |(text, pattern)| {
            Some(Field::MatchesNot(boxed(text), Pattern::new(&pattern).ok()?))
        }),
    ];
    leaf.prop_recursive(4, 16, 2, move |inner| {
        prop_oneof![
            (
                select(&[FieldOp::And, FieldOp::Or, FieldOp::Equal, FieldOp::NotEqual]),
                inner.clone(),
                inner.clone()
            )
                .prop_map(move |(op, lhs, rhs)| Field::Binary(op, boxed(lhs), boxed(rhs))),
            inner.clone().prop_map(move |field| Field::Not(boxed(field))),
            inner.prop_map(move |field| Field::Exists(boxed(field))),
        ]
    })
    .boxed()
}

fn aggregate() -> impl Strategy<Value = Scalar> {
    let of_span = (numeric(), named()).prop_map(|(field, attribute)| {
        Field::Binary(FieldOp::Add, Box::new(field), Box::new(Field::Attribute(attribute)))
    });
    let ops = [AggregateOp::Max, AggregateOp::Min, AggregateOp::Avg, AggregateOp::Sum];
    prop_oneof![
        Just(Aggregate { op: AggregateOp::Count, field: None }),
        (select(ops.to_vec()), of_span).prop_map(|(op, field)| Aggregate { op, field: Some(field) }),
    ]
    .prop_map(Scalar::Aggregate)
}

fn scalar() -> BoxedStrategy<Scalar> {
    aggregate()
        .prop_recursive(3, 6, 2, |inner| {
            let value = number().prop_map(Scalar::Value).boxed();
            let pair = prop_oneof![
                (inner.clone(), inner.clone()),
                (inner.clone(), value.clone()),
                (value, inner.clone()),
            ];
            (select(&ARITHMETIC), pair)
                .prop_map(|(op, (lhs, rhs))| Scalar::Binary(op, Box::new(lhs), Box::new(rhs)))
        })
        .boxed()
}

fn spans_op() -> impl Strategy<Value = SpansOp> {
    let relations =
        [Relation::Child, Relation::Parent, Relation::Descendant, Relation::Ancestor, Relation::Sibling];
    prop_oneof![
        Just(SpansOp::And),
        Just(SpansOp::Or),
        (select(relations.to_vec()), select(&[Outcome::Right, Outcome::Without, Outcome::Both]))
            .prop_map(|(relation, outcome)| SpansOp::Structural(relation, outcome)),
    ]
}

fn stage(spans: BoxedStrategy<Spans>) -> BoxedStrategy<Stage> {
    prop_oneof![
        4 => spans.prop_map(Stage::Spans),
        2 => (select(&COMPARISONS), scalar(), prop_oneof![scalar(), number().prop_map(Scalar::Value).boxed()])
            .prop_map(|(op, lhs, rhs)| Stage::Filter(ScalarFilter { op, lhs, rhs })),
        1 => attribute().prop_map(|attribute| Stage::By(Field::Attribute(attribute))),
        1 => Just(Stage::Coalesce),
        1 => prop::collection::vec(attribute(), 1..3).prop_map(Stage::Select),
    ]
    .boxed()
}

fn pipeline(spans: BoxedStrategy<Spans>) -> BoxedStrategy<Pipeline> {
    let first = stage(spans.clone()).prop_filter("stands first", |stage| *stage != Stage::Coalesce);
    (first, prop::collection::vec(stage(spans), 0..3))
        .prop_map(|(first, more)| Pipeline { stages: [vec![first], more].concat() })
        .boxed()
}

fn spans() -> BoxedStrategy<Spans> {
    let leaf = prop::option::weighted(0.8, condition()).prop_map(Spans::Filter).boxed();
    leaf.prop_recursive(3, 8, 2, |inner| {
        let longer = |pipeline: &Pipeline| !matches!(pipeline.stages[..], [Stage::Spans(_)]);
        prop_oneof![
            4 => (spans_op(), inner.clone(), inner.clone())
                .prop_map(|(op, lhs, rhs)| Spans::Binary(Box::new(SpansBinary { op, lhs, rhs }))),
            1 => pipeline(inner.boxed()).prop_filter("nothing to put in parentheses", longer).prop_map(Spans::Pipeline),
        ]
    })
    .boxed()
}

fn measure() -> impl Strategy<Value = Measure> {
    let of: [fn(Attribute) -> Measure; 5] =
        [Measure::Min, Measure::Max, Measure::Sum, Measure::Avg, Measure::Histogram];
    prop_oneof![
        Just(Measure::Rate),
        Just(Measure::Count),
        (select(of.to_vec()), attribute()).prop_map(|(of, attribute)| of(attribute)),
        (attribute(), prop::collection::vec(0.0..=1.0, 1..3))
            .prop_map(|(attribute, quantiles)| Measure::Quantile(attribute, quantiles)),
    ]
}

fn metrics() -> BoxedStrategy<Metrics> {
    let leaf = (pipeline(spans()), measure(), prop::collection::vec(attribute(), 0..3))
        .prop_map(|(pipeline, function, by)| Metrics::First(Box::new(First { pipeline, function, by })));
    let four = &ARITHMETIC[..4];
    let number = any::<f64>().prop_filter("no number", |value| value.is_finite());
    let second = prop_oneof![
        (1_u32..9).prop_map(Second::TopK),
        (1_u32..9).prop_map(Second::BottomK),
        (select(&COMPARISONS), number).prop_map(|(op, number)| Second::Filter(op, number)),
        (select(four), -9.0..9.0).prop_map(|(op, number)| Second::WithNumber(op, number)),
        (select(four), -9.0..9.0).prop_map(|(op, number)| Second::NumberWith(number, op)),
    ];
    leaf.prop_recursive(3, 6, 2, move |inner| {
        prop_oneof![
            (inner.clone(), second.clone())
                .prop_map(|(metrics, second)| Metrics::Second(Box::new(metrics), second)),
            (select(four), inner.clone(), inner).prop_map(|(op, lhs, rhs)| Metrics::Binary(
                op,
                Box::new(lhs),
                Box::new(rhs)
            )),
        ]
    })
    .boxed()
}

fn compare() -> impl Strategy<Value = Metrics> {
    let within = prop::option::of((1_i64..99, 100_i64..999));
    (pipeline(spans()), prop::option::of(condition()), 1_u32..=1000, within).prop_map(
        |(pipeline, selection, top, within)| {
            let function = Measure::Compare(Box::new(Compare { selection, top, within }));
            Metrics::First(Box::new(First { pipeline, function, by: Vec::new() }))
        },
    )
}

/// Any query.
pub(crate) fn query() -> impl Strategy<Value = Query> {
    let root = prop_oneof![
        4 => pipeline(spans()).prop_map(Root::Spans),
        3 => metrics().prop_map(Root::Metrics),
        1 => compare().prop_map(Root::Metrics),
    ];
    let hint =
        ("[a-z_]{1,8}x", prop_oneof![any::<bool>().prop_map(Value::Bool), (0_i64..9).prop_map(Value::Int)])
            .prop_map(|(name, value)| Hint { name: name.into(), value });
    (root, prop::collection::vec(hint, 0..3)).prop_map(|(root, hints)| Query { root, hints })
}

/// A piece of a query, or of none.
pub(crate) fn word() -> impl Strategy<Value = String> {
    let known = [
        "{",
        "}",
        "(",
        ")",
        " ",
        "|",
        "||",
        "&&",
        "=",
        "!=",
        "=~",
        "!~",
        ">",
        ">>",
        "<<",
        "!>",
        "&>",
        "~",
        "&~",
        ".a",
        "span.b",
        "parent.",
        "event:name",
        "resource.service.name",
        "name",
        "duration",
        "1",
        "-",
        "1.5",
        "5ms",
        "\"x\"",
        "`",
        "nil",
        "true",
        "error",
        "count()",
        "max(",
        "by(",
        "select(",
        "coalesce()",
        " | rate()",
        " by (",
        "topk(1)",
        "with(a=1)",
        ",",
        "!",
        "^",
        "+",
        "*",
        "/",
        "%",
        "//",
        "/*",
        "*/",
        "\n",
        "quantile_over_time(",
        "compare(",
    ];
    prop_oneof![9 => select(known.to_vec()).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)]
}
