//! JSON-RPC, read in place: which methods a body calls, with which parameters, and what became of them.
//!
//! ```text
//!  body ─► read ─► Request { calls } ─► method, id, parameters: slices of the body
//!                     └─► methods::Dialect ─► Effect (read, write, …) and Subject (which block an answer is about)
//!  answer ─► read_answers ─► result or error, by id
//! ```
//!
//! Nothing is copied but a method's or message's name that was written with escapes. What is accepted is meant to be
//! understood by every server behind the gateway in the same way: texts that some parsers read otherwise (a member
//! twice, `Method` for `method`) are refused, so that nobody can show one method to Weir and another to a node.
//!
//! Deliberately unknown here: HTTP, sockets, which service answers.

mod answer;
pub mod methods;
mod refusal;
mod request;
mod scan;
mod uri;

pub use answer::{Answer, Answers, Outcome, read_answers};
pub use refusal::{Code, Malformed, Wrong, write_error, write_result};
pub use request::{Call, Id, Limits, Request, read};
pub use uri::{Param, UriCall, read_uri};
