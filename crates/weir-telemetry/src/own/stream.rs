//! The streams that access records go to: one for each route, told apart by labels that have few values.

use std::collections::HashMap;

use weir_emit::ids::TraceId;
use weir_emit::trail::Entry;
use weir_signal::Labels;

use super::SERVICE;

/// Labels of streams, made once.
#[derive(Debug, Default)]
pub(super) struct Streams {
    known: HashMap<[Box<str>; 3], Labels>,
}

/// Names of objects come from the configuration; whoever changes it ten thousand times begins anew.
const KNOWN_MAX: usize = 10_000;

impl Streams {
    /// The stream of a record, and what goes with its line only: the trace, which finds the spans.
    pub(super) fn of(&mut self, entry: &Entry<'_>) -> (Labels, Labels) {
        let record = &entry.record;
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        let key = [record.listener, record.route, record.service].map(Box::from);
        let labels = self.known.entry(key).or_insert_with(|| {
            let pairs = [
                ("service_name", SERVICE),
                ("listener", record.listener),
                ("route", record.route),
                ("upstream", record.service),
            ];
            Labels::from_pairs(pairs).unwrap_or_default()
        });
        let trace = record.trace_id.map(TraceId::hex);
        let metadata = trace
            .as_ref()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| Labels::from_pairs([("trace_id", hex)]).ok())
            .unwrap_or_default();
        (labels.clone(), metadata)
    }
}
