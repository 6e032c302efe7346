//! What queries answer over a minute of TrainTicket: 53 traces with 4,445 spans.
//!
//! They are CSV: trace, span, parent, pod, operation, start, end. Kinds follow from the operations: a path is served, HTTP and
//! SQL are asked for.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(clippy::print_stdout, reason = "says that it was not run")]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use weir_signal::{
    Attribute, Limits, Resource, Scope, Span, SpanCondition, SpanField, SpanId, SpanKind, SpanTest, Tenant,
    TraceId, TraceSource, Value,
};
use weir_traceql::memory::MemoryTraces;
use weir_traceql::{Found, SearchOptions, Step, conditions, metrics, parse, search};

fn archive() -> Option<PathBuf> {
    let shared = std::env::var_os("WEIR_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = shared.join("data/nezha-trainticket.tar.zst");
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is not there", path.display());
    println!("not run: {} is not there", path.display());
    None
}

/// The first file of traces in the archive.
fn first_file() -> Option<String> {
    let mut decoder = zstd::stream::read::Decoder::new(std::fs::File::open(archive()?).unwrap()).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut head = [0; 512];
    loop {
        decoder.read_exact(&mut head).unwrap();
        let text = |from: usize, to: usize| {
            String::from_utf8_lossy(&head[from..to]).trim_end_matches(['\0', ' ']).to_owned()
        };
        let size = usize::from_str_radix(&text(124, 136), 8).unwrap();
        let mut body = vec![0; size.next_multiple_of(512)];
        decoder.read_exact(&mut body).unwrap();
        if text(0, 100).ends_with("_trace.csv") {
            body.truncate(size);
            return Some(String::from_utf8(body).unwrap());
        }
    }
}

fn span(row: &str, resources: &mut BTreeMap<String, Arc<Resource>>) -> Span {
    let fields: Vec<_> = row.split(',').collect();
    let [trace, id, parent, pod] = [0, 1, 2, 3].map(|field| fields[field]);
    // A name may have commas.
    let [start, end, _] = fields[fields.len() - 3..] else { panic!("{row}") };
    let resource = resources.entry(pod.to_owned()).or_insert_with(|| {
        let service = pod.rsplitn(3, '-').last().unwrap();
        let attributes = [("service.name", service), ("k8s.pod.name", pod)]
            .map(|(key, value)| Attribute::string(key, value));
        Arc::new(Resource { attributes: attributes.to_vec(), ..Resource::default() })
    });
    let name = fields[4..fields.len() - 3].join(",");
    Span {
        trace: TraceId::parse(trace).unwrap(),
        id: SpanId::parse(id).unwrap(),
        parent: SpanId::parse(parent).unwrap_or_default(),
        kind: match name.split(' ').next() {
            Some(path) if path.starts_with('/') => SpanKind::Server,
            Some("HTTP" | "SELECT" | "INSERT" | "UPDATE") => SpanKind::Client,
            _ => SpanKind::Internal,
        },
        name: name.into(),
        start_ns: start.parse().unwrap(),
        end_ns: end.parse().unwrap(),
        resource: Arc::clone(resource),
        ..Span::default()
    }
}

fn traces() -> Option<&'static MemoryTraces> {
    static TRACES: OnceLock<Option<MemoryTraces>> = OnceLock::new();
    let load = || {
        let mut traces = MemoryTraces::new();
        let mut resources = BTreeMap::new();
        first_file()?.lines().skip(1).for_each(|row| traces.push(span(row, &mut resources)));
        Some(traces)
    };
    TRACES.get_or_init(load).as_ref()
}

/// Around the minute: 2023-01-29 08:42 to 08:44.
const FROM_NS: i64 = 1_674_981_720_000_000_000;
const TO_NS: i64 = 1_674_981_840_000_000_000;

fn scope() -> Scope {
    Scope::new(Tenant::default(), Limits::default())
}

/// How many traces, sets and spans; the newest trace, its root and what its first set was told.
fn summary(found: &[Found]) -> String {
    let sets: usize = found.iter().map(|trace| trace.sets.len()).sum();
    let spans: usize = found.iter().flat_map(|trace| &trace.sets).map(|set| set.matched).sum();
    let first = found.first().map_or(String::new(), |trace| {
        let set = &trace.sets[0];
        let told: Vec<String> =
            set.attributes.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let root = trace.root_service.as_deref().unwrap_or_default();
        let id = trace.trace.to_string();
        format!(
            "; {} {root} {}: {} of {}{}",
            &id[..8],
            trace.duration_ns / 1_000,
            set.matched,
            trace.services.len(),
            told.concat()
        )
    });
    format!("{} {sets} {spans}{first}", found.len())
}

include!("trainticket/answers.rs");

#[test]
fn searches() {
    let Some(traces) = traces() else { return };
    let options = SearchOptions { from_ns: FROM_NS, to_ns: TO_NS, limit: 1000, spans_per_set: 3 };
    let answer = |query: &str| summary(&search(&parse(query).unwrap(), traces, &scope(), &options).unwrap());
    compare(SEARCHES, answer);
}

#[test]
fn series() {
    let Some(traces) = traces() else { return };
    let step = Step { from_ns: FROM_NS, to_ns: TO_NS, step_ns: 60_000_000_000 };
    let answer = |query: &str| {
        let series = metrics(&parse(query).unwrap(), traces, &scope(), &step, 0).unwrap();
        let one = |series: &weir_traceql::Series| {
            let labels: Vec<String> =
                series.labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
            let values: Vec<String> = series.samples.iter().map(|(_, value)| format!("{value:.6}")).collect();
            let values: Vec<&str> =
                values.iter().map(|value| value.trim_end_matches('0').trim_end_matches('.')).collect();
            format!("{{{}}} {}", labels.join(","), values.join(" "))
        };
        let first: Vec<String> = series.iter().take(3).map(one).collect();
        format!("{}: {}", series.len(), first.join("; "))
    };
    compare(SERIES, answer);
}

/// Each condition that a query gives holds for a span of each trace that it finds.
#[test]
fn conditions_are_necessary() {
    let Some(traces) = traces() else { return };
    let options = SearchOptions { from_ns: FROM_NS, to_ns: TO_NS, limit: 1000, spans_per_set: 1 };
    let mut checked = 0;
    for (query, _) in SEARCHES {
        let query = parse(query).unwrap();
        for found in search(&query, traces, &scope(), &options).unwrap() {
            let trace = traces.trace(&scope(), found.trace, None).unwrap().unwrap();
            for condition in conditions(&query) {
                assert!(trace.spans.iter().any(|span| meets(span, &condition)), "{query:?} {condition:?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 500, "{checked}");
}

fn meets(span: &Span, condition: &SpanCondition) -> bool {
    let text = |text: &str| Some(Value::String(text.into()));
    let find = |attributes: &[Attribute], key: &str| {
        attributes.iter().find(|attribute| &*attribute.key == key).map(|attribute| attribute.value.clone())
    };
    let value = match &condition.field {
        SpanField::Name => text(&span.name),
        SpanField::Service => text(span.resource.service()),
        SpanField::Duration => Some(Value::Int(span.duration_ns() as i64)),
        SpanField::Status => text(span.status.as_str()),
        SpanField::Kind => text(span.kind.as_str()),
        SpanField::Span(key) => find(&span.attributes, key),
        SpanField::Resource(key) => find(&span.resource.attributes, key),
        SpanField::Either(key) => {
            find(&span.attributes, key).or_else(|| find(&span.resource.attributes, key))
        }
    };
    match (&condition.test, value) {
        (SpanTest::Exists, found) => found.is_some(),
        (SpanTest::Equal(wanted), Some(found)) => *wanted == found,
        (SpanTest::AtLeast(least), Some(Value::Int(found))) => found as f64 >= *least,
        (SpanTest::AtMost(most), Some(Value::Int(found))) => found as f64 <= *most,
        _ => false,
    }
}

/// All differences at once, as the table would have them.
fn compare(table: &[(&str, &str)], answer: impl Fn(&str) -> String) {
    let answers: Vec<(&str, String)> = table.iter().map(|(query, _)| (*query, answer(query))).collect();
    let differ = table.iter().zip(&answers).filter(|(row, answer)| row.1 != answer.1);
    let differ: Vec<String> =
        differ.map(|(_, (query, answer))| format!("    (r#\"{query}\"#, r#\"{answer}\"#),")).collect();
    assert!(differ.is_empty(), "answers that the table does not have:\n{}", differ.join("\n"));
}
