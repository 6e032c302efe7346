//! What is a query: our parsers beside those of Grafana's editors, `@grafana/lezer-logql` and `@grafana/lezer-traceql`, over
//! the same texts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(clippy::print_stdout, reason = "says what was compared")]

mod compare;
mod logql;
mod mutate;
mod traceql;
