//! Serve: the gateway's data path and its control.
//!
//! ```text
//! model ─► assemble ─► snapshot ─► inbox of each worker ─► acknowledged
//!                                      │
//!     accept → read head → route → filters → admit → pick endpoint → connection → forward → answer → record
//! ```
//!
//! Files follow that order: `control` and `assemble` make snapshots, `worker` and `connection` hold the loop,
//! `exchange/` is the request path, `filters/` what happens on it.
//!
//! Deliberately unknown here: how configuration is written down, and where changes come from (files and signals are the
//! binary's; the admin interface calls [`Gateway::change`] like everybody else).

pub mod admin;
mod assemble;
mod chain;
mod connection;
mod control;
mod echo;
mod exchange;
mod filters;
mod flow;
mod gauges;
mod kept;
mod live;
mod pool;
mod report;
mod resolve;
mod secrets;
mod shared;
mod snapshot;
mod worker;

pub use admin::report;
pub use assemble::AssembleError;
pub use control::{Applied, Gateway, GatewayError, PutInForce, StoreChange, StoreError};
pub use secrets::{SecretError, secret_files};
