//! What is known of a metric beside its samples.

use crate::labels::Labels;

/// What kind of metric a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MetricKind {
    /// Nobody said.
    #[default]
    Unknown,
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
    /// A histogram whose buckets go up and down.
    GaugeHistogram,
    /// Quantiles, a sum and a count.
    Summary,
    /// Labels that say something, of value 1.
    Info,
    /// One of several states.
    StateSet,
}

impl MetricKind {
    /// As Prometheus' metadata API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

/// Type, unit and help of a metric family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Metadata {
    /// What kind it is.
    pub kind: MetricKind,
    /// Its unit; empty where nobody said.
    pub unit: Box<str>,
    /// What it measures; empty where nobody said.
    pub help: Box<str>,
}

/// One observation out of many, with what leads to its trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Usually `trace_id` and `span_id`.
    pub labels: Labels,
    /// What was observed.
    pub value: f64,
    /// Milliseconds since 1970.
    pub time_ms: i64,
}
