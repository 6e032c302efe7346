//! TLS against itself and against OpenSSL.

#![allow(clippy::unwrap_used)] // a test's own steps; what fails is then the test

mod handshakes;
mod openssl;
mod streams;
mod support;
