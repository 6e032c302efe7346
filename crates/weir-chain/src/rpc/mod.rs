//! JSON-RPC to a node, over HTTP/1.1 and WebSocket: what the adaptors share.
//!
//! ```text
//!  Rpc::call ─► Http::post ─► kept connection, or Access ─► TCP, TLS
//!  Socket::call, next ─► frames ─► Access ─► TCP, TLS, the upgrade
//! ```
//!
//! A call is one exchange: nothing is sent again once a byte of it may have left. Every error says whether the node may have
//! acted; no error shows a URL's path, which may hold a key.

mod access;
mod answer;
mod call;
mod http;
mod websocket;

pub use access::Access;
pub use answer::{Answered, Refused};
pub use call::Rpc;
pub use http::{ANSWER_BYTES_MAX, Http};
pub use websocket::{Frame, FrameError, Kind, Socket, decode, encode};
