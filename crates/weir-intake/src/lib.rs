//! Decoders of the protocols in which telemetry comes in: bytes of one payload in, what they say into a sink.
//!
//! Each protocol is a module; they share a reader of Protocol Buffers ([`wire`]), decompression under a limit
//! ([`compress`]) and [`Limits`]. A decoder knows no socket, no clock and no store. Bytes are untrusted: every length is
//! checked before it is believed, nesting is bounded, and a payload that is not what its protocol says is an error and
//! never a panic. Whoever opened the sink drops it then, and nothing is half-stored.

pub mod compress;
pub mod exposition;
pub mod jaeger;
mod limits;
pub mod loki;
mod names;
pub mod otlp;
pub mod record;
pub mod remote_write;
pub mod wire;
pub mod zipkin;

pub use limits::Limits;
pub use names::series_labels;
