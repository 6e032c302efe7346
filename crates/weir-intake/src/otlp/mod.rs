//! OTLP, version 1 of the protocol, all three signals: Protocol Buffers, and JSON by way of them ([`json`]).
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/>. What becomes of metrics and logs follows Prometheus 3 and Loki 3, so
//! that dashboards made for them find what they look for.

mod common;
mod delta;
pub mod json;
mod logs;
mod metrics;
mod names;
mod point;
mod trace;

use std::fmt;

use weir_signal::{Refusal, Refused};

use crate::wire::Writer;

pub use delta::{DELTA_SERIES_MAX, Deltas};
pub use logs::decode_logs;
pub use metrics::{MetricOptions, decode_metrics};
pub use names::Naming;
pub use trace::decode_traces;

/// What became of a payload that could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Spans, log records or data points that were taken.
    pub items: u64,
    /// What was not.
    pub refused: Refused,
}

impl Accepted {
    /// Notes what became of one of them, or of `items` at once.
    pub(crate) fn note(
        &mut self,
        place: impl fmt::Display,
        taken: Result<(), Refusal>,
        items: u64,
    ) -> Result<(), Refusal> {
        match taken {
            Ok(()) => self.items += items,
            Err(refusal) => self.refused.note(place, refusal, items)?,
        }
        Ok(())
    }

    /// The `Export…ServiceResponse` that says so: empty where all was taken, else with `partial_success`.
    pub fn response(&self) -> Vec<u8> {
        let mut response = Writer::new();
        if !self.refused.is_empty() {
            response.message(1, |partial| {
                partial.uint(1, self.refused.total());
                partial.text(2, &self.refused.to_string());
            });
        }
        response.into_bytes()
    }

    /// The same in JSON. `rejected` is the signal's name for the count, such as `rejectedSpans`.
    pub fn response_json(&self, rejected: &str) -> String {
        if self.refused.is_empty() {
            return "{}".to_owned();
        }
        serde_json::json!({ "partialSuccess": {
            rejected: self.refused.total().to_string(),
            "errorMessage": self.refused.to_string(),
        }})
        .to_string()
    }
}
