//! Ways out: the HTTP interfaces that dashboards ask.

mod failed;
pub(crate) mod jaeger;
mod json;
pub(crate) mod loki;
mod otlp;
pub(crate) mod params;
pub(crate) mod prometheus;
pub(crate) mod tempo;
