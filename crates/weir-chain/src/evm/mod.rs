//! Ethereum's JSON-RPC.

mod account;

pub use account::account_of_call;
