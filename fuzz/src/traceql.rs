//! Queries of TraceQL, over a trace of a few spans. What is accepted is written again, and must read as the same.

use std::sync::{Arc, OnceLock};

use weir_signal::{
    Attribute, Limits, Resource, Scope, Span, SpanEvent, SpanId, SpanKind, Status, Tenant, TraceId, Value,
};
use weir_traceql::ast::Root;
use weir_traceql::memory::MemoryTraces;
use weir_traceql::{
    SearchOptions, Step, conditions, metrics, parse, parse_attribute, print, print_attribute, search,
};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "traceql",
    words: &[
        "{ ",
        " }",
        "{}",
        " && ",
        " || ",
        " = ",
        " != nil",
        " >= 1h30m",
        " =~ `a.*`",
        " ^ ",
        "-",
        "!",
        "(",
        ")",
        ".a",
        "span.\"a b\"",
        "parent.resource.service.name",
        "event:timeSinceStart",
        "duration",
        "status = error",
        "kind = server",
        "nestedSetParent < 0",
        "trace:id = \"1\"",
        " >> ",
        " !< ",
        " &~ ",
        " | count() > 1",
        " | avg(duration) > .b",
        " | by(.a)",
        " | coalesce()",
        " | select(.a, name)",
        " | rate() by (name)",
        " | quantile_over_time(duration, .5, 0.99)",
        " | histogram_over_time(.a)",
        " | compare({ .a }, 5, 1, 20)",
        " | topk(2)",
        " / ({} | rate())",
        " with (exemplars=true, sample=0.1)",
        "9223372036854775807",
        "1e400",
        "// a\n",
        "/* a */",
    ],
    run,
};

/// A root with two children, one of which failed, and a span whose parent has not come.
fn traces() -> &'static MemoryTraces {
    static TRACES: OnceLock<MemoryTraces> = OnceLock::new();
    TRACES.get_or_init(|| {
        let mut traces = MemoryTraces::new();
        let resource = Arc::new(Resource {
            attributes: vec![Attribute::string("service.name", "a")],
            ..Resource::default()
        });
        for (id, parent, status) in
            [(1, 0, Status::Unset), (2, 1, Status::Error), (3, 1, Status::Ok), (4, 9, Status::Unset)]
        {
            let number = Value::Int(i64::from(id) - 2);
            let list = Value::Array(vec![number.clone(), Value::Double(0.5)]);
            traces.push(Span {
                trace: TraceId([1; 16]),
                id: SpanId([id; 8]),
                parent: SpanId([parent; 8]),
                name: format!("a{id}").into(),
                kind: SpanKind::from_number(u64::from(id)),
                status,
                start_ns: i64::from(id),
                end_ns: i64::from(id) * 1_000_000_000,
                attributes: vec![
                    Attribute { key: "a".into(), value: number },
                    Attribute { key: "a b".into(), value: list },
                ],
                events: vec![SpanEvent { time_ns: 5, name: "a".into(), ..SpanEvent::default() }],
                resource: Arc::clone(&resource),
                ..Span::default()
            });
        }
        traces
    })
}

fn run(input: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(input) else { return 0 };
    if let Ok(attribute) = parse_attribute(text) {
        let again = parse_attribute(&print_attribute(&attribute));
        assert!(again.is_ok_and(|again| again == attribute), "another attribute came back");
    }
    let query = match parse(text) {
        Ok(query) => query,
        Err(error) => {
            assert!(error.start <= error.end && error.end as usize <= text.len(), "{error}");
            let words = error.message.split(['`', '"']).next().unwrap_or_default();
            return hash(words.as_bytes());
        }
    };
    let line = print(&query);
    match parse(&line) {
        Ok(again) => assert_eq!(print(&again), line, "another query came back"),
        // Escapes may make a text longer than it may be.
        Err(error) => assert!(error.message.contains("too long"), "{error} in what was written"),
    }
    let needed = conditions(&query).len();
    let scope = Scope::new(Tenant::default(), Limits::default());
    let found = match &query.root {
        Root::Spans(_) => {
            let options = SearchOptions { from_ns: 0, to_ns: 100, limit: 10, spans_per_set: 3 };
            search(&query, traces(), &scope, &options).map_or(99, |found| found.len())
        }
        Root::Metrics(_) => {
            let step = Step { from_ns: 0, to_ns: 100, step_ns: 10 };
            metrics(&query, traces(), &scope, &step, 5).map_or(99, |series| series.len())
        }
    };
    let shape: String = line.chars().filter(|c| !c.is_ascii_alphanumeric()).take(12).collect();
    hash(format!("{needed} {found} {shape}").as_bytes())
}
