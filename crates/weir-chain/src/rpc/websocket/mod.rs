//! WebSocket (RFC 6455), as much of it as a client needs that speaks JSON-RPC.

mod frame;
mod socket;

pub use frame::{Frame, FrameError, Kind, decode, encode};
pub use socket::Socket;
