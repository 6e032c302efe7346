//! What Weir says of itself: metrics, the access log, ids, and the log of its own events.
//!
//! Everything here keeps off the request's path. A worker writes to cells and buffers that no other thread writes;
//! whoever reads them (a scrape, a writer thread) does the work of bringing them together. Queues are bounded, and
//! what does not fit is dropped and counted, because telemetry may never delay a request.
//!
//! Costs per request: a few nanoseconds per metric, some hundred to encode an access record, no heap allocation
//! once buffers exist, and no lock (a batch of records is handed over about once in a hundred requests, under a
//! lock that is never held during IO). `cargo bench -p weir-emit` prints the figures.
//!
//! Deliberately unknown here: HTTP, sockets, configuration text, and which metrics the gateway keeps: it names its
//! families itself.

pub mod access;
mod digits;
mod escape;
pub mod ids;
pub mod logging;
pub mod metrics;
pub mod process;
mod queue;
mod stamp;
pub mod trail;
