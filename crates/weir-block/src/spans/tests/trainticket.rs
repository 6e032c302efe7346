//! The traces of TrainTicket.
//!
//! They are CSV: trace, span, parent, pod, operation, start, end. Sent as an SDK sends them: the pod and its service are the
//! resource.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use weir_signal::{InstrumentationScope, Resource, SpanCondition, SpanField, SpanId, SpanKind, SpanTest};

use super::*;

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

/// The spans of the first `files_max` files, in order of their traces' first starts.
fn load(files_max: usize) -> Option<Vec<Span>> {
    let file = std::fs::File::open(archive()?).unwrap();
    let mut decoder = zstd::stream::read::Decoder::new(file).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut traces: BTreeMap<TraceId, Vec<Span>> = BTreeMap::new();
    let mut resources: BTreeMap<String, Arc<Resource>> = BTreeMap::new();
    let scope = Arc::new(InstrumentationScope { name: "train-ticket".into(), ..Default::default() });
    let (mut files, mut head) = (0, [0; 512]);
    while files < files_max && decoder.read_exact(&mut head).is_ok() && head[0] != 0 {
        let text = |from: usize, to: usize| {
            String::from_utf8_lossy(&head[from..to]).trim_end_matches(['\0', ' ']).to_owned()
        };
        let size = usize::from_str_radix(&text(124, 136), 8).unwrap();
        let mut body = vec![0; size.next_multiple_of(512)];
        decoder.read_exact(&mut body).unwrap();
        if text(0, 100).ends_with("_trace.csv") {
            files += 1;
            for row in std::str::from_utf8(&body[..size]).unwrap().lines().skip(1) {
                let span = parse(row, &mut resources, &scope);
                traces.entry(span.trace).or_default().push(span);
            }
        }
    }
    let mut traces: Vec<_> = traces.into_values().collect();
    traces.sort_by_key(|spans| spans.iter().map(|span| span.start_ns).min());
    Some(traces.concat())
}

fn parse(
    row: &str,
    resources: &mut BTreeMap<String, Arc<Resource>>,
    scope: &Arc<InstrumentationScope>,
) -> Span {
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
    Span {
        trace: TraceId::parse(trace).unwrap(),
        id: SpanId::parse(id).unwrap(),
        parent: SpanId::parse(parent).unwrap_or_default(),
        name: fields[4..fields.len() - 3].join(",").into(),
        kind: SpanKind::Internal,
        start_ns: start.parse().unwrap(),
        end_ns: end.parse().unwrap(),
        flags: 1,
        resource: Arc::clone(resource),
        scope: Arc::clone(scope),
        ..Span::default()
    }
}

/// Bytes a span.
fn check(spans: &[Span], options: SpanWriterOptions) -> f64 {
    let begin = worked();
    let files = Files::write(spans, options);
    let write_time = worked_since(begin);
    let segment = files.open().unwrap();
    let begin = worked();
    let found = read_all(&segment);
    let read_time = worked_since(begin);
    assert!(by_trace(&found) == by_trace(spans), "other spans came back");
    let bytes = files.size() as f64 / spans.len() as f64;
    let speed = |time: Duration| spans.len() as f64 / time.as_secs_f64();
    println!(
        "{:?}: {} spans in {} blocks -> data {} + index {} + filter {}: {bytes:.2} bytes a span; in {:.0}, out {:.0} spans/s",
        options.effort,
        spans.len(),
        segment.summary().blocks,
        files.0[0].len(),
        files.0[1].len(),
        files.0[2].len(),
        speed(write_time),
        speed(read_time),
    );
    let trace = spans[spans.len() / 2].trace;
    let begin = Instant::now();
    let found = segment.trace(trace).unwrap();
    println!("  a trace: {} spans in {:?}", found.len(), begin.elapsed());
    assert_eq!(found, by_trace(spans)[&trace]);
    let name = |name: &str| SpanCondition {
        field: SpanField::Name,
        test: SpanTest::Equal(Value::String(name.into())),
    };
    assert!(
        segment.candidates(i64::MIN, i64::MAX, Some(&name("nobody calls it so")), &mut Strict).unwrap().len()
            < 3
    );
    bytes
}

#[test]
fn a_part_of_trainticket_comes_back_small() {
    let Some(spans) = load(12) else { return };
    assert!(check(&spans, SMALL) < 18.0);
    assert!(check(&spans, FAST) < 24.0);
}

/// In release: `cargo test --release -p weir-block spans::tests::trainticket -- --ignored --nocapture`.
#[test]
#[ignore = "takes a while, and says something about speed only in release"]
fn trainticket_takes_at_most_18_bytes_a_span() {
    let Some(spans) = load(usize::MAX) else { return };
    assert!(check(&spans, FAST) < 24.0);
    assert!(check(&spans, SMALL) <= 18.0);
}
