//! Ways out: the HTTP interfaces that dashboards ask.

mod json;
pub(crate) mod loki;
pub(crate) mod params;
pub(crate) mod prometheus;
mod time;

pub(crate) use time::rfc3339;
