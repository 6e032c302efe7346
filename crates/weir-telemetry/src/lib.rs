//! Remember: takes telemetry in by every protocol, fetches it from those that offer it, and answers queries.
//!
//! ```text
//!  http/    ─► who is it? ─► receive/ ─► weir-intake ─► sink ─► store        (OTLP, remote write, Loki, Zipkin, Jaeger;
//!                                                                              gRPC behind the same doors, UDP beside them)
//!           └─►           ─► query/   ─► weir-…ql    ─► source ◄─ store      (Prometheus, Loki, Jaeger, Tempo)
//!  scrape/  ─► targets    ─► weir-intake ─► sink ─► store
//!  export   ─► all of it counted, as metrics for whoever scrapes Weir
//!  own/     ─► what the gateway says of itself ─► sink ─► store
//!  ask.rs   ─► the same queries on a folder, without a door
//! ```
//!
//! Invariants:
//! * A tenant is told by who the caller proved to be, never by a header that anybody can set.
//! * Nothing is acknowledged before the store says that it is on disk; UDP, scrapes and the gateway's own telemetry are
//!   not acknowledged.
//! * What is refused is answered in its protocol's own words, counted by reason, and nothing of a payload that could not
//!   be read is kept.
//! * A query runs within a budget, on threads of its own, and ends when nobody waits for it.
//!
//! Deliberately unknown here: how bytes are laid out on disk, what the gateway does, how configuration is written.

pub mod ask;
mod caller;
mod engine;
mod export;
mod http;
mod live;
mod open;
mod own;
mod query;
mod receive;
mod rules;
mod scrape;
mod server;
mod tally;
mod tls;

pub use caller::{Caller, Guard, GuardError};
pub use engine::{Engine, QueryEnd};
pub use live::{Change, ChangeError, Live};
pub use open::{StoreOpenError, folder, open, open_read_only};
pub use server::{Server, StartError};
pub use tls::TlsError;
