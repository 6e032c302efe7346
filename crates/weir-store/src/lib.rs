//! One store for metrics, logs and traces.
