//! Scrapes over real sockets, from the configuration's text to the store.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod discovery;
mod formats;
mod life;
mod limits;
mod node;
mod support;
mod transport;
