//! What holds at the doors: settings, and what was made of them. Replaced as a whole while the doors are open.

use std::sync::Arc;

use tokio::sync::Semaphore;
use weir_intake::Limits as IntakeLimits;
use weir_intake::otlp::MetricOptions;
use weir_model::Telemetry;

use crate::caller::Guard;
use crate::receive;

/// What holds at the doors. Whoever works by it holds it, so that a request is judged by one set of rules from its
/// beginning to its end.
pub(crate) struct Rules {
    /// What was configured.
    pub(crate) settings: Arc<Telemetry>,
    /// Who may come in.
    pub(crate) guard: Guard,
    /// Queries at once.
    pub(crate) places: Arc<Semaphore>,
    /// What a payload may hold.
    pub(crate) intake: IntakeLimits,
    /// How metrics of OTLP are taken.
    pub(crate) metric_options: MetricOptions,
}

impl Rules {
    /// The rules that settings make.
    pub(crate) fn new(settings: Arc<Telemetry>, guard: Guard) -> Self {
        let limits = &settings.limits;
        let intake = IntakeLimits {
            payload_bytes: limits.payload_bytes as usize,
            decompressed_bytes: limits.payload_bytes as usize,
            labels: limits.labels as usize,
            label_value_bytes: limits.label_bytes as usize,
            line_bytes: limits.line_bytes as usize,
            ..IntakeLimits::default()
        };
        let metric_options = receive::otlp::metric_options(&settings);
        let places = Arc::new(Semaphore::new(settings.queries.concurrent as usize));
        Self { settings, guard, places, intake, metric_options }
    }

    /// The same after others: where the number of places stays, those that are taken stay taken.
    pub(crate) fn after(mut self, before: &Self) -> Self {
        if self.settings.queries.concurrent == before.settings.queries.concurrent {
            self.places = before.places.clone();
        }
        self
    }
}
