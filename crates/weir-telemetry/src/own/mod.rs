//! What the gateway in the same process says of its traffic, into the store by the same way as everybody's.
//!
//! Workers never wait for any of this: they copy a record into a bounded queue (`weir_emit::trail`), and a thread of its
//! own makes lines and spans of it. Nothing of it is acknowledged, so that the thread does not wait for the disk either.

pub(crate) mod metrics;
mod span;
mod stream;

use std::sync::Arc;
use std::thread::JoinHandle;

use weir_emit::access::encode_json;
use weir_emit::trail::{Entry, Keeps, TrailReader};
use weir_signal::{LogSink, Refusal, Refused, SpanSink, Tenant};
use weir_store::Store;

use span::Spans;
use stream::Streams;

/// Turns records into lines and spans until their way is closed.
pub(crate) fn follow(store: Store, mut reader: TrailReader, keeps: Keeps) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("weir-own".into()).spawn(move || {
        let mut keeper =
            Keeper { store, keeps, spans: Spans::default(), streams: Streams::default(), line: Vec::new() };
        while keeper.batch(&mut reader) {}
    })
}

struct Keeper {
    store: Store,
    keeps: Keeps,
    spans: Spans,
    streams: Streams,
    line: Vec<u8>,
}

impl Keeper {
    /// Keeps one batch; false at the end.
    fn batch(&mut self, reader: &mut TrailReader) -> bool {
        let Self { store, keeps, spans, streams, line } = self;
        let tenant = Tenant::default();
        let mut lines = keeps.logs.then(|| store.logs(&tenant));
        let mut traces = None;
        let goes_on = reader.take(|entry: Entry<'_>| {
            if let Some(sink) = &mut lines {
                let (labels, metadata) = streams.of(&entry);
                line.clear();
                encode_json(&entry.record, line);
                let text = std::str::from_utf8(line.trim_ascii_end()).unwrap_or_default();
                let time_ns = entry.record.at.0 as i64;
                let taken =
                    sink.stream(&labels).and_then(|stream| sink.entry(stream, time_ns, text, &metadata));
                noted(sink.refused(), taken);
            }
            if let Some(ids) = entry.span {
                let sink = traces.get_or_insert_with(|| store.spans(&tenant));
                let taken = sink.span(spans.of(&entry.record, ids));
                noted(sink.refused(), taken);
            }
        });
        if let Some(sink) = lines {
            report(sink.commit(None).map(drop));
        }
        if let Some(sink) = traces {
            report(sink.commit(None).map(drop));
        }
        goes_on
    }
}

/// A single record that the store refuses is counted, and the others go on.
fn noted(refused: &mut Refused, taken: Result<(), Refusal>) {
    if let Err(refusal) = taken {
        // None of these is for a reason that passes.
        let _ = refused.note("a record", refusal, 1);
    }
}

/// A refused batch is counted by the store; the log says so, once in a while at most.
fn report(committed: Result<(), Refusal>) {
    if let Err(refusal) = committed {
        tracing::debug!(%refusal, "the store did not take a batch of Weir's own records");
    }
}

/// The resource of everything that Weir says of itself.
pub(crate) fn resource() -> Arc<weir_signal::Resource> {
    Arc::new(weir_signal::Resource {
        attributes: vec![
            weir_signal::Attribute::string("service.name", SERVICE),
            weir_signal::Attribute::string("service.version", env!("CARGO_PKG_VERSION")),
        ],
        ..Default::default()
    })
}

/// The name under which Weir's own telemetry is found.
pub(crate) const SERVICE: &str = "weir";
