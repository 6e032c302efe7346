//! PromQL, the query language of Prometheus 3: text to tree, tree and series to answer.
//!
//! [`parse`] makes a tree of a text and checks its types, [`print()`] and [`pretty`] write it again. What is accepted, what is
//! refused and with which words is what Prometheus does.
//!
//! This crate knows no clock, no storage and no protocol. Series come from a
//! [`SeriesSource`](weir_signal::SeriesSource), times and limits from the caller. Texts are those of strangers: their length,
//! their nesting and what they ask for are bounded, and none of them panics.

pub mod ast;
pub mod eval;
pub mod functions;
pub mod memory;

mod check;
mod duration;
mod lex;
mod number;
mod parse;
mod print;

pub use duration::{DurationError, format_duration, parse_duration};
pub use parse::{
    NESTING_MAX, Options, ParseError, SequenceValue, TEXT_BYTES_MAX, VALUES_MAX, parse, parse_labels,
    parse_selector, parse_series_description,
};
pub use print::{pretty, print};
