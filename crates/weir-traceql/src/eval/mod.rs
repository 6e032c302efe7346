//! What a tree gives for a trace.

mod aggregate;
mod field;
mod operate;
mod pipeline;
mod relation;
mod seen;
mod tree;

pub(crate) use field::holds;
pub(crate) use operate::calculate;
pub(crate) use pipeline::{Set, run};
pub(crate) use seen::{Ordered, Seen};
pub(crate) use tree::Tree;
