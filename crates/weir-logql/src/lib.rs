//! LogQL, the query language of Loki 3: text to tree, tree and lines to answer.
//!
//! [`parse`] makes a tree of a text and checks it, [`print()`] writes it again. A [`Pipeline`] takes lines one at a time
//! through the stages of a query. [`run_logs`] answers a query with lines, [`run_metric`] with numbers; what is done with
//! the numbers is left to PromQL's operators.
//!
//! This crate knows no clock, no storage and no protocol. Lines come from a [`LogSource`](weir_signal::LogSource), times
//! and limits from the caller. Queries and lines are those of strangers: their length, their nesting and what they ask for
//! are bounded, and none of them panics.
//!
//! Two things differ from Loki. A label with an empty value is one that is not there, as everywhere in Weir. And the zones
//! of `toDateInZone` are UTC and what names its distance from it, since a table of zones is not what a query should depend
//! on.

pub mod ast;
pub mod memory;

mod check;
mod detect;
mod ip;
mod json;
mod lex;
mod logfmt;
mod metric;
mod parse;
mod pattern;
mod pipeline;
mod print;
mod quote;
mod select;
mod streams;
mod template;
mod units;

pub use detect::{Field, FieldKind, detect_fields};
pub use metric::{MetricQuery, run_metric};
pub use parse::{
    NESTING_MAX, ParseError, TEXT_BYTES_MAX, parse, parse_logs, parse_selector, parse_unchecked,
};
pub use pipeline::{Line, Pipeline, StageError};
pub use print::{pretty, print};
pub use select::select;
pub use streams::{Entry, LogQuery, StreamResult, run_logs};
