//! The heads of HTTP messages, and HTTP/1.1 as pure functions over bytes.
//!
//! One type for the head of a request and one for that of an answer serve every HTTP version: read by the router,
//! edited by filters, written by the codec. Beside them stand the head parser, the chunk decoder and the writer. Nothing
//! here does IO, knows a clock, or decides a policy.
//!
//! Invariants:
//! * a head that was parsed holds no byte that could end a line early when it is written again;
//! * its [`Framing`] is the only one that any reader can find in it;
//! * parsing gives the same answer wherever the bytes were cut.

mod chunk;
mod fields;
mod framing;
mod head;
mod known;
mod parse;
mod path;
mod write;

#[cfg(test)]
mod parse_tests;

pub use chunk::{Chunk, ChunkDecoder, ChunkError, write_chunk_head};
pub use fields::{Fields, Span};
pub use framing::Framing;
pub use head::{Method, RequestHead, ResponseHead, TargetForm, Version};
pub use known::Known;
pub use parse::{
    HeadError, Limits, Parsed, connection_lists, is_token, parse_request, parse_response, parse_trailers,
};
pub use path::{PathError, PathForm, normalise, normalise_into};
pub use write::{
    HOP_BY_HOP, strip_hop_by_hop, usual_reason, write_decimal, write_request, write_request_to,
    write_response, write_status,
};
