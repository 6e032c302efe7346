//! What the end-to-end suites stand on: the real binary with a configuration, clients and origins that work on bare
//! bytes, and the programs of others that Weir has to get along with.
//!
//! Nothing here shares code with Weir. What travels is read by the small strict reader in [`wire`], so that a mistake in
//! Weir's own parser can't hide behind the same mistake in the tests.
//!
//! Failures panic, with what Weir wrote beside them: these are helpers of tests and have no better way to say it.

pub mod client;
pub mod gateway;
pub mod load;
pub mod origin;
pub mod payload;
pub mod peers;
pub mod ports;
pub mod private_stand_in;
pub mod store;
pub mod wire;

pub use client::{Client, get};
pub use gateway::{Setup, Weir};
pub use origin::{Origin, Served};
pub use ports::free_port;
pub use store::Store;
pub use wire::{Fault, Message};

use std::time::{Duration, Instant};

/// Waits until a condition holds; panics with `what` when it does not within `most`.
#[track_caller]
pub fn eventually(what: &str, most: Duration, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < most, "not within {most:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
