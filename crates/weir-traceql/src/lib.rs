//! TraceQL, the query language of Tempo: text to tree, tree and traces to answer.
//!
//! [`parse`] makes a tree of a text and checks its types, [`print()`] writes it again. [`search`] finds the spans that a query
//! selects, trace by trace; [`metrics`] counts and measures them over time. What is accepted and what it means is what Tempo
//! does; where Tempo gives up on a whole query because of one span (`!` of a text, a division by zero), that span has no
//! value here and is not selected.
//!
//! This crate knows no clock, no storage and no protocol. Traces come from a [`TraceSource`](weir_signal::TraceSource),
//! which is told what a wanted trace needs to have ([`conditions`]) and may answer more: every trace that comes back is
//! evaluated whole and exactly. Texts are those of strangers: their length, their nesting and what they ask for are bounded,
//! and none of them panics. Answers are in a stated order and depend on nothing but the traces.
#![allow(clippy::float_cmp, reason = "numbers are compared as the language says: exactly")]

pub mod ast;
pub mod memory;

mod check;
mod conditions;
mod duration;
mod eval;
mod lex;
mod metrics;
mod offer;
mod parse;
mod print;
mod search;
mod value;

pub use conditions::conditions;
pub use metrics::{Exemplar, Label, MetricsError, STEPS_MAX, Series, Step, metrics};
pub use offer::{Names, names, salvaged, values};
pub use parse::{NESTING_MAX, ParseError, TEXT_BYTES_MAX, parse, parse_attribute};
pub use print::{print, print_attribute};
pub use search::{Found, FoundSpan, SearchError, SearchOptions, ServiceCount, SpanSet, search};
pub use value::Value;
