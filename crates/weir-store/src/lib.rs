//! One store for metrics, logs and traces.
pub mod disk;
mod wal;
pub use wal::{Ticket, WalStats};
