//! A block: spans as columns.
//!
//! What spans of one kind of work have in common (resource, scope, name, kind, status, flags, the names of their attributes)
//! is an *operation*, and of each span only told by a number. Ids are kept as they are; a parent is told by how many steps it
//! stands above the span before; times as differences in the grain of the operation's clock.
//!
//! ```text
//! spans, fragments; the length of each section; the sections, in the order of [`Section`]
//! ```
//!
//! Sections, and of attributes each column, are decoded when they are asked for.

mod decode;
mod encode;
mod gather;
mod operations;
mod parents;
mod read;
mod times;

pub(super) use encode::{BlockEncoder, Encoded};
pub use read::SpanBlock;

/// The parts of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    /// Upper halves of trace ids, packed; lower halves, packed; spans of each fragment.
    Traces,
    /// Packed.
    Ids,
    /// See [`parents`].
    Parents,
    /// See [`operations`].
    Operations,
    /// See [`times`].
    Starts,
    /// See [`times`].
    Ends,
    /// How many; for each its shape, what was dropped, its schema; attributes.
    Resources,
    /// How many; for each its shape, what was dropped, its schema, name and version; attributes.
    Scopes,
    /// Attributes of spans.
    Attributes,
    /// Of spans that have such: trace states, messages, what was dropped, how many events, how many links.
    Extras,
    /// How many; for each its distance from the span's start, name, shape, what was dropped; attributes.
    Events,
    /// How many; for each trace, span, trace state, flags, shape, what was dropped; attributes.
    Links,
}

const SECTIONS: usize = Section::Links as usize + 1;

/// Decodes the body of a block from anywhere; whether it is one. It panics on nothing.
#[cfg(test)]
pub(super) fn decode_untrusted(body: &[u8]) -> bool {
    decode::Block::open(body.to_vec()).and_then(|block| read::decode_all(&block)).is_ok()
}
