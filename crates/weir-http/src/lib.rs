//! Sockets, TLS, buffers and timers: the IO that the gateway is built on.
//!
//! Deliberately unknown here: routes, services and policies. Everything runs on the thread that calls it; nothing
//! here spawns a task.

mod buf;
mod clock;
mod rlimit;
mod socket;
mod stream;
mod timer;
pub mod tls;

pub use buf::{BUF_BYTES, Buf, bufs_allocated};
pub use clock::{mono_now, wall_now};
pub use socket::{BindError, listen, raise_open_files};
pub use stream::Stream;
pub use timer::Timer;
