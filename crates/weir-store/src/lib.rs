//! One store for metrics, logs and traces.
pub mod disk;
