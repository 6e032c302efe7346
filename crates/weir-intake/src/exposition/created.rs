//! When the counters of an OpenMetrics family began to count.
//!
//! OpenMetrics says that in samples of their own, `_created`, after those that they go with. A family's are therefore
//! looked up before its first sample is handed on.

use std::collections::HashMap;

use weir_signal::MetricKind;
use xxhash_rust::xxh3::xxh3_128;

use super::labels::{self, LastComma, Part};
use super::lex::{Dialect, Entry, Lexer};
use super::number::seconds_to_ms;

const SUFFIX: &str = "_created";

/// Start timestamps of the family at hand.
#[derive(Debug)]
pub(super) struct StartTimes {
    /// By hash of the labels, without those that tell buckets and quantiles apart.
    starts: HashMap<u128, i64>,
    /// Whether the payload has any.
    any: bool,
    scratch: Vec<u8>,
}

impl StartTimes {
    pub(super) fn new(text: &str) -> Self {
        Self { starts: HashMap::new(), any: text.contains(SUFFIX), scratch: Vec::new() }
    }

    /// Reads ahead to the next family.
    pub(super) fn look_up(&mut self, family: &str, kind: MetricKind, ahead: &Lexer<'_>) {
        self.starts.clear();
        if !self.any || !has_start(kind) {
            return;
        }
        let mut ahead = ahead.clone();
        // What is wrong further on is told when the walk comes there.
        while let Ok(Entry::Sample(sample)) = ahead.next() {
            if is_created(sample.raw, family, kind)
                && let (Some(ms), Some(key)) = (seconds_to_ms(sample.value), self.key(sample.raw))
            {
                self.starts.insert(key, ms);
            }
        }
    }

    /// When the series of `family` began to count; 0 where nobody said.
    pub(super) fn of(&mut self, raw: &str, family: &str) -> i64 {
        if self.starts.is_empty() || !labels::metric(raw, Dialect::OpenMetrics).starts_with(family) {
            return 0;
        }
        self.key(raw).and_then(|key| self.starts.get(&key).copied()).unwrap_or(0)
    }

    fn key(&mut self, raw: &str) -> Option<u128> {
        let scratch = &mut self.scratch;
        scratch.clear();
        let read = labels::parts(raw, Dialect::OpenMetrics, LastComma::Allowed, |part| {
            if let Part::Label(name, value) = part
                && name != "le"
                && name != "quantile"
            {
                for text in [name, value] {
                    scratch.extend_from_slice(&text.len().to_le_bytes());
                    scratch.extend_from_slice(text.as_bytes());
                }
            }
        });
        read.ok().map(|()| xxh3_128(scratch))
    }
}

fn has_start(kind: MetricKind) -> bool {
    matches!(kind, MetricKind::Counter | MetricKind::Histogram | MetricKind::Summary)
}

/// Whether a sample says when another began to count.
pub(super) fn is_created(raw: &str, family: &str, kind: MetricKind) -> bool {
    has_start(kind) && labels::metric(raw, Dialect::OpenMetrics).strip_suffix(SUFFIX) == Some(family)
}
