//! Submissions on real nodes: each kind of chain against the programs that speak for it.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod evm;
mod quorum;
