//! What queries select of a few small traces.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::sync::Arc;

use weir_signal::{
    Attribute, InstrumentationScope, Limits, Link, Resource, Scope, Span, SpanEvent, SpanId, SpanKind,
    Status, Tenant, TraceId, Value,
};
use weir_traceql::memory::MemoryTraces;
use weir_traceql::{Found, SearchOptions, Step, conditions, metrics, parse, search};

const MS: i64 = 1_000_000;

fn id(id: u64) -> SpanId {
    SpanId(id.to_be_bytes())
}

fn attribute(key: &str, value: Value) -> Attribute {
    Attribute { key: key.into(), value }
}

/// A span: trace, id, parent, service, name, kind, start and end in milliseconds.
fn span(at: (u8, u64, u64), service: &str, name: &str, kind: SpanKind, start: i64, end: i64) -> Span {
    let attributes = vec![Attribute::string("service.name", service), Attribute::string("zone", "north")];
    let scope = InstrumentationScope { name: "lib".into(), version: "1.2".into(), ..Default::default() };
    Span {
        trace: TraceId([at.0; 16]),
        id: id(at.1),
        parent: id(at.2),
        name: name.into(),
        kind,
        start_ns: start * MS,
        end_ns: end * MS,
        resource: Arc::new(Resource { attributes, ..Resource::default() }),
        scope: Arc::new(scope),
        ..Span::default()
    }
}

/// Trace 1: a gateway (1) calls (2) a cart (3), which asks its database twice (4, 5); then it renders (6).
/// Trace 2: a batch (1) with a step (2) whose end has not come, and an orphan (9).
fn traces() -> MemoryTraces {
    let mut traces = MemoryTraces::new();
    traces.push(span((1, 1, 0), "gateway", "GET /cart", SpanKind::Server, 1000, 1100));
    traces.push(span((1, 2, 1), "gateway", "call", SpanKind::Client, 1010, 1060));
    traces.push(Span {
        status: Status::Error,
        status_message: "boom".into(),
        attributes: vec![
            attribute("size", Value::Int(3)),
            attribute("price", Value::Double(2.5)),
            attribute("paid", Value::Bool(true)),
            attribute("zone", Value::String("south".into())),
            attribute("tags", Value::Array(vec![Value::String("a".into()), Value::String("b".into())])),
            attribute("sizes", Value::Array(vec![Value::Int(1), Value::Int(9)])),
            attribute("nothing", Value::Empty),
        ],
        ..span((1, 3, 2), "cart", "get", SpanKind::Server, 1012, 1055)
    });
    let event = |name: &str, at: i64, kind: &str| SpanEvent {
        time_ns: at * MS,
        name: name.into(),
        attributes: vec![Attribute::string("type", kind)],
        dropped_attributes: 0,
    };
    traces.push(Span {
        events: vec![event("exception", 1025, "Timeout"), event("retry", 1028, "Again")],
        attributes: vec![attribute("size", Value::Int(5))],
        ..span((1, 4, 3), "cart", "db", SpanKind::Client, 1020, 1030)
    });
    traces.push(span((1, 5, 3), "cart", "db", SpanKind::Client, 1031, 1040));
    traces.push(Span {
        links: vec![Link { trace: TraceId([2; 16]), span: id(9), ..Link::default() }],
        ..span((1, 6, 1), "gateway", "render", SpanKind::Internal, 1070, 1090)
    });
    traces.push(span((2, 1, 0), "batch", "nightly", SpanKind::Internal, 5000, 5400));
    traces.push(span((2, 2, 1), "batch", "step", SpanKind::Internal, 5100, 5000));
    traces.push(span((2, 9, 77), "batch", "orphan", SpanKind::Consumer, 5150, 5200));
    traces
}

fn scope() -> Scope {
    Scope::new(Tenant::default(), Limits::default())
}

const ALL: SearchOptions = SearchOptions { from_ns: 0, to_ns: 1 << 62, limit: 20, spans_per_set: 20 };

/// `1: 3 4 {count()=2} | 2: 1`: the ids of the spans of each set of each trace.
fn written(found: &[Found]) -> String {
    let set = |set: &weir_traceql::SpanSet| {
        let ids: Vec<String> =
            set.spans.iter().map(|span| u64::from_be_bytes(span.id.0).to_string()).collect();
        let told: Vec<String> =
            set.attributes.iter().map(|(name, value)| format!(" {{{name}={value}}}")).collect();
        ids.join(" ") + &told.concat()
    };
    let trace = |found: &Found| {
        let sets: Vec<String> = found.sets.iter().map(set).collect();
        format!("{}: {}", found.trace.0[0], sets.join(", "))
    };
    found.iter().map(trace).collect::<Vec<_>>().join(" | ")
}

#[track_caller]
fn check(query: &str, expect: &str) {
    let found = search(&parse(query).unwrap(), &traces(), &scope(), &ALL).unwrap();
    assert_eq!(written(&found), expect, "{query}");
}

#[test]
fn attributes_and_what_has_them() {
    check("{ }", "2: 1 2 9 | 1: 1 2 3 4 5 6");
    check("{ span.size = 3 }", "1: 3");
    check("{ .size >= 3 }", "1: 3 4");
    check("{ .size = 3.0 && .price = 2.5 && .paid = true }", "1: 3");
    check("{ .paid }", "1: 3");
    check("{ .size > 1 && .size < 4 }", "1: 3");
    check("{ .zone = \"north\" && name =~ \"db|get\" }", "1: 4 5");
    check("{ .zone = \"south\" }", "1: 3");
    check("{ resource.zone = \"north\" && span.zone != nil }", "1: 3");
    check("{ resource.service.name = \"cart\" }", "1: 3 4 5");
    check("{ parent.size = 3 }", "1: 4 5");
    check("{ parent.resource.service.name = \"gateway\" && .service.name = \"cart\" }", "1: 3");
    check(
        "{ instrumentation:name = \"lib\" && instrumentation:version > \"1.1\" && span:childCount = 2 }",
        "1: 1 3",
    );
}

#[test]
fn what_every_span_has() {
    check("{ name = \"db\" }", "1: 4 5");
    check("{ status = error && statusMessage = \"boom\" }", "1: 3");
    check("{ kind = server || kind = consumer }", "2: 9 | 1: 1 3");
    check("{ duration > 40ms && duration <= 100ms }", "2: 9 | 1: 1 2 3");
    check("{ duration = 0s }", "2: 2");
    check("{ traceDuration > 100ms }", "2: 1 2 9");
    check("{ rootName = \"GET /cart\" && rootServiceName = \"gateway\" && span:id = \"6\" }", "1: 6");
    check("{ span:id = \"0000000000000009\" }", "2: 9");
    check("{ span:parentID = \"\" }", "2: 1 | 1: 1");
    check("{ span:parentID =~ \".*[13]\" }", "2: 2 | 1: 2 4 5 6");
    check("{ nestedSetParent < 0 }", "2: 1 | 1: 1");
    check("{ nestedSetParent = 0 }", "2: 9");
    check("{ nestedSetLeft = 3 && nestedSetRight = 8 }", "1: 3");
    check("{ trace:id = \"01010101010101010101010101010101\" && name = \"db\" }", "1: 4 5");
    check("{ trace:id = \"2\" }", "");
}

#[test]
fn events_and_links_need_one_that_fits() {
    check("{ event:name = \"exception\" }", "1: 4");
    check("{ event:name != \"exception\" }", "1: 4");
    check("{ event:name = \"other\" }", "");
    check("{ event.type = \"Again\" && event.type =~ \"Time.*\" }", "1: 4");
    check("{ event:timeSinceStart > 7ms }", "1: 4");
    check("{ event:timeSinceStart * 2 > 20ms }", "");
    check("{ event.type = nil && .service.name = \"cart\" }", "1: 3 5");
    check("{ link:spanID = \"9\" && link:traceID = \"02020202020202020202020202020202\" }", "1: 6");
}

#[test]
fn of_an_array_one_value_has_to_fit_or_none_at_all() {
    check("{ .tags = \"a\" }", "1: 3");
    check("{ .tags =~ \"[bc]\" }", "1: 3");
    check("{ .tags != \"a\" }", "");
    check("{ .tags != \"c\" }", "1: 3");
    check("{ .tags !~ \"[bc]\" }", "");
    check("{ .sizes > 5 && .sizes < 5 }", "1: 3");
    check("{ .sizes + 1 = 2 }", "");
}

#[test]
fn nothing_holds_for_what_is_not_there() {
    check("{ .missing != 1 }", "");
    check("{ .missing !~ \"a\" }", "");
    check("{ !.missing }", "");
    check("{ .missing = nil && name = \"db\" }", "1: 4 5");
    check("{ .nothing = nil && .paid }", "1: 3");
    check("{ .missing || name = \"db\" }", "1: 4 5");
    check("{ !(.missing = 1) && name = \"db\" }", "1: 4 5");
    // Nor between values of different types.
    check("{ .zone = 1 || .zone != 1 || .zone > 1 }", "");
    check("{ .size =~ \"3\" }", "");
}

#[test]
fn arithmetic() {
    check("{ .size * 2 + 1 = 7 }", "1: 3");
    check("{ .size / 2 = 1 }", "1: 3");
    check("{ .size / 2.0 = 1.5 }", "1: 3");
    check("{ .size % 2 = 1 && .size ^ 2 = 9 }", "1: 3");
    check("{ .size / 0 = 1 || .size % 0 = 1 }", "");
    check("{ .size / 0.0 > 1 }", "1: 3 4");
    check("{ -.size = -3 }", "1: 3");
    check("{ -duration = -10ms }", "1: 4");
    check("{ duration * 2 > traceDuration && name = \"GET /cart\" }", "1: 1");
    check("{ .zone + 1 = 2 }", "");
}

#[test]
fn selections_together() {
    check("{ name = \"db\" } && { status = error }", "1: 3 4 5");
    check("{ name = \"db\" } && { name = \"nightly\" }", "");
    check("{ name = \"db\" } || { name = \"nightly\" }", "2: 1 | 1: 4 5");
    check("{ name = \"call\" } > { }", "1: 3");
    check("{ name = \"call\" } >> { }", "1: 3 4 5");
    check("{ kind = server } >> { kind = client }", "1: 2 4 5");
    check("{ name = \"db\" } < { }", "1: 3");
    check("{ name = \"db\" } << { }", "1: 1 2 3");
    check("{ name = \"db\" } ~ { }", "1: 4 5");
    check("{ name = \"call\" } ~ { }", "1: 6");
    check("{ kind = client } !> { }", "2: 1 2 9 | 1: 1 2 4 5 6");
    check("{ kind = client } !>> { name = \"db\" }", "");
    check("{ kind = server } !< { kind = client }", "1: 4 5");
    check("{ } !~ { }", "2: 1 2 9 | 1: 1 3");
    check("{ name = \"call\" } &> { }", "1: 2 3");
    check("{ name = \"call\" } &>> { name = \"db\" }", "1: 2 4 5");
    check("{ name = \"db\" } &<< { name = \"GET /cart\" }", "1: 1 4 5");
    check("{ name = \"orphan\" } &~ { }", "");
    check("({ name = \"call\" } >> { }) && { name = \"render\" }", "1: 3 4 5 6");
}

#[test]
fn sets_on_their_way() {
    check("{ kind = client } | count() > 2", "1: 2 4 5 {count()=3}");
    check("{ kind = client } | { name = \"db\" }", "1: 4 5");
    check("{ } | avg(.size) > 3", "1: 1 2 3 4 5 6 {avg(.size)=4}");
    check(
        "{ .size > 0 } | sum(.size) = 8 | max(.size) = 5 | min(.size) = 3",
        "1: 3 4 {sum(.size)=8} {max(.size)=5} {min(.size)=3}",
    );
    check("{ name = \"db\" } | avg(duration) < 10ms", "1: 4 5 {avg(duration)=9ms500us}");
    check("{ } | max(.missing) > 0", "");
    check(
        "{ name = \"db\" } | max(duration) - min(duration) = 1ms",
        "1: 4 5 {max(duration)=10ms} {min(duration)=9ms}",
    );
    check("{ } | max(event:timeSinceStart) = 8ms", "1: 1 2 3 4 5 6 {max(event:timeSinceStart)=8ms}");
    check(
        "{ } | by(resource.service.name)",
        "2: 1 2 9 {by(resource.service.name)=batch} | 1: 1 2 6 {by(resource.service.name)=gateway}, 3 4 5 {by(resource.service.name)=cart}",
    );
    check("{ } | by(.size) | count() = 1", "1: 3 {by(.size)=3} {count()=1}, 4 {by(.size)=5} {count()=1}");
    check("{ .service.name = \"cart\" } | by(name) | count() > 1", "1: 4 5 {by(name)=db} {count()=2}");
    check("{ .size > 0 } | by(.size) | coalesce() | count() = 2", "1: 3 4 {count()=2}");
    check("{ } | by(duration > 40ms) | { name = \"db\" }", "1: 4 5 {by(duration > 40ms)=false}");
    check("({ name = \"db\" } | count() = 2) < { }", "1: 3");
    check("count() > 3", "1: 1 2 3 4 5 6 {count()=6}");
}

#[test]
fn answers_tell_what_was_asked_about() {
    let query =
        "{ .size > 2 && status = error } | select(span.zone, resource.zone, .tags, name, nestedSetParent)";
    let options = SearchOptions { spans_per_set: 1, ..ALL };
    let found = search(&parse(query).unwrap(), &traces(), &scope(), &options).unwrap();
    let [trace] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        (trace.root_service.as_deref(), trace.root_name.as_deref()),
        (Some("gateway"), Some("GET /cart"))
    );
    assert_eq!((trace.start_ns, trace.duration_ns), (1000 * MS, 100 * MS));
    let services: Vec<_> = trace.services.iter().map(|of| (&*of.service, of.spans, of.errors)).collect();
    assert_eq!(services, [("cart", 3, 1), ("gateway", 3, 0)]);
    let span = &trace.sets[0].spans[0];
    assert_eq!((&*span.name, span.start_ns, span.duration_ns), ("get", 1012 * MS, 43 * MS as u64));
    let told: Vec<String> = span.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        told,
        ["size=3", "status=error", "zone=south", "zone=north", "tags=[a, b]", "nestedSetParent=2"]
    );
}

#[test]
fn the_newest_traces_come_first_and_as_many_as_asked_for() {
    let all = |options: &SearchOptions| search(&parse("{ }").unwrap(), &traces(), &scope(), options).unwrap();
    let few = all(&SearchOptions { limit: 1, spans_per_set: 2, ..ALL });
    assert_eq!(written(&few), "2: 1 2");
    assert_eq!(few[0].sets[0].matched, 3);
    // A span has to begin in the time; then the whole trace is looked at.
    assert_eq!(
        written(&all(&SearchOptions { from_ns: 1070 * MS, to_ns: 1071 * MS, ..ALL })),
        "1: 1 2 3 4 5 6"
    );
    assert_eq!(written(&all(&SearchOptions { from_ns: 1071 * MS, to_ns: 5000 * MS, ..ALL })), "");
    assert!(search(&parse("{ } | rate()").unwrap(), &traces(), &scope(), &ALL).is_err());
}

#[test]
fn what_a_trace_needs_to_have() {
    let check = |query: &str, expect: &[&str]| {
        let told =
            |condition: &weir_signal::SpanCondition| format!("{:?} {:?}", condition.field, condition.test);
        let found: Vec<String> = conditions(&parse(query).unwrap()).iter().map(told).collect();
        assert_eq!(found, expect, "{query}");
    };
    check("{ }", &[]);
    check(
        "{ .a = 1 && span.b > 2 && resource.c =~ \"x\" }",
        &["Either(\"a\") Equal(Int(1))", "Span(\"b\") AtLeast(2.0)", "Resource(\"c\") Exists"],
    );
    check(
        "{ name = \"a\" && resource.service.name = \"b\" && status = error && kind = server && duration < 5ms }",
        &[
            "Name Equal(String(\"a\"))",
            "Service Equal(String(\"b\"))",
            "Status Equal(String(\"error\"))",
            "Kind Equal(String(\"server\"))",
            "Duration AtMost(5000000.0)",
        ],
    );
    check(
        "{ 5 < .a } | by(name) | { .a }",
        &["Either(\"a\") AtLeast(5.0)", "Either(\"a\") Equal(Bool(true))"],
    );
    check("{ .a } >> { .b }", &["Either(\"a\") Equal(Bool(true))", "Either(\"b\") Equal(Bool(true))"]);
    check("{ .a } !>> { .b }", &["Either(\"b\") Equal(Bool(true))"]);
    check("{ .a } || { .b }", &[]);
    check("{ .a || .b } | { !.c } | { .d = nil }", &[]);
    check(
        "{ rootName = \"a\" && rootServiceName = \"b\" }",
        &["Name Equal(String(\"a\"))", "Service Equal(String(\"b\"))"],
    );
    check("{ rootName = \"\" || rootName != \"x\" }", &[]);
    check("{ event.a = 1 && link:spanID = \"1\" && nestedSetParent < 0 }", &[]);
    check("({ .a > 1 } | rate()) * 2", &["Either(\"a\") AtLeast(1.0)"]);
    check("({ .a > 1 } | rate()) / ({ .b } | rate())", &[]);
}

/// `{labels} time=value …`, times in seconds.
fn series(query: &str, step_ms: i64) -> Vec<String> {
    let step = Step { from_ns: 1000 * MS, to_ns: 6000 * MS, step_ns: step_ms * MS };
    let series = metrics(&parse(query).unwrap(), &traces(), &scope(), &step, 0).unwrap();
    let one = |series: &weir_traceql::Series| {
        let labels: Vec<String> =
            series.labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
        let samples: Vec<String> =
            series.samples.iter().map(|(time, value)| format!("{}={value}", *time as f64 / 1000.0)).collect();
        format!("{{{}}} {}", labels.join(","), samples.join(" "))
    };
    series.iter().map(one).collect()
}

#[track_caller]
fn measured(query: &str, step_ms: i64, expect: &[&str]) {
    assert_eq!(series(query, step_ms), expect, "{query}");
}

#[test]
fn numbers_over_time() {
    measured("{ } | count_over_time()", 2000, &["{__name__=count_over_time} 0=0 2=6 4=0 6=3"]);
    measured("{ } | rate()", 2000, &["{__name__=rate} 0=0 2=3 4=0 6=1.5"]);
    measured("{ .missing } | rate()", 2000, &["{__name__=rate} 0=0 2=0 4=0 6=0"]);
    measured("{ .missing } | rate() by (name)", 2000, &[]);
    measured(
        "{ } | count_over_time() by (resource.service.name)",
        2000,
        &[
            "{resource.service.name=batch} 0=0 2=0 4=0 6=3",
            "{resource.service.name=cart} 0=0 2=3 4=0 6=0",
            "{resource.service.name=gateway} 0=0 2=3 4=0 6=0",
        ],
    );
    measured(
        "{ name = \"db\" } | count_over_time() by (.size, name)",
        2000,
        &["{.size=5,name=db} 0=0 2=1 4=0 6=0", "{name=db} 0=0 2=1 4=0 6=0"],
    );
    measured("{ .paid } | count_over_time() by (.missing)", 2000, &["{.missing=nil} 0=0 2=1 4=0 6=0"]);
    measured("{ } | max_over_time(duration)", 2000, &["{__name__=max_over_time} 2=0.1 6=0.4"]);
    measured("{ } | min_over_time(.size)", 2000, &["{__name__=min_over_time} 2=3"]);
    measured("{ } | sum_over_time(.size)", 2000, &["{__name__=sum_over_time} 2=8"]);
    measured("{ } | avg_over_time(.size) by (kind)", 2000, &["{kind=server} 2=3", "{kind=client} 2=5"]);
    measured(
        "{ .size > 0 } | quantile_over_time(.size, 1, 0.5)",
        2000,
        &["{p=0.5} 0=0 2=4 4=0 6=0", "{p=1} 0=0 2=8 4=0 6=0"],
    );
    measured(
        "{ } | histogram_over_time(.size)",
        2000,
        &["{__bucket=4} 0=0 2=1 4=0 6=0", "{__bucket=8} 0=0 2=1 4=0 6=0"],
    );
    measured("{ kind = server } >> { } | count_over_time()", 0, &["{__name__=count_over_time} 6=5"]);
    measured("{ } | rate()", 0, &["{__name__=rate} 6=1.8"]);
}

#[test]
fn numbers_of_numbers() {
    let by = "{ } | count_over_time() by (resource.service.name)";
    measured(
        &format!("{by} > 2"),
        2000,
        &[
            "{resource.service.name=batch} 6=3",
            "{resource.service.name=cart} 2=3",
            "{resource.service.name=gateway} 2=3",
        ],
    );
    measured(
        &format!("{by} | topk(1)"),
        2000,
        &["{resource.service.name=batch} 0=0 4=0 6=3", "{resource.service.name=cart} 2=3"],
    );
    measured(&format!("{by} | bottomk(1) > 0"), 2000, &[]);
    measured(
        &format!("({by}) * 2 - 1 > 0"),
        2000,
        &[
            "{resource.service.name=batch} 6=5",
            "{resource.service.name=cart} 2=5",
            "{resource.service.name=gateway} 2=5",
        ],
    );
    measured(
        "({ } | count_over_time()) / ({ kind = client } | count_over_time())",
        2000,
        &["{__name__=(count_over_time / count_over_time)} 2=2"],
    );
    measured(
        "100 / ({ kind = client } | count_over_time())",
        2000,
        &["{__name__=count_over_time} 2=33.333333333333336"],
    );
    measured(
        &format!("({by}) / ({{ }} | count_over_time())"),
        2000,
        &[
            "{resource.service.name=batch} 2=0 6=1",
            "{resource.service.name=cart} 2=0.5 6=0",
            "{resource.service.name=gateway} 2=0.5 6=0",
        ],
    );
    measured(
        &format!("({by}) - ({{ status = error }} | count_over_time() by (resource.service.name))"),
        2000,
        &["{resource.service.name=cart} 0=0 2=2 4=0 6=0"],
    );
}

#[test]
fn how_a_selection_differs() {
    let series = series("{ .service.name = \"cart\" } | compare({ name = \"db\" }, 1)", 0);
    let about =
        |attribute: &str| series.iter().filter(|one| one.contains(attribute)).cloned().collect::<Vec<_>>();
    assert_eq!(
        about(",name="),
        [
            "{__meta_type=baseline,name=get} 6=1",
            "{__meta_type=baseline_total,name=nil} 6=1",
            "{__meta_type=selection,name=db} 6=2",
            "{__meta_type=selection_total,name=nil} 6=2",
        ]
    );
    assert_eq!(
        about(",span.size="),
        [
            "{__meta_type=baseline,span.size=3} 6=1",
            "{__meta_type=baseline_total,span.size=nil} 6=1",
            "{__meta_type=selection,span.size=5} 6=1",
            "{__meta_type=selection_total,span.size=nil} 6=1",
        ]
    );
    assert_eq!(about("rootName").len() + about("resource.zone").len() + about("kind").len(), 12);
    assert_eq!(about("duration").len() + about(":id=").len(), 0);
}

/// `{labels} trace/span@time=value …`, ids by their last digits, times in seconds.
fn exemplars(query: &str, most: usize) -> Vec<String> {
    let step = Step { from_ns: 1000 * MS, to_ns: 6000 * MS, step_ns: 5000 * MS };
    let series = metrics(&parse(query).unwrap(), &traces(), &scope(), &step, most).unwrap();
    let one = |series: &weir_traceql::Series| {
        let labels: Vec<String> =
            series.labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
        let end = |id: String| id[id.len() - 2..].to_owned();
        let spans = series.exemplars.iter().map(|one| {
            let (trace, span) = (end(one.trace.to_string()), end(one.span.to_string()));
            format!(" {trace}/{span}@{}={}", one.time_ms as f64 / 1000.0, one.value)
        });
        format!("{{{}}}{}", labels.join(","), spans.collect::<String>())
    };
    series.iter().map(one).collect()
}

#[test]
fn metrics_tell_spans_that_they_are_of() {
    let check =
        |query: &str, most: usize, expect: &[&str]| assert_eq!(exemplars(query, most), expect, "{query}");
    check("{} | rate()", 0, &["{__name__=rate}"]);
    // Where spans are counted, a span has the value of its series; else its own, the largest of its step.
    check("{} | count_over_time()", 9, &["{__name__=count_over_time} 01/01@1=7 02/02@5.1=2"]);
    check("{} | max_over_time(duration)", 9, &["{__name__=max_over_time} 02/01@5=0.4 02/09@5.15=0.05"]);
    // Of four spans two, which lie evenly in time.
    check(
        "{} | max_over_time(duration) by (resource.service.name)",
        2,
        &[
            "{resource.service.name=batch} 02/01@5=0.4",
            "{resource.service.name=cart}",
            "{resource.service.name=gateway} 01/01@1=0.1",
        ],
    );
    check(
        "{} | quantile_over_time(duration, 0.5, 0.9)",
        9,
        &["{p=0.5}", "{p=0.9} 02/01@5=0.4 02/09@5.15=0.05"],
    );
    check(
        "{ resource.service.name = \"batch\" } | histogram_over_time(duration)",
        9,
        &["{__bucket=0.067108864} 02/09@5.15=0.05", "{__bucket=0.536870912} 02/01@5=0.4"],
    );
    // What is filtered away has no spans either.
    check(
        "({} | max_over_time(duration) by (resource.service.name)) > 0.1",
        9,
        &["{resource.service.name=batch} 02/01@5=0.4"],
    );
}
