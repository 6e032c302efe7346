//! TLS 1.2 and 1.3 on both sides: rustls with aws-lc-rs, without a byte of buffer per idle connection.
//!
//! ```text
//! server_config ─► ServerTlsConfig ─► accept ──┐                 ┌─ record_buf: memory, lent per thread
//!                                              ├─► TlsStream ────┤
//! client_config ─► ClientTlsConfig ─► connect ─┘                 └─ machine: one step of rustls
//! ```
//!
//! rustls' unbuffered interface makes a vector for each record, in and out. In memory, a request of 120 bytes and an
//! answer of 300 cost it 460 ns, the buffered interface (which keeps 4 KiB per connection) 400, the bare AEAD 210. The
//! interface for kernel TLS would save that quarter of a microsecond at the price of a record layer of our own, which
//! is not worth it: with all that, one thread spends 6.6 µs on a keep-alive request where nginx 1.22 spends 9.0.
//!
//! Deliberately unknown here: where certificates are kept and when they change. A new certificate is a new
//! [`ServerTlsConfig`]; connections that are open keep the one they were accepted with.

mod certificate;
mod client;
mod handshake;
mod machine;
mod pem;
mod record_buf;
mod resolver;
mod server;
mod stream;

pub use certificate::PeerCertificate;
pub use client::{ClientSpec, ClientTlsConfig, VerifyServer, client_config};
pub use handshake::{HandshakeError, HandshakeInfo, accept, connect};
pub use pem::{Pem, TlsConfigError};
pub use server::{CertificateSpec, ClientAuth, ServerSpec, ServerTlsConfig, Sessions, server_config};
pub use stream::TlsStream;
