//! Segments as a whole.

mod arbitrary;
mod properties;
mod sdk;
mod trainticket;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use weir_signal::{Attribute, Span, TraceId, Value};

use super::*;
use crate::pack::Effort;
use crate::read::{InMemory, Strict};

const SMALL: SpanWriterOptions = SpanWriterOptions { effort: Effort::Small, block_spans: 8192 };
const FAST: SpanWriterOptions = SpanWriterOptions { effort: Effort::Fast, block_spans: 8192 };

/// Data, index and filter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Files([Vec<u8>; 3]);

const NAMES: [&str; 3] = ["data", "index", "filter"];

impl Files {
    fn write(spans: &[Span], options: SpanWriterOptions) -> Self {
        let mut writer = SpanSegmentWriter::new(options);
        let mut data = Vec::new();
        for span in spans {
            writer.push(span).unwrap();
            data.append(&mut writer.take_data());
        }
        let finished = writer.finish();
        data.extend(finished.data);
        let files = Self([data, finished.index, finished.filter]);
        assert_eq!(files.open().unwrap().summary(), finished.summary);
        files
    }

    fn open(&self) -> Result<SpanSegment, weir_signal::ReadError> {
        let [data, index, filter] = [0, 1, 2].map(|file| -> Arc<dyn crate::read::ReadAt> {
            Arc::new(InMemory::new(NAMES[file], self.0[file].clone()))
        });
        SpanSegment::open(index, data, Ok(filter))
    }

    fn size(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

/// A span as bits, so that NaNs are equal to themselves.
fn bits(span: &Span) -> String {
    format!(
        "{:?}",
        Span { attributes: span.attributes.iter().map(bits_of_attribute).collect(), ..with_bits(span) }
    )
}

fn with_bits(span: &Span) -> Span {
    let mut span = span.clone();
    let all =
        |attributes: &mut Vec<Attribute>| *attributes = attributes.iter().map(bits_of_attribute).collect();
    span.events.iter_mut().for_each(|event| all(&mut event.attributes));
    span.links.iter_mut().for_each(|link| all(&mut link.attributes));
    all(&mut Arc::make_mut(&mut span.resource).attributes);
    all(&mut Arc::make_mut(&mut span.scope).attributes);
    span
}

fn bits_of_attribute(attribute: &Attribute) -> Attribute {
    Attribute { key: attribute.key.clone(), value: bits_of_value(&attribute.value) }
}

fn bits_of_value(value: &Value) -> Value {
    match value {
        Value::Double(double) => Value::Array(vec![Value::Int(double.to_bits() as i64)]),
        Value::Array(values) => Value::Array(values.iter().map(bits_of_value).collect()),
        Value::Map(pairs) => Value::Map(pairs.iter().map(bits_of_attribute).collect()),
        other => other.clone(),
    }
}

/// The spans of each trace as they are to be read: by start, then by id, then as they were pushed.
fn by_trace(spans: &[Span]) -> BTreeMap<TraceId, Vec<Span>> {
    let mut traces: BTreeMap<TraceId, Vec<Span>> = BTreeMap::new();
    for span in spans {
        traces.entry(span.trace).or_default().push(span.clone());
    }
    for spans in traces.values_mut() {
        spans.sort_by_key(|span| (span.start_ns, span.id));
    }
    traces
}

/// All spans of a segment, block by block.
fn read_all(segment: &SpanSegment) -> Vec<Span> {
    segment.blocks().flat_map(|info| segment.read(info.number).unwrap().all().unwrap()).collect()
}

/// How long this thread was at work, which others beside it do not change; where the system does not say, the time of day.
fn worked() -> Duration {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let worked = told.and_then(|told| told.split(' ').next()?.parse().ok());
    worked.map_or_else(|| BEGIN.elapsed(), Duration::from_nanos)
}

/// How long it was at work since then.
fn worked_since(begin: Duration) -> Duration {
    worked().saturating_sub(begin)
}
