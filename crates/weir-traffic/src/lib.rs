//! Decisions about traffic: how much passes, where it goes, when to stop and when to try again.
//!
//! | question | answer |
//! |---|---|
//! | may this caller go on? | [`Limiter`] over a [`GcraTable`] (per key) or a [`Window`] (per service) |
//! | is the service well enough to be asked? | [`BreakerLive`] |
//! | is there room for one more at once? | [`Gate`] |
//! | which backend, which endpoint? | [`WeightedChoice`], [`Picker`] |
//! | may this try be repeated, and when? | [`may_retry`], [`RetryBudget`], [`backoff`] |
//!
//! Deliberately unknown here: clocks, random sources, sockets, HTTP heads. The moment is passed in as
//! [`Mono`](weir_model::Mono), randomness as [`Rng`]; a caller that passes the same inputs gets the same answers.
//!
//! Invariants:
//!
//! * What workers share is atomics: nobody waits for a worker that was descheduled. A loop repeats only because another
//!   worker's step succeeded.
//! * No operation on the request path allocates. Building ([`Picker::new`], [`GcraTable::new`], …) does.
//! * Every table is of fixed size and has a gauge.
//! * Workers read their clocks at different moments. A `now` that lies a little behind another worker's makes a limit
//!   stricter by that much, never laxer.

mod balance;
mod breaker;
mod gate;
mod gcra;
mod headers;
mod key_hash;
mod limit;
mod retry;
mod rng;
mod table;
mod verdict;
mod window;

pub use balance::{Cursor, Picker, WeightedChoice};
pub use breaker::{BreakerCounts, BreakerLive, BreakerState, Outcome, Pass, Transition};
pub use gate::Gate;
pub use gcra::Gcra;
pub use headers::{retry_after_seconds, write_policy, write_state};
pub use key_hash::KeyHasher;
pub use limit::Limiter;
pub use retry::{Attempt, Cause, Replay, RetryBudget, backoff, may_retry};
pub use rng::Rng;
pub use table::{GcraStats, GcraTable};
pub use verdict::Verdict;
pub use window::Window;
